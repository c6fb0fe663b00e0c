"""What is in an archive: pages of its contents, and one file of it as a download."""

import re

from django.contrib import messages
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from backups.access import role_required
from backups.runs.check_views import check_fragment
from backups.runs.models import Run, RunState

from .. import forms, services
from ..models import Archive
from . import taking


@require_POST
@role_required("archive.look")
def contents(request, pk):
    """Ask the worker for a page of what is in the archive; answers with the fragment that polls for it."""
    form = forms.ContentsForm(request.POST)
    archive = get_object_or_404(Archive.objects.select_related("location"), pk=pk)
    if not form.is_valid():
        form = forms.ContentsForm({})
        form.is_valid()
    return check_fragment(request, services.look_inside(archive, actor=request.user, **form.page()))


@require_POST
@role_required("archive.download")
def take_out(request, pk):
    archive = get_object_or_404(Archive.objects.select_related("location"), pk=pk)
    form = forms.TakeOutForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Choose the file in the list of contents.")
        return redirect(archive)
    try:
        return redirect(
            "archives:file", pk=services.queue_take_out(archive, actor=request.user, **form.cleaned_data).pk
        )
    except services.ArchiveRefused as error:
        messages.error(request, str(error))
        return redirect(archive)


@require_GET
@role_required("archive.download")
def file(request, pk):
    """How far the file is; polls until it is there."""
    run = _own(request, pk)
    fragment = bool(request.headers.get("HX-Request"))
    if fragment and request.GET.get("v") == str(run.version):
        return HttpResponse(status=204)
    template = "backups/archives/_file.html" if fragment else "backups/archives/file.html"
    there = run.state == RunState.SUCCEEDED and taking.waiting_file(run).is_file()
    return render(request, template, {"run": run, "there": there, "name": _name(run)})


@require_GET
@role_required("archive.download")
def download(request, pk):
    """The file itself. It is removed an hour after it was taken out."""
    run = _own(request, pk)
    try:
        content = taking.waiting_file(run).open("rb")
    except OSError:
        raise Http404("The file is not kept any more.") from None
    services.record_download(run, actor=request.user)
    response = FileResponse(content, as_attachment=True, filename=_name(run), content_type="application/octet-stream")
    response["Cache-Control"] = "no-store"
    return response


def _own(request, pk) -> Run:
    """A file belongs to the one who asked for it."""
    return get_object_or_404(Run, pk=pk, kind=services.TAKE_OUT, actor=request.user)


def _name(run: Run) -> str:
    """The last part of the path, safe as the name of a download."""
    last = run.params["path"].rpartition("/")[2]
    return re.sub(r"[^\w.@+=, -]", "_", last) or "file"
