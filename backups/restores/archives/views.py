"""Pages of restores from an archive: what to bring back, and the wait for the plan."""

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from backups.access import role_required
from backups.archives.models import THERE, Archive
from backups.restores import kinds
from backups.restores.models import RestorePlan
from backups.runs.check_views import waiting
from backups.runs.models import Run

from . import forms, services


@require_http_methods(["GET", "POST"])
@role_required("restore.request")
def new(request, pk):
    """What to bring back from an archive. Sent, it has the worker make a plan."""
    archive = get_object_or_404(Archive.objects.select_related("location"), pk=pk, state__in=THERE)
    form = forms.ArchiveForm(request.POST or None, archive=archive)
    if request.method == "POST" and form.is_valid():
        run = services.queue_form(form.cleaned_data, archive, actor=request.user)
        return redirect("restores:planning", run.pk)
    context = {"form": form, "archive": archive}
    return render(request, "backups/restores/new_archive.html", context, status=422 if form.is_bound else 200)


@require_GET
@role_required("restore.request")
def planning(request, pk):
    """Waits for the worker's plan, then leads to it."""
    run = get_object_or_404(Run.objects.visible_to(request.user), pk=pk, kind=kinds.PLAN_FILES)
    fragment = request.headers.get("HX-Request")
    if plan_pk := run.result.get("plan"):
        address = get_object_or_404(RestorePlan, pk=plan_pk).get_absolute_url()
        address += f"?earlier={run.params['earlier']}" if "earlier" in run.params else ""
        return HttpResponse(status=204, headers={"HX-Redirect": address}) if fragment else redirect(address)
    if run.is_over and fragment:  # the head of the page says that none was made
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    template = "backups/restores/_planning.html" if fragment else "backups/restores/planning.html"
    return render(request, template, {"run": run, "waiting": waiting(run)})
