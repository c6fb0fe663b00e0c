"""Pages of repositories."""

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from backups.access import may, role_required
from backups.clusters.models import Cluster
from backups.listing import paginate
from backups.runs.check_views import check_context, check_fragment, latest_check

from . import services
from .forms import RegisterForm, RepositoryFilters, new_form_key
from .models import Repository


@require_GET
@role_required("pages.read")
def repository_list(request):
    filters = RepositoryFilters(request)
    chosen = dict(filters.chosen)
    rows = _repositories().with_snapshot_count()
    if text := chosen.pop("q", ""):
        rows = rows.filter(name__contains=text)
    context = {
        "page": paginate(request, rows.filter(**chosen)),
        "filters": filters,
        "any": Repository.objects.exists(),
        "there": Repository.objects.count,
        "any_cluster": Cluster.objects.exists(),
        "may_manage": may(request.user, "repository.manage"),
    }
    return render(request, "backups/repositories/list.html", context)


@require_GET
@role_required("pages.read")
def detail(request, pk: int):
    repository = get_object_or_404(_repositories().with_snapshot_count(), pk=pk)
    context = {
        "repository": repository,
        "may_verify": may(request.user, "repository.verify") and not repository.is_readonly,
        "may_manage": may(request.user, "repository.manage"),
        "why_not": services.why_not_restricted(repository.cluster),
        "runs": services.runs_of(repository)[:10],
        "twins": services.twins_of(repository),
        "raw": may(request.user, "raw.read"),
    }
    return render(request, "backups/repositories/detail.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("repository.manage")
def register(request):
    form = RegisterForm(request.POST or None, initial=_proposed(request))
    if form.is_valid() and (run := _asked(form, services.request_registration, request.user)):
        return redirect(run)
    check = check_context(request.user, latest_check(request.user, services.FORM))
    context = {"form": form, "clusters": form.fields["cluster"].queryset.exists()} | check
    return render(request, "backups/repositories/register.html", context, status=422 if form.is_bound else 200)


@require_POST
@role_required("repository.manage")
def check(request):
    """Ask the worker whether what the form says could be registered; answers with the fragment that polls for it."""
    form = RegisterForm(request.POST)
    if form.is_valid() and (run := _asked(form, services.request_check, request.user)):
        return check_fragment(request, run)
    return render(request, "backups/repositories/_not_checked.html", {"form": form})


@require_POST
@role_required("repository.verify")
def verify(request, pk: int):
    repository = get_object_or_404(_repositories(), pk=pk)
    try:
        return redirect(services.request_verification(repository, actor=request.user))
    except services.RepositoryError as error:
        messages.error(request, str(error))
        return redirect(repository)


def _repositories():
    return Repository.objects.select_related("cluster").prefetch_related("cluster__credentials")


def _proposed(request) -> dict:
    """What the address says, as the link "register again" does."""
    named = {name: request.GET.get(name, "") for name in ("cluster", "name", "location")}
    return {"form_key": new_form_key(), "compress": True} | named


def _asked(form: RegisterForm, verb, actor):
    """The run, or None with the reason in the form."""
    try:
        return verb(**form.cleaned_data, actor=actor)
    except services.AlreadySent as error:
        return error.run
    except services.RepositoryError as error:
        form.add_error(error.field, str(error))
        return None
