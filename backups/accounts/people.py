"""Pages about people: the list with the matrix of roles, one person, and what administrators do with accounts."""

from django.contrib import messages
from django.db.models import Q
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from backups.access import ROLES, Denied, may, role_required, step_up_required
from backups.access.models import User
from backups.access.roles import ADMINISTRATOR, APPROVER
from backups.listing import paginate

from . import services
from .forms import EmailForm, PeopleFilters, PersonForm, ReasonForm, RoleChangeForm, posted
from .matrix import gains_and_loses, matrix
from .services import AccountError


@require_safe
@role_required("person.read")
def people(request):
    filters = PeopleFilters(request)
    active = User.objects.filter(is_active=True)
    context = {
        "page": paginate(request, found_people(filters.chosen).prefetch_related("groups")),
        "filters": filters,
        "there": User.objects.count,
        "matrix": matrix(),
        "roles": ROLES,
        "active": active.count(),
        "approvers": active.filter(groups__name=APPROVER).count(),
        "administrators": active.filter(groups__name=ADMINISTRATOR).count(),
        "may_manage": may(request.user, "person.manage"),
    }
    return render(request, "backups/accounts/people.html", context)


def found_people(chosen: dict):
    """The people that the filters ask for."""
    found = User.objects.all()
    if "q" in chosen:
        found = found.filter(Q(name__icontains=chosen["q"]) | Q(username__icontains=chosen["q"]))
    if "role" in chosen:
        found = found.filter(groups__name=chosen["role"])
    invited = Q(must_change_password=True, last_login=None)
    states = {"active": Q(is_active=True) & ~invited, "invited": Q(is_active=True) & invited}
    if "state" in chosen:
        found = found.filter(states.get(chosen["state"], Q(is_active=False)))
    return found


@require_safe
@role_required("person.read")
def person(request, pk: int):
    shown = get_object_or_404(User, pk=pk)
    context = {
        "person": shown,
        "may_manage": may(request.user, "person.manage", shown),
        "may_read_log": may(request.user, "entry.read_all"),
    }
    return render(request, "backups/accounts/person.html", context)


@require_http_methods(["GET", "POST"])
@role_required("person.manage")
@step_up_required
def person_add(request):
    """The answer to the form shows the one-time password, here and nowhere else: it is not kept, so there is no
    page to come back to."""
    form = PersonForm(posted(request))
    if form.is_valid():
        data = form.cleaned_data
        try:
            added, password = services.add_person(
                data["name"], data["full_name"], data["roles"], actor=request.user, email=data["email"]
            )
        except AccountError as error:
            form.add_error("name", str(error))
        else:
            return show_password(request, added, password)
    return render(request, "backups/accounts/person_add.html", {"form": form}, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "POST"])
@role_required("person.manage")
@step_up_required
def roles(request, pk: int):
    """First what the change means, then the change."""
    shown = somebody_else(request, pk)
    form = RoleChangeForm(posted(request), initial={"roles": sorted(shown.roles)})
    context = {"form": form, "person": shown}
    if form.is_valid():
        wanted = form.cleaned_data["roles"]
        gains, loses = gains_and_loses(set(shown.roles), set(wanted))
        context |= {"wanted": sorted(wanted), "gains": gains, "loses": loses}
        if "confirmed" in request.POST:
            try:
                services.change_roles(shown, wanted, actor=request.user, reason=form.cleaned_data["reason"])
            except AccountError as error:
                form.add_error(None, str(error))
            else:
                messages.success(request, f"The roles of {shown} were changed.")
                return redirect("accounts:person", pk)
    return render(request, "backups/accounts/roles.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@role_required("person.manage")
@step_up_required
def email(request, pk: int):
    """Where mail for this person goes."""
    shown = somebody_else(request, pk)
    form = EmailForm(posted(request), initial={"email": shown.email})
    if form.is_valid():
        services.change_email(shown, form.cleaned_data["email"], actor=request.user)
        messages.success(request, f"The mail address of {shown} was saved.")
        return redirect("accounts:person", pk)
    context = {"form": form, "person": shown}
    return render(request, "backups/accounts/email.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@role_required("person.manage")
@step_up_required
def one_time_password(request, pk: int):
    shown = somebody_else(request, pk)
    form = ReasonForm(posted(request))
    if form.is_valid():
        try:
            password = services.set_one_time_password(shown, actor=request.user, reason=form.cleaned_data["reason"])
        except AccountError as error:
            form.add_error(None, str(error))
        else:
            return show_password(request, shown, password)
    context = {"form": form, "person": shown}
    return render(request, "backups/accounts/one_time_password.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@role_required("person.manage")
@step_up_required
def deactivate(request, pk: int):
    return open_or_close(request, pk, services.deactivate, "backups/accounts/deactivate.html", "deactivated")


@require_http_methods(["GET", "POST"])
@role_required("person.manage")
@step_up_required
def reactivate(request, pk: int):
    return open_or_close(request, pk, services.reactivate, "backups/accounts/reactivate.html", "reactivated")


def open_or_close(request, pk: int, verb, template: str, done: str):
    """Ask, do it, and go back to the person."""
    shown = somebody_else(request, pk)
    form = ReasonForm(posted(request))
    if form.is_valid():
        try:
            verb(shown, actor=request.user, reason=form.cleaned_data["reason"])
        except AccountError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"{shown} was {done}.")
            return redirect("accounts:person", pk)
    return render(request, template, {"form": form, "person": shown}, status=422 if form.errors else 200)


def somebody_else(request, pk: int) -> User:
    """The person of this page; nobody manages their own account."""
    shown = get_object_or_404(User, pk=pk)
    if not may(request.user, "person.manage", shown):
        raise Denied("person.manage", "You cannot do this to your own account. Another administrator can.")
    return shown


def show_password(request, shown: User, password: str):
    context = {"person": shown, "password": password}
    return render(request, "backups/accounts/password_shown.html", context)
