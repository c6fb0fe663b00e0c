"""What a test of a restore does again and again, as the people of the cast: plan, ask, approve, run."""

from backups.approvals.models import ApprovalRequest, RequestState
from backups.approvals.voting import approve
from backups.audit import checkpoints
from backups.restores import services
from backups.restores.indices.asked import Asked, Mode
from backups.restores.models import RestorePlan
from backups.runs.models import Run
from backups.snapshots.models import Snapshot
from tests.turns import work

REASON = "The events of the night are missing."


class Asking:
    """The operator asks, the approver approves. ``work`` does a run to its end, ``seal`` makes the checkpoint that
    covers the votes: both in this process."""

    work = staticmethod(work)
    seal = staticmethod(checkpoints.make_checkpoint)

    def __init__(self, cast) -> None:
        self.cast = cast

    def plan(self, snapshot: Snapshot, names, mode=Mode.BESIDE, **options) -> RestorePlan:
        asked = Asked(names=tuple(names), mode=mode, token=services.new_token(), **options)
        check = self.work(
            services.queue_plan(actor=self.cast["operator"], snapshot=snapshot, options=asked.as_options())
        )
        return RestorePlan.objects.get(pk=check.result["plan"])

    def plan_back(self, run: Run) -> RestorePlan:
        """Of the way back of a restore."""
        check = self.work(services.queue_undo(run.request.plan, actor=self.cast["operator"]))
        return RestorePlan.objects.get(pk=check.result["plan"])

    def ask(self, plan: RestorePlan) -> ApprovalRequest:
        typed = plan.cluster.name if plan.replaces else ""
        return services.ask(actor=self.cast["operator"], plan=plan, reason=REASON, typed_name=typed)

    def agree(self, plan: RestorePlan) -> Run:
        """Ask for it, approve it, and give its run, which has not begun."""
        request = self.ask(plan)
        request.refresh_from_db()
        if request.state == RequestState.PENDING:
            approve(request, actor=self.cast["approver"], digest=request.digest)
            request.refresh_from_db()
        self.seal()
        return request.run
