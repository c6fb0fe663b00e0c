"""Pages of snapshots and profiles."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from backups.access import role_required
from backups.listing import paginate
from backups.runs.check_views import check_fragment
from backups.runs.services import queue_check

from . import forms, services
from .models import Snapshot, SnapshotProfile, default_patterns

# What a list shows of a row: the rest may be long, and a page has a hundred rows.
SHOWN = ("name", "state", "run", "shards_total", "shards_failed", "bytes_new", "started_at", "ended_at")
SHOWN += ("run__ended_at",)
SHOWN += ("repository__name", "repository__collected_at", "repository__cluster__name", "profile__name")


@require_GET
@role_required("pages.read")
def snapshot_list(request):
    filters = forms.SnapshotFilters(request)
    chosen = dict(filters.chosen)
    rows = Snapshot.objects.select_related("repository__cluster", "profile", "run").only(*SHOWN)
    if prefix := chosen.pop("q", ""):
        rows = rows.filter(name__startswith=prefix)
    page = paginate(request, rows.filter(**chosen).with_index_count())
    context = {"page": page, "filters": filters, "filtered": bool(filters.chosen)}
    return render(request, "backups/snapshots/list.html", context | _refreshed(page))


def _refreshed(page) -> dict:
    """When what the page shows was read: the oldest of its repositories."""
    moments = [row.repository.collected_at for row in page.rows if row.repository.collected_at]
    return {"refreshed": min(moments, default=None)}


@require_GET
@role_required("pages.read")
def detail(request, pk):
    snapshot = _snapshot(pk)
    return render(
        request,
        "backups/snapshots/detail.html",
        {"snapshot": snapshot, "indices": snapshot.indices.defer("settings")},
    )


@require_GET
@role_required("pages.read")
def live(request, pk):
    snapshot = _snapshot(pk)
    if snapshot.run and request.GET.get("v") == str(snapshot.run.version):
        return HttpResponse(status=204)
    return render(request, "backups/snapshots/_live.html", {"snapshot": snapshot})


@require_http_methods(["GET", "POST"])
@role_required("snapshot.start")
def start(request):
    """Start a snapshot of a profile (``?profile=``), or without one (``?profile=none``). Who does not say which gets
    the only profile, where there is one: a snapshot without it would leave it unprotected."""
    profile_pk = request.GET.get("profile", "")
    if profile_pk.isdigit():
        return _start_profile(request, get_object_or_404(_profiles(), pk=profile_pk))
    if request.method == "GET" and not profile_pk and len(only := _profiles()[:2]) == 1:
        return redirect(f"{request.path}?profile={only[0].pk}")
    return _start_free(request)


def _start_profile(request, profile):
    form = forms.StartForm(request.POST or None, initial=_start_initial(profile))
    if request.method == "POST" and form.is_valid():
        chosen = {name: form.cleaned_data[name] for name in ("name", "reason", "form_key", "seen")}
        if run := _started(form, services.queue_profile_snapshot, actor=request.user, profile=profile, **chosen):
            return redirect(run)
    # What was shown is no longer true after a refusal for that reason: show the profile of now with its digest.
    context = {"form": form, "profile": profile, "profiles": _profiles(), "seen": profile.digest}
    return render(request, "backups/snapshots/start.html", context, status=422 if form.is_bound else 200)


def _start_free(request):
    name = services.free_name(None, SnapshotProfile().name_template, timezone.now())
    initial = {"form_key": forms.new_form_key(), "patterns": default_patterns(), "name": name}
    form = forms.FreeStartForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        chosen = {name: value for name, value in form.cleaned_data.items() if name != "seen"}
        if run := _started(form, services.queue_snapshot, actor=request.user, **chosen):
            return redirect(run)
    context = {"form": form, "profiles": _profiles(), "repositories": forms.registered().exists()}
    return render(request, "backups/snapshots/start.html", context, status=422 if form.is_bound else 200)


def _started(form, verb, **arguments):
    """The run, or None with the reason in the form."""
    try:
        return verb(**arguments)
    except services.AlreadySent as error:
        return error.run
    except services.SnapshotError as error:
        form.add_error(error.field if error.field in form.fields else None, str(error))
        return None


def _start_initial(profile) -> dict:
    try:
        name = services.free_name(profile.repository, profile.name_template, timezone.now())
    except services.SnapshotError:
        name = profile.name_template
    return {"name": name, "form_key": forms.new_form_key(), "seen": profile.digest}


@require_POST
@role_required("snapshot.start")
def preview(request):
    """Ask the worker which indices the form's patterns match; answers with the fragment that polls for it."""
    form = forms.PreviewForm(request.POST)
    if not form.is_valid():
        return render(request, "backups/snapshots/_preview_empty.html")
    repository, name = form.cleaned_data["repository"], form.cleaned_data["name"]
    params = {
        "repository": repository.pk,
        "patterns": form.cleaned_data["patterns"],
        "name": services.described_name(repository, name) if name else "",
        "template": "backups/snapshots/_preview.html",
    }
    run = queue_check("patterns", actor=request.user, form=services.PREVIEW, params=params)
    return check_fragment(request, run)


@require_GET
@role_required("pages.read")
def profiles(request):
    page = paginate(request, _profiles().with_last_good())
    return render(request, "backups/snapshots/profiles.html", {"page": page})


@require_GET
@role_required("pages.read")
def profile(request, pk):
    found = get_object_or_404(_profiles(), pk=pk)
    recent = found.snapshots.select_related("run").order_by("-pk")[:10]
    return render(request, "backups/snapshots/profile.html", {"profile": found, "snapshots": recent})


@require_http_methods(["GET", "POST"])
@role_required("profile.manage")
def profile_add(request):
    return _profile_form(request, SnapshotProfile())


@require_http_methods(["GET", "POST"])
@role_required("profile.manage")
def profile_change(request, pk):
    return _profile_form(request, get_object_or_404(_profiles(), pk=pk))


def _profile_form(request, profile):
    adding, now = profile.pk is None, profile.digest
    form = forms.ProfileForm(request.POST or None, instance=profile, initial={"seen": now})
    if request.method == "POST" and form.is_valid():
        try:
            services.save_profile(actor=request.user, profile=form.instance, seen=form.cleaned_data["seen"])
        except services.SnapshotError as error:
            form.add_error(error.field if error.field in form.fields else None, str(error))
        else:
            messages.success(request, f"Profile {form.instance} {'added' if adding else 'changed'}.")
            if services.was_seen_empty(request.user, form.instance):
                messages.warning(request, "No index matches its patterns: as it is, its snapshots are refused.")
            return redirect(form.instance)
    # What was sent stays what was seen: saving a second time must not slip over somebody else's change.
    seen = request.POST.get("seen", "") if form.is_bound else now
    context = {"form": form, "adding": adding, "repositories": forms.registered().exists(), "seen": seen}
    return render(request, "backups/snapshots/profile_form.html", context, status=422 if form.is_bound else 200)


def _snapshot(pk) -> Snapshot:
    return get_object_or_404(
        Snapshot.objects.select_related("repository__cluster", "profile", "run__actor").with_index_count(), pk=pk
    )


def _profiles():
    return SnapshotProfile.objects.select_related("cluster", "repository__cluster")
