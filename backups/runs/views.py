"""Pages of runs: the list, one run with its log, and a cancel. Checks have their own fragment (``check_views``)."""

from django.contrib import messages
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from backups.access import may, role_required
from backups.audit.models import AuditEntry
from backups.listing import key, paginate

from . import log as run_log
from . import words
from .forms import RunFilters
from .models import Level, Run, RunState
from .services import RunError, host_is_away, request_cancel, runs_before, worker_is_alive

CALLS_SHOWN = 50
# What a list shows of a row: the rest may be long, and a page has a hundred rows.
SHOWN = ("kind", "state", "subject", "reason", "error", "progress", "queued_at", "started_at", "ended_at")
SHOWN += ("actor__name", "actor__username")


@require_GET
@role_required("pages.read")
def run_list(request):
    filters = RunFilters(request)
    runs = Run.objects.history().select_related("actor").only(*SHOWN)
    page = paginate(request, filters.narrow(runs))
    for run in page.rows:
        run.words = words.words_of(run.kind)
    context = {"page": page, "filters": filters, "worker_alive": worker_is_alive()}
    return render(request, "backups/runs/list.html", context)


@require_GET
@role_required("pages.read")
def detail(request, pk: int):
    """One run. ``?before=`` shows the lines of its log before that number instead of the last ones."""
    run = _run(pk)
    hidden = run_log.hidden_from(request.user)
    context = {
        **_live_context(run),
        **_end_context(request.user, run),
        "window": run_log.window(run, hidden, before=key(request.GET.get("before"))),
    }
    return render(request, "backups/runs/detail.html", context)


@require_GET
@role_required("pages.read")
def live(request, pk: int):
    """The parts of the page that change. 204 while the reader has the newest (``?v=``)."""
    run = _run(pk)
    context = _live_context(run)
    if request.GET.get("v") == context["version"]:
        return HttpResponse(status=204)
    if run.is_over:
        context |= _end_context(request.user, run)
    return render(request, "backups/runs/_live.html", context | {"fragment": True})


@require_GET
@role_required("pages.read")
def log(request, pk: int):
    """The lines of the log after ``?after=``, and what fetches the next ones. 204 when there are none yet."""
    run = get_object_or_404(Run.objects.history().only("state", "lines"), pk=pk)
    after = key(request.GET.get("after")) or 0
    if not run.is_over and min(run.lines, run_log.MAX_ROWS) <= after:
        return HttpResponse(status=204)
    window = run_log.window(run, run_log.hidden_from(request.user), after=after)
    return render(request, "backups/runs/_lines.html", {"run": run, "window": window})


@require_GET
@role_required("pages.read")
def log_text(request, pk: int):
    """The whole log as a text file; without the lines that this person may not see."""
    run = _run(pk)
    lines = run_log.as_text(run, run_log.hidden_from(request.user))
    response = StreamingHttpResponse(lines, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="run-{run.pk}.log"'
    return response


@require_POST
@role_required("run.cancel")
def cancel(request, pk: int):
    run = _run(pk)
    name = words.name_of(run)
    if request.POST.get("typed_name") != name:
        messages.error(request, f"Not cancelled: the name that was typed is not {name}.")
        return redirect(run)
    try:
        request_cancel(run, actor=request.user)
    except RunError as error:
        messages.error(request, f"Not cancelled. {error}")
    else:
        messages.success(request, "Asked to cancel. The run obeys before its next step.")
    return redirect(run)


def _run(pk: int) -> Run:
    runs = Run.objects.history().select_related("actor", "cancel_requested_by")
    return get_object_or_404(runs, pk=pk)


def _live_context(run: Run) -> dict:
    """What ``_live.html`` shows. The version changes with everything in it that time alone does not change."""
    alive = run.is_over or worker_is_alive()
    away = alive and not run.is_over and host_is_away(run)
    before = runs_before(run) if alive and run.state == RunState.QUEUED else 0
    return {
        "run": run,
        "words": words.words_of(run.kind),
        "name": words.name_of(run),
        "ending": words.ending_of(run),
        "worker_alive": alive,
        "host_away": away,
        "before": before,
        "version": f"{run.version}.{before}{'.host' * away}" if alive else f"{run.version}.away",
    }


def _end_context(user, run: Run) -> dict:
    """What is complete only when the run is over: its calls and its entries, for those who may see them, and the way
    to mend what made it fail, for those who may go it."""
    raw, entries = may(user, "raw.read"), may(user, "entry.read_own")
    mend = run.result.get("mend")
    calls = run.log.filter(level=Level.CALL).order_by("-number")[:CALLS_SHOWN] if raw else []
    mine = AuditEntry.objects.visible_to(user).filter(run=run.pk).order_by("seq") if entries else []
    return {
        "raw": raw,
        "calls": sorted(calls, key=lambda line: line.number),
        "may_see_entries": entries,
        "entries": mine,
        "mend": mend if mend and may(user, mend["act"]) else None,
    }
