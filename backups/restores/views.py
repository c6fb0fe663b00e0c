"""Pages of restores: what to bring back, the plan, the request for it, and what came of it."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from backups.access import role_required, step_up_required
from backups.approvals.errors import ApprovalError
from backups.listing import paginate
from backups.runs.check_views import check_context, check_fragment, latest_check
from backups.runs.models import CHECK, Run

from . import clearing, forms, reading, services
from .archives import services as archives
from .models import RestorePlan
from .services import RestoreError

OFFERED = 20


@require_GET
@role_required("pages.read")
def restore_list(request):
    """Restores that were asked for, and what a new one can begin with."""
    page = paginate(request, reading.history())
    return render(request, "backups/restores/list.html", {"page": page, "snapshots": reading.snapshots()[:OFFERED]})


@require_http_methods(["GET", "POST"])
@role_required("restore.request")
def new(request, pk):
    """What to bring back from a snapshot. Sent, it has the worker make a plan."""
    snapshot = get_object_or_404(reading.snapshots(), pk=pk)
    held, like = reading.held_names(snapshot), reading.plan_like(_number(request.GET.get("like")))
    streams = reading.held_streams(held)
    form = forms.RestoreForm(
        request.POST or None,
        snapshot=snapshot,
        places=reading.places(snapshot),
        held=held,
        streams=streams,
        initial=forms.DEFAULTS | (forms.chosen_in(like.options) if like else {}),
    )
    if request.method == "POST" and form.is_valid():
        try:
            earlier = services.asked_for(like) or _number(request.GET.get("earlier"))
            check = services.queue_form(form.cleaned_data, held, actor=request.user, earlier=earlier)
            return redirect("restores:checking", check.pk)
        except RestoreError as error:
            form.add_error(error.field if error.field in form.fields else None, str(error))
    facts = reading.held_facts(snapshot)
    boxes = [(box, facts.get(box.data["value"], {})) for box in form["names"]] if "names" in form.fields else []
    of_streams = [(box, streams[box.data["value"]]) for box in form["streams"]] if streams else []
    context = {"form": form, "snapshot": snapshot, "held": held, "boxes": boxes, "streams": of_streams, "like": like}
    return render(request, "backups/restores/new.html", context, status=422 if form.is_bound else 200)


@require_GET
@role_required("restore.request")
def checking(request, pk):
    """Waits for the worker's plan, then leads to it."""
    run = get_object_or_404(Run.objects.visible_to(request.user), pk=pk, kind=CHECK, subject=services.FORM)
    if plan_pk := run.result.get("plan"):
        earlier = run.params.get("earlier")
        address = reverse("restores:plan", args=[plan_pk]) + (f"?earlier={earlier}" if earlier else "")
        if request.headers.get("HX-Request"):
            return HttpResponse(status=204, headers={"HX-Redirect": address})
        return redirect(address)
    if run.is_over and request.headers.get("HX-Request"):  # the head of the page says that none was made
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    return render(request, "backups/restores/checking.html", {"run": run, **check_context(request.user, run)})


@require_GET
@role_required("pages.read")
def plan(request, pk):
    return _plan_page(request, _plan(pk), forms.AskForm(initial={"earlier": _number(request.GET.get("earlier"))}))


@require_POST
@role_required("restore.request")
def ask(request, pk):
    """File the request for a plan."""
    return _ask(request, pk)


@require_http_methods(["GET", "POST"])
@role_required("restore.break_glass")
@step_up_required
def break_glass(request, pk):
    """Start it without approval. Who had to give the password first comes back by GET, to the plan."""
    if request.method == "GET":
        return redirect("restores:plan", pk)
    return _ask(request, pk, break_glass=True)


@require_POST
@role_required("restore.request")
def again(request, pk):
    """Make the plan anew; ``skip`` names an index to take out of it."""
    found, skip, earlier = _plan(pk), request.POST.getlist("skip"), _number(request.POST.get("earlier"))
    if found.is_of_files:
        run = archives.queue_again(found, actor=request.user, skip=skip, earlier=earlier)
        return redirect("restores:planning", run.pk)
    run = services.queue_again(found, actor=request.user, skip=skip, earlier=earlier)
    return redirect("restores:checking", run.pk)


@require_POST
@role_required("archive.look")
def compare(request, pk):
    """Have the worker compare the plan with what is there now: for whoever decides about it."""
    found = _plan(pk)
    run = services.queue_compare(found, actor=request.user)
    if request.headers.get("HX-Request"):
        return check_fragment(request, run)
    return redirect("restores:plan", found.pk)


@require_GET
@role_required("archive.look")
def plan_json(request, pk):
    """The frozen text, byte for byte: its SHA-256 is the digest."""
    found = _plan(pk)
    response = HttpResponse(found.text, content_type="application/json; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="plan-{found.pk}.json"'
    return response


@require_POST
@role_required("restore.request")
def undo(request, pk):
    """Plan the way back of a restore."""
    found = _plan(pk)
    try:
        if found.is_of_files:
            return redirect("restores:planning", archives.queue_undo(found, actor=request.user).pk)
        return redirect("restores:checking", services.queue_undo(found, actor=request.user).pk)
    except RestoreError as error:
        messages.error(request, str(error))
        return redirect("restores:plan", pk)


@require_POST
@role_required("lock.clear")
def clear_locks(request, pk):
    """Give back what a restore holds whose effect nobody knew."""
    found = _plan(pk)
    try:
        if not found.request_id or found.request.run is None:
            raise RestoreError("This plan was never carried out.")
        clearing.clear_locks(found.request.run, actor=request.user, reason=request.POST.get("reason", ""))
    except RestoreError as error:
        messages.error(request, f"Nothing was cleared. {error}")
    else:
        messages.success(request, "The locks are cleared.")
    return redirect("restores:plan", pk)


def _ask(request, pk: int, *, break_glass: bool = False):
    found, form = _plan(pk), forms.AskForm(request.POST)
    if form.is_valid():
        said = dict(form.cleaned_data)
        earlier = reading.earlier_request(said.pop("earlier"), request.user)
        try:
            asked = services.ask(actor=request.user, plan=found, break_glass=break_glass, earlier=earlier, **said)
            return redirect(asked)
        except (RestoreError, ApprovalError) as error:
            form.add_error(error.field if error.field in form.fields else None, str(error))
    return _plan_page(request, found, form)


def _plan_page(request, found: RestorePlan, form):
    run = found.request.run if found.request_id else None
    context = {
        "plan": found,
        "document": found.document,
        "template": services.TEMPLATES[found.document["kind"]],
        "form": form,
        "earlier": reading.earlier_request(_number(str(form["earlier"].value())), request.user),
        "run": run,
        "is_over": found.came_to_nothing or bool(run and run.is_over),
        "copies": reading.way_back(run),
        "locked": reading.left_locked(run),
        "needed": settings.APPROVALS_NEEDED[found.risk],
        "mine": found.made_by_id == request.user.pk,
    }
    context |= check_context(request.user, latest_check(request.user, services.compare_form(found)))
    return render(request, "backups/restores/plan.html", context, status=422 if form.is_bound else 200)


def _number(given: str | None) -> int | None:
    return int(given) if given and given.isdecimal() and len(given) < 12 else None


def _plan(pk: int) -> RestorePlan:
    rows = RestorePlan.objects.select_related("snapshot__repository__cluster", "archive", "cluster", "made_by")
    return get_object_or_404(rows.select_related("request__run"), pk=pk)
