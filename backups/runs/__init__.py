"""Runs: how work survives killed processes, lost doorbells and two workers at once.

A ``Run`` row is the truth about one execution of anything. Words used here:

doorbell  a message through django-q2 that says only "look at run N". It may be lost or come twice.
claim     one conditional UPDATE that gives a run to one process: not over, due, and not leased by another.
lease     how long that process has it (LEASE_SECONDS). After that anybody may claim it.
fence     a number that grows with every claim. Whatever an older fence wants to write is void.
turn      one claim, one small piece of work (idempotent, under 5 s), one commit.
step      what the page shows (prepare, create, verify ...); a step spans as many turns as it needs.

``engine.advance`` does one turn. A kind of run is a tuple of steps; a step is a function that takes a ``Turn`` and
says what comes next: ``Stay``, ``Next`` or ``Done``. A step that lasts minutes says ``long=True``: its turn is done
by a child of the worker's supervisor (``long``), which keeps the lease alive.
"""

from .engine import Done, Kind, Next, Stay, Step, Turn, advance
from .services import RunError, queue_run, request_cancel

__all__ = [
    "Done",
    "Kind",
    "Next",
    "RunError",
    "Stay",
    "Step",
    "Turn",
    "advance",
    "queue_run",
    "request_cancel",
]
