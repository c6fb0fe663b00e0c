"""A console with one verified snapshot on the fake Elasticsearch, and what people do with it."""

import pytest

from backups.approvals import voting
from backups.approvals.models import ApprovalRequest, RequestState
from backups.audit import checkpoints
from backups.restores import services
from backups.restores.indices.asked import Asked, Mode
from backups.restores.models import RestorePlan
from backups.runs.models import Run
from backups.snapshots.models import Snapshot
from backups.snapshots.services import queue_snapshot
from tests.factories import connected_cluster, registered_repository
from tests.turns import work

REASON = "The events of the night are missing in the search."


@pytest.fixture
def fake(fake_elasticsearch):
    fake_elasticsearch.add_index("events-1", 120)
    fake_elasticsearch.add_index("events-2", 80, primaries=2)
    fake_elasticsearch.add_repository("nightly")
    fake_elasticsearch.disk = {"total_in_bytes": 2**40, "available_in_bytes": 2**39}
    return fake_elasticsearch


@pytest.fixture
def snapshot(db, fake) -> Snapshot:
    cluster = connected_cluster(fake)
    cluster.uuid = fake.uuid
    cluster.save()
    repository = registered_repository(cluster)
    run = work(queue_snapshot(actor=None, repository=repository, name="nightly-1", patterns=["events-*"]))
    assert run.state == "succeeded", run.error
    return Snapshot.objects.get(run=run)


class Restores:
    """What the people of the cast do with the snapshot."""

    def __init__(self, snapshot: Snapshot, cast) -> None:
        self.snapshot, self.cast = snapshot, cast

    def plan(self, mode=Mode.BESIDE, names=("events-1",), who="operator", **options) -> RestorePlan:
        """What the worker plans for this person."""
        asked = Asked(names=tuple(names), mode=mode, token=services.new_token(), **options)
        options = asked.as_options()
        return self.planned(services.queue_plan(actor=self.cast[who], snapshot=self.snapshot, options=options))

    def planned(self, check: Run) -> RestorePlan:
        check = work(check)
        assert "plan" in check.result, check.result
        return RestorePlan.objects.get(pk=check.result["plan"])

    def ask(self, plan: RestorePlan, who="operator", **said) -> ApprovalRequest:
        given = {"reason": REASON, "typed_name": plan.cluster.name} | said
        return services.ask(actor=self.cast[who], plan=plan, **given)

    def carry_out(self, request: ApprovalRequest) -> Run:
        """Approve as often as it needs, and work until it is over."""
        for who in ("approver", "approver2")[: request.needed]:
            voting.approve(request, actor=self.cast[who], digest=request.digest)
        checkpoints.make_checkpoint()
        request.refresh_from_db()
        assert request.state == RequestState.APPROVED
        return work(request.run)


@pytest.fixture
def restores(snapshot, cast) -> Restores:
    return Restores(snapshot, cast)
