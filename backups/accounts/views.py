"""Signing in and out, giving the password again, and one's own account."""

from django.contrib import messages
from django.contrib.auth import login, logout, update_session_auth_hash
from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponseBadRequest, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from backups.access import own_account
from backups.access.gate import remember_step_up
from backups.access.models import Theme
from backups.templatetags.formats import duration

from . import services
from . import sign_in as passwords
from .forms import PasswordForm, ProfileForm, SignInForm, StepUpForm, posted
from .sign_in import SignInError, Throttled


@login_not_required
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def sign_in(request):
    if request.user.is_authenticated and request.method == "GET":
        return HttpResponseRedirect(next_page(request))
    form = SignInForm(posted(request))
    context = {"form": form, "next": next_page(request)}
    template = "backups/accounts/sign_in.html"
    if not form.is_valid():
        return render(request, template, context, status=422 if form.is_bound else 200)
    try:
        person = passwords.sign_in(form.cleaned_data["name"], form.cleaned_data["password"], address=request.address)
    except (SignInError, Throttled) as error:
        return refused(request, template, context, error)
    enter(request, person)
    return HttpResponseRedirect(next_page(request))


@require_POST
@own_account
def sign_out(request):
    passwords.sign_out(request.user)
    logout(request)
    return redirect("accounts:sign_in")


@require_http_methods(["GET", "POST"])
@own_account
@sensitive_post_parameters("password")
def step_up(request):
    """Ask for the password again, then go back to the page that wanted it."""
    form = StepUpForm(posted(request))
    context = {"form": form, "next": next_page(request)}
    template = "backups/accounts/step_up.html"
    if not form.is_valid():
        return render(request, template, context, status=422 if form.is_bound else 200)
    try:
        passwords.step_up(request.user, form.cleaned_data["password"], address=request.address)
    except (SignInError, Throttled) as error:
        return refused(request, template, context, error)
    remember_step_up(request)
    return HttpResponseRedirect(next_page(request))


@require_http_methods(["GET", "POST"])
@own_account
@sensitive_post_parameters("current", "new", "again")
def change_password(request):
    form = PasswordForm(posted(request), person=request.user)
    context = {"form": form}
    template = "backups/accounts/password.html"
    if not form.is_valid():
        return render(request, template, context, status=422 if form.is_bound else 200)
    try:
        passwords.prove_password(request.user, form.cleaned_data["current"], address=request.address)
    except (SignInError, Throttled) as error:
        return refused(request, template, context, error)
    services.change_own_password(request.user, form.cleaned_data["new"])
    update_session_auth_hash(request, request.user)
    remember_step_up(request)
    messages.success(request, "Your password was changed. Your other sessions have ended.")
    return redirect("accounts:profile")


@require_http_methods(["GET", "POST"])
@own_account
def profile(request):
    person = request.user
    form = ProfileForm(posted(request), initial={"time_zone": person.time_zone, "email": person.email})
    if form.is_valid():
        services.save_preferences(person, time_zone=form.cleaned_data["time_zone"])
        services.change_email(person, form.cleaned_data["email"], actor=person)
        messages.success(request, "Your profile was saved.")
        return redirect("accounts:profile")
    return render(request, "backups/accounts/profile.html", {"form": form}, status=422 if form.is_bound else 200)


@require_POST
@own_account
def theme(request):
    if request.POST.get("theme") not in Theme.values:
        return HttpResponseBadRequest("There is no such theme.", content_type="text/plain")
    services.save_preferences(request.user, theme=request.POST["theme"])
    return HttpResponseRedirect(next_page(request))


def enter(request, person) -> None:
    """Begin a session that nobody could have known before."""
    if request.user.is_authenticated:
        request.session.flush()
    login(request, person)
    remember_step_up(request)


def refused(request, template: str, context: dict, error: SignInError | Throttled):
    """The form again: 429 with the time to wait, or 422 with the tries that are left."""
    if isinstance(error, Throttled):
        response = render(request, template, context | {"wait": duration(error.wait)}, status=429)
        response["Retry-After"] = str(error.wait)
        return response
    return render(request, template, context | {"wrong": True, "left": error.left}, status=422)


def next_page(request) -> str:
    """Where the person wanted to go: a path of this console, or home. Other sites' addresses are not followed."""
    target = request.POST.get("next") or request.GET.get("next") or ""
    if target.startswith("/") and url_has_allowed_host_and_scheme(target, allowed_hosts=None):
        return target
    return reverse("dashboard:home")
