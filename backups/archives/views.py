"""Pages of archives: the list, one of them, and the form that starts one."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from backups.access import role_required
from backups.listing import paginate

from . import bare_host, forms, services
from .models import Archive, ArchiveProfile

# What a list shows of a row.
SHOWN = ("name", "state", "message", "files", "bytes", "keys", "size", "made_at", "finished_at", "structure_at")
SHOWN += ("structure_good", "checksums_at", "checksums_good", "drilled_at", "drilled_good", "outside", "foreign")
SHOWN += ("profile__name", "location__name", "made_by__run__id", "made_by__run__queued_at")


@require_GET
@role_required("pages.read")
def archive_list(request):
    filters = forms.ArchiveFilters(request)
    chosen = dict(filters.chosen)
    rows = Archive.objects.select_related("location", "profile", "made_by__run").only(*SHOWN)
    if prefix := chosen.pop("q", ""):
        rows = rows.filter(name__startswith=prefix)
    page = paginate(request, rows.filter(**chosen))
    context = {"page": page, "filters": filters, "filtered": bool(filters.chosen)}
    return render(request, "backups/archives/list.html", context)


@require_GET
@role_required("pages.read")
def detail(request, pk):
    archive = _archive(pk)
    context = {"archive": archive, "comparison": services.last_comparison(archive)}
    context |= {"commands": bare_host.commands(archive) if archive.is_there else ""}
    return render(request, "backups/archives/detail.html", context)


@require_GET
@role_required("pages.read")
def live(request, pk):
    archive = _archive(pk)
    if archive.run and request.GET.get("v") == str(archive.run.version):
        return HttpResponse(status=204)
    return render(request, "backups/archives/_live.html", {"archive": archive})


@require_http_methods(["GET", "POST"])
@role_required("archive.start")
def start(request):
    """Start an archive of a profile (``?profile=``). Who does not say which gets the only one, where there is one."""
    profiles = ArchiveProfile.objects.select_related("location")
    wanted = request.GET.get("profile", "")
    if not wanted.isdigit():
        if request.method == "GET" and len(only := profiles[:2]) == 1:
            return redirect(f"{request.path}?profile={only[0].pk}")
        status = 200 if request.method == "GET" else 422
        return render(request, "backups/archives/start.html", {"profiles": profiles}, status=status)
    return _start(request, get_object_or_404(profiles, pk=wanted), profiles)


def _start(request, profile, profiles):
    form = forms.StartForm(request.POST or None, initial=_initial(profile))
    if request.method == "POST" and form.is_valid():
        try:
            return redirect(services.queue_archive(actor=request.user, profile=profile, **form.cleaned_data))
        except services.AlreadySent as error:
            return redirect(error.run)
        except services.ArchiveRefused as error:
            form.add_error(error.field if error.field in form.fields else None, str(error))
    # What was shown is no longer true after a refusal for that reason: show the profile of now with its digest.
    context = {"form": form, "profile": profile, "profiles": profiles, "seen": profile.digest}
    return render(request, "backups/archives/start.html", context, status=422 if form.is_bound else 200)


def _initial(profile) -> dict:
    try:
        name = services.free_name(profile, timezone.now())
    except services.ArchiveRefused:
        name = ""
    return {"name": name, "form_key": forms.new_form_key(), "seen": profile.digest}


@require_POST
@role_required("archive.verify")
def verify(request, pk):
    archive = _archive(pk)
    try:
        return redirect(services.queue_verify(archive, actor=request.user))
    except services.ArchiveRefused as error:
        messages.error(request, str(error))
        return redirect(archive)


@require_POST
@role_required("archive.look")
def compare(request, pk):
    archive = _archive(pk)
    try:
        return redirect(services.queue_compare(archive, actor=request.user, full="full" in request.POST))
    except services.ArchiveRefused as error:
        messages.error(request, str(error))
        return redirect(archive)


def _archive(pk) -> Archive:
    rows = Archive.objects.select_related("location", "profile", "made_by__run__actor", "made_by__profile")
    return get_object_or_404(rows, pk=pk)
