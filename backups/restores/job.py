"""What the turns of a restore share: its plan as it was frozen, and the ways to the cluster."""

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from backups import clock
from backups.approvals.admission import require_started
from backups.approvals.errors import NotAdmitted
from backups.approvals.models import digest_of
from backups.clusters.connection import open_client
from backups.clusters.models import Cluster, Purpose
from backups.gateways.elasticsearch.client import Client
from backups.gateways.errors import GatewayError
from backups.runs import Done, Stay, Turn
from backups.runs.models import Effect, Level, RunState

from . import locks
from .models import RestorePlan

READ_SECONDS = 5

# How long a cluster may be silent once something was sent, before the run is given up as unknown.
PATIENCE = timedelta(minutes=10)

# A lost call is not waited for any longer: servers keep a request for their master for 30 s.
LOST_FOR = timedelta(seconds=40)


@dataclass
class Job:
    """One turn's view of a restore. ``document`` is the frozen plan; nothing else says what is done."""

    turn: Turn
    plan: RestorePlan

    @classmethod
    def of(cls, turn: Turn) -> "Job":
        plan = RestorePlan.objects.select_related("snapshot__repository__cluster", "cluster", "request")
        return cls(turn, plan.get(pk=turn.run.params["plan"]))

    @cached_property
    def document(self) -> dict:
        return self.plan.document

    @cached_property
    def cluster(self) -> Cluster:
        return self.plan.cluster

    @property
    def digest(self) -> str:
        """Of the plan as it is in the database now: what the votes are held against."""
        return digest_of(self.plan.text)

    @property
    def opaque_id(self) -> str:
        return f"console-run-{self.turn.run.pk}"

    def admit(self) -> None:
        """Before anything is changed: the run has begun, and its plan is what was agreed to. Raises NotAdmitted."""
        request = require_started(self.turn.run)
        if self.plan.request_id != request.pk or self.digest != request.digest:
            raise NotAdmitted(f"The plan of this run is not the one that was agreed to in {request.number}.")

    def reader(self) -> Client:
        """The everyday user, for reads that must not keep a worker from others."""
        return open_client(self.cluster, Purpose.EVERYDAY, patience=READ_SECONDS)

    def writer(self) -> Client:
        """The restricted user: only for a run whose request has been approved and started. Raises NotAdmitted."""
        self.admit()
        return open_client(self.cluster, Purpose.RESTRICTED)

    def silent(self, error: GatewayError, *, for_ever: bool = False) -> Stay | Done:
        """The cluster did not answer a read. Something was sent before, so no failed read proves anything."""
        since = self.turn.moment("silent_since") or clock.now()
        if for_ever or clock.now() - since < PATIENCE:
            if "silent_since" not in self.turn.memory:
                self.turn.log(f"{error.message} Asking again.", Level.WARNING)
            self.turn.remember(silent_since=since)
            return Stay(5 if for_ever else 2)
        return self.unknown(f"The cluster does not answer any more. {error.message}", error.detail)

    def unknown(self, why: str, detail: str = "") -> Done:
        """Given up without knowing what came of it. The locks stay: somebody has to look."""
        self.turn.log(why, Level.ERROR)
        return Done(RunState.FAILED, Effect.UNKNOWN, error=f"{why} Somebody must look at the cluster.", detail=detail)

    def over(self, state: str, effect: str, note: str = "", error: str = "", detail: str = "") -> Done:
        """An end that is known: the locks are given back."""
        self.turn.log(error or note, Level.ERROR if error else Level.DONE)
        self.turn.write(lambda a: locks.release(self.turn.run))
        return Done(state, effect, note, error, detail)
