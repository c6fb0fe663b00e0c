"""The fragment that shows a check: waited for, then its result. Any form may include it.

A form queues a check (``services.queue_check``) and answers with ``check_fragment``, which polls until the check is
over. What is shown then is drawn by the template that the check names in ``params["template"]``; without one by
``_check_result.html``, whose first line says what it takes. Parts of a page that the result makes old can listen to
the event ``check-over``.
"""

from datetime import timedelta

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from backups.access import may, role_required

from .models import CHECKS, Run, RunState
from .services import host_is_away, runs_before, worker_is_alive

UNCLAIMED_AFTER = timedelta(seconds=5)
SHOWN_FOR = timedelta(minutes=10)


@require_GET
@role_required("pages.read")
def check(request, pk: int):
    """The check as it is now; only for the person who asked. 204 when nothing is new."""
    run = get_object_or_404(Run.objects.visible_to(request.user), pk=pk, kind__in=CHECKS)
    if request.GET.get("v") == _version(run):
        return HttpResponse(status=204)
    response = check_fragment(request, run)
    if run.is_over:
        response["HX-Trigger"] = "check-over"
    return response


def check_fragment(request, run: Run) -> HttpResponse:
    """What a view answers that has just queued a check."""
    return render(request, "backups/runs/_check.html", check_context(request.user, run))


def check_context(user, run: Run | None) -> dict:
    """What ``_check.html`` needs, for a page that includes it; nothing without a check."""
    if run is None:
        return {}
    return {
        "check": run,
        "check_version": _version(run),
        "check_waiting": waiting(run),
        "check_template": run.params.get("template", "backups/runs/_check_result.html"),
        "result": run.result,
        "raw": may(user, "raw.read"),
    }


def latest_check(user, form: str) -> Run | None:
    """The check that this person asked for with this form, a moment ago."""
    since = timezone.now() - SHOWN_FOR
    return Run.objects.filter(kind__in=CHECKS, actor=user, subject=form, queued_at__gt=since).order_by("-pk").first()


def waiting(run: Run) -> str:
    """Why a run that looks at something has no result yet."""
    if run.state != RunState.QUEUED or timezone.now() - run.queued_at < UNCLAIMED_AFTER:
        return "Looking."
    if host_is_away(run):
        return (
            f"The worker of {run.host} is not running. This is looked at as soon as it is started there "
            "(manage.py worker)."
        )
    if not worker_is_alive():
        return "No worker is running. This is looked at as soon as one is started (manage.py worker)."
    before = runs_before(run)
    return f"The worker is busy, {before} before you." if before else "The worker is busy. You are next."


def _version(run: Run) -> str:
    """Changes with what the fragment shows."""
    return str(run.version) if run.is_over else f"{run.version} {waiting(run)}"
