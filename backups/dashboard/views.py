"""The overview and the part of it that refreshes itself."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from backups.access import role_required

from .facts import Overview
from .setup import DONE, setup_steps


@require_GET
@role_required("pages.read")
def home(request):
    return render(request, "backups/dashboard/home.html", _context(request, Overview(request.user)))


@require_GET
@role_required("pages.read")
def live(request):
    """What changes. 204 while the reader has the newest (``?v=``)."""
    overview = Overview(request.user)
    if request.GET.get("v") == overview.version:
        return HttpResponse(status=204)
    return render(request, "backups/dashboard/_live.html", _context(request, overview) | {"fragment": True})


def _context(request, overview: Overview) -> dict:
    steps = setup_steps(request.user, overview)
    return {"overview": overview, "steps": steps, "steps_done": sum(step.state == DONE for step in steps)}
