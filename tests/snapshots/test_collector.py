"""One refresh of a repository's snapshots, on the fake server."""

from datetime import timedelta

import pytest
from django.utils import timezone

from backups.audit.models import AuditEntry
from backups.repositories.models import Repository
from backups.runs.models import Run
from backups.snapshots import collector, compare, details
from backups.snapshots.models import Snapshot
from tests.factories import connected_cluster, registered_repository
from tests.fakes.es_dialects import EVERY
from tests.turns import lease

pytestmark = pytest.mark.django_db
on_every_server = pytest.mark.parametrize("fake_elasticsearch", EVERY, indirect=True)


@pytest.fixture
def repository(fake_elasticsearch):
    fake_elasticsearch.add_index("logs", 10, primaries=2)
    fake_elasticsearch.add_repository("nightly")
    return registered_repository(connected_cluster(fake_elasticsearch))


def refresh(repository: Repository) -> Repository:
    Repository.objects.filter(pk=repository.pk).update(collect_at=None)
    collector.collect(repository.pk, lease(repository))
    repository.refresh_from_db()
    return repository


def states() -> dict[str, str]:
    return dict(Snapshot.objects.order_by("pk").values_list("name", "state"))


def entries(action: str) -> int:
    return AuditEntry.objects.filter(action=action).count()


@on_every_server
def test_snapshots_of_others_are_found_once(repository, fake_elasticsearch):
    for name in ("one", "two"):
        fake_elasticsearch.add_snapshot("nightly", name, ("logs",))

    refresh(repository)
    refresh(repository)

    assert states() == {"one": "found", "two": "found"}
    found = Snapshot.objects.get(name="one")
    assert [index.name for index in found.indices.all()] == ["logs"]
    assert found.verified_at is None
    assert entries("snapshots.found") == 1
    assert repository.collected_at and not repository.collect_message


@on_every_server
def test_a_vanished_one_is_missing_and_comes_back(repository, fake_elasticsearch):
    kept = fake_elasticsearch.add_snapshot("nightly", "one", ("logs",))
    refresh(repository)
    del fake_elasticsearch.repositories["nightly"].snapshots["one"]

    refresh(repository)
    assert states() == {"one": "missing"}
    assert entries("snapshots.missing") == 1

    fake_elasticsearch.repositories["nightly"].snapshots["one"] = kept
    refresh(repository)
    assert states() == {"one": "found"}
    assert Snapshot.objects.count() == 1


@on_every_server
def test_a_damaged_one_hides_no_other(repository, fake_elasticsearch):
    for name in ("one", "two", "three"):
        fake_elasticsearch.add_snapshot("nightly", name, ("logs",))
    refresh(repository)
    fake_elasticsearch.damaged.add("two")

    refresh(repository)
    refresh(repository)

    assert states() == {"one": "found", "two": "damaged", "three": "found"}
    assert entries("snapshots.damaged") == 1
    fake_elasticsearch.damaged.clear()
    assert states()["two"] == "damaged"
    refresh(repository)
    assert states()["two"] == "found"


@on_every_server
def test_a_repository_without_snapshots_can_be_read(repository):
    assert not refresh(repository).collect_message


def test_an_answer_without_a_list_is_no_empty_list(repository, fake_elasticsearch):
    fake_elasticsearch.add_snapshot("nightly", "one", ("logs",))
    refresh(repository)
    for _ in range(2):
        fake_elasticsearch.answer_next(200, {}, path="/_snapshot/nightly/_all")

    assert "not understood" in refresh(repository).collect_message
    assert states() == {"one": "found"}


def test_one_that_a_run_found_damaged_counts_before_its_turn_to_be_read(repository, fake_elasticsearch, monkeypatch):
    monkeypatch.setattr(compare, "SLICE", 0)
    fake_elasticsearch.add_snapshot("nightly", "one", ("logs",))
    refresh(repository)
    Snapshot.objects.update(state="damaged")

    refresh(repository)

    repository.refresh_from_db()
    assert repository.damaged == 1


def test_of_a_new_one_that_is_damaged_at_least_the_indices_are_named(repository, fake_elasticsearch):
    for name in ("one", "two"):
        fake_elasticsearch.add_snapshot("nightly", name, ("logs",))
    fake_elasticsearch.damaged.add("one")

    refresh(repository)

    assert states() == {"one": "damaged", "two": "found"}
    assert [list(one.indices.values_list("name", flat=True)) for one in Snapshot.objects.all()] == [["logs"]] * 2


def test_each_is_read_again_in_its_turn(repository, fake_elasticsearch, monkeypatch):
    monkeypatch.setattr(compare, "SLICE", 2)
    monkeypatch.setattr(compare, "IN_TURN", 0)
    for number in range(5):
        fake_elasticsearch.add_snapshot("nightly", f"s{number}", ("logs",))
    refresh(repository)
    fake_elasticsearch.damaged |= {"s1", "s4"}

    damaged = [
        [name for name, state in states().items() if state == "damaged"] for _ in range(3) if refresh(repository)
    ]

    assert sorted(map(len, damaged)) == list(map(len, damaged))
    assert damaged[-1] == ["s1", "s4"]


def test_one_whose_shards_cannot_be_read_is_damaged_until_they_can(repository, fake_elasticsearch):
    for name in ("one", "two", "three"):
        fake_elasticsearch.add_snapshot("nightly", name, ("logs",))
    refresh(repository)
    fake_elasticsearch.shard_files_gone.add("two")

    for _ in range(3):
        refresh(repository)

    assert states() == {"one": "found", "two": "damaged", "three": "found"}
    assert entries("snapshots.damaged") == 1
    assert "a shard or an index" in Snapshot.objects.get(name="two").message
    assert refresh(repository).damaged == 1
    fake_elasticsearch.shard_files_gone.clear()
    assert refresh(repository).damaged == 0
    assert states()["two"] == "found"


def test_a_shard_that_is_only_said_to_be_missing_is_damage_when_the_entry_is_there(repository, fake_elasticsearch):
    """As OpenSearch says it."""
    fake_elasticsearch.add_snapshot("nightly", "one", ("logs",))
    refresh(repository)
    missing = {"error": {"type": "snapshot_missing_exception", "reason": "[nightly:one] is missing"}, "status": 404}
    fake_elasticsearch.answer_next(404, missing, path="/_snapshot/nightly/one/_status")

    refresh(repository)

    assert states() == {"one": "damaged"}


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "parse_exception"), (403, "security_exception"), (503, "master_not_discovered_exception")],
)
def test_a_status_that_is_refused_for_another_reason_says_nothing(repository, fake_elasticsearch, status, kind):
    fake_elasticsearch.add_snapshot("nightly", "one", ("logs",))
    refresh(repository)
    answer = {"error": {"type": kind, "reason": "Unexpected field [mappings_updated_version]"}, "status": status}
    fake_elasticsearch.answer_next(status, answer, path="/_snapshot/nightly/one/_status")

    assert not refresh(repository).collect_message
    assert states() == {"one": "found"}


def test_what_one_refresh_looks_at_is_bounded_however_much_is_damaged(repository, fake_elasticsearch):
    names = [f"s{number:02}" for number in range(40)]
    for name in names:
        fake_elasticsearch.add_snapshot("nightly", name, ("logs",))
    refresh(repository)
    fake_elasticsearch.shard_files_gone.update(names)

    for _ in range(10):
        before = len(fake_elasticsearch.requests)
        assert refresh(repository).collect_at > timezone.now()
        assert len(fake_elasticsearch.requests) - before <= details.CALLS

    assert set(states().values()) == {"damaged"}


def test_big_ones_are_not_looked_at(repository, fake_elasticsearch):
    fake_elasticsearch.add_index("big", 10, primaries=compare.SHARDS_ASKED_AGAIN + 1)
    fake_elasticsearch.add_snapshot("nightly", "one", ("big",))
    fake_elasticsearch.shard_files_gone.add("one")

    refresh(repository)
    refresh(repository)

    assert states() == {"one": "found"}
    assert not [target for _, target, *_ in fake_elasticsearch.requests if target.endswith("/_status")]


def test_when_others_remove_some_of_theirs_nobody_is_called(repository, fake_elasticsearch):
    for name in ("one", "two"):
        fake_elasticsearch.add_snapshot("nightly", name, ("logs",))
    refresh(repository)
    there = fake_elasticsearch.repositories["nightly"].snapshots

    del there["one"]
    assert refresh(repository).vanished_lately == 0
    del there["two"]
    assert refresh(repository).vanished_lately == 1  # the last one


def test_when_one_of_ours_vanishes_somebody_is_called_for_a_day(repository, fake_elasticsearch):
    mine = _row(repository, "mine", over=True)
    fake_elasticsearch.add_snapshot("nightly", "mine", ("logs",), {"run_id": mine.run.key})
    fake_elasticsearch.add_snapshot("nightly", "theirs", ("logs",))
    refresh(repository)

    del fake_elasticsearch.repositories["nightly"].snapshots["mine"]

    assert refresh(repository).vanished_lately == 1
    Repository.objects.update(vanished_at=timezone.now() - timedelta(hours=25))
    assert refresh(repository).vanished_lately == 0


def test_one_of_ours_that_was_given_up_and_cannot_be_read_is_damaged_not_absent(repository, fake_elasticsearch):
    mine = _row(repository, "mine", over=True)
    fake_elasticsearch.add_snapshot("nightly", "mine", ("logs",), {"run_id": mine.run.key})
    fake_elasticsearch.damaged.add("mine")

    refresh(repository)
    refresh(repository)

    assert states() == {"mine": "damaged"}
    assert entries("snapshots.damaged") == 1
    fake_elasticsearch.damaged.clear()
    refresh(repository)
    assert states() == {"mine": "verified"}


def test_another_one_of_the_same_name_is_a_new_one(repository, fake_elasticsearch):
    fake_elasticsearch.add_snapshot("nightly", "one", ("logs",))
    refresh(repository)
    fake_elasticsearch.add_snapshot("nightly", "one", ("logs",))

    refresh(repository)

    assert list(Snapshot.objects.order_by("pk").values_list("state", flat=True)) == ["missing", "found"]


def test_a_repository_that_cannot_be_read_keeps_its_rows(repository, fake_elasticsearch):
    fake_elasticsearch.add_snapshot("nightly", "one", ("logs",))
    refresh(repository)
    fake_elasticsearch.disabled.add("nightly")

    failed = refresh(repository)

    assert states() == {"one": "found"}
    assert "stopped using this repository" in failed.collect_message
    assert failed.failing_since and failed.failures == 1
    assert failed.collected_at < failed.failing_since


@on_every_server
def test_a_repository_that_the_cluster_does_not_know_keeps_its_rows(repository, fake_elasticsearch):
    """7.17 answers its list with 200 and no snapshots."""
    fake_elasticsearch.add_snapshot("nightly", "one", ("logs",))
    refresh(repository)
    del fake_elasticsearch.repositories["nightly"]

    failed = refresh(repository)

    assert states() == {"one": "found"}
    assert "not registered on the cluster" in failed.collect_message


@pytest.mark.parametrize(
    ("fake_elasticsearch", "way_out"),
    [
        ("elasticsearch-7.17.28", "remove it from the cluster"),
        ("elasticsearch-8.19.0", "register it on the cluster again"),
        ("opensearch-1.3.20", "remove it from the cluster"),
    ],
    indirect=["fake_elasticsearch"],
)
def test_a_repository_that_another_cluster_changed_says_how_to_bring_it_back(repository, fake_elasticsearch, way_out):
    fake_elasticsearch.disabled.add("nightly")

    failed = refresh(repository)

    assert "stopped using this repository" in failed.collect_message
    assert way_out in failed.collect_message


@on_every_server
def test_one_that_holds_no_index_is_found_and_never_called_gone(repository, fake_elasticsearch):
    """7.2 leaves it out of its list, so there only what is known already can be asked for."""
    fake_elasticsearch.add_snapshot("nightly", "empty", ())
    if not fake_elasticsearch.dialect.lists_empty:
        Snapshot.objects.create(repository=repository, name="empty", state="found", uuid=_uuid(fake_elasticsearch))

    refresh(repository)

    assert states() == {"empty": "found"}


def _uuid(fake) -> str:
    return fake.repositories["nightly"].snapshots["empty"].uuid


def _row(repository, name: str, *, over: bool, state: str = "unknown") -> Snapshot:
    ended = timezone.now() - timedelta(hours=1) if over else None
    run = Run.objects.create(
        kind="snapshot", key=f"snapshot:{name}", subject=name, state="failed" if over else "running", ended_at=ended
    )
    row = Snapshot.objects.create(repository=repository, name=name, run=run, state=state)
    row.indices.create(name="logs")
    return row


def test_one_of_ours_that_was_given_up_is_adopted_and_judged(repository, fake_elasticsearch):
    mine = _row(repository, "mine", over=True)
    fake_elasticsearch.add_snapshot("nightly", "mine", ("logs",), {"run_id": mine.run.key})

    refresh(repository)
    refresh(repository)

    assert states() == {"mine": "verified"}
    assert Snapshot.objects.count() == 1
    assert entries("snapshot.adopted") == 1


def test_one_that_never_came_is_failed_and_its_name_free(repository):
    _row(repository, "mine", over=True)

    refresh(repository)

    assert states() == {"mine": "failed"}


def test_one_with_a_run_at_work_is_left_to_it(repository, fake_elasticsearch):
    mine = _row(repository, "mine", over=False, state="wanted")
    fake_elasticsearch.add_snapshot("nightly", "mine", ("logs",), {"run_id": mine.run.key})

    refresh(repository)

    assert states() == {"mine": "wanted"}


@pytest.mark.db
def test_only_one_may_claim_and_a_late_one_writes_nothing(repository, fake_elasticsearch):
    fake_elasticsearch.add_snapshot("nightly", "one", ("logs",))
    old = lease(repository)
    assert lease(repository) is None

    Repository.objects.update(collect_until=timezone.now() - timedelta(seconds=1))
    new = lease(repository)
    collector.collect(repository.pk, old)
    assert states() == {}

    collector.collect(repository.pk, new)
    assert states() == {"one": "found"}


@pytest.mark.db
def test_a_name_that_a_run_takes_meanwhile_is_left_to_it(repository, fake_elasticsearch, monkeypatch):
    fake_elasticsearch.add_snapshot("nightly", "one", ("logs",))
    fake_elasticsearch.add_snapshot("nightly", "two", ("logs",))
    fence = lease(repository)
    rows = collector._rows(repository)
    client = collector.open_client(repository.cluster, "everyday")
    work = collector.compare(collector.es.list_snapshots(client, "nightly"), rows)
    read = collector.read_details(client, repository, work)
    _row(repository, "one", over=False, state="wanted")

    collector._record(repository, fence, work, read)

    assert states() == {"one": "wanted", "two": "found"}


@pytest.mark.db
def test_what_a_run_that_ended_meanwhile_has_read_stays(repository, fake_elasticsearch):
    fence = lease(repository)
    rows = collector._rows(repository)
    mine = _row(repository, "mine", over=False, state="running")
    made = fake_elasticsearch.add_snapshot("nightly", "mine", ("logs",), {"run_id": mine.run.key}, held=True)
    client = collector.open_client(repository.cluster, "everyday")
    work = collector.compare(collector.es.list_snapshots(client, "nightly"), rows)
    read = collector.read_details(client, repository, work)
    Run.objects.update(state="succeeded", ended_at=timezone.now())
    Snapshot.objects.update(state="verified", uuid=made.uuid, verified_at=timezone.now())

    collector._record(repository, fence, work, read)

    mine.refresh_from_db()
    assert (mine.state, mine.verified_at is None) == ("verified", False)


def test_a_refresh_has_at_most_ten_calls_and_goes_on_at_once(repository, fake_elasticsearch):
    for number in range(400):
        fake_elasticsearch.add_snapshot("nightly", f"{number:04}-{'x' * 100}", ("logs",))
    before = len(fake_elasticsearch.requests)

    once = refresh(repository)

    assert len(fake_elasticsearch.requests) - before <= details.CALLS
    assert once.collect_at <= timezone.now()
    refresh(repository)
    refresh(repository)
    assert Snapshot.objects.filter(state="found").count() == 400


def test_one_of_ours_that_is_listed_and_not_read_yet_is_not_called_absent(
    repository, fake_elasticsearch, monkeypatch
):
    monkeypatch.setattr(details, "CALLS", 6)
    mine = _row(repository, "mine", over=True)
    for number in range(100):
        fake_elasticsearch.add_snapshot("nightly", f"{number:04}-{'x' * 100}", ("logs",))
    fake_elasticsearch.add_snapshot("nightly", "mine", ("logs",), {"run_id": mine.run.key})

    refresh(repository)
    assert states()["mine"] == "unknown"

    for _ in range(5):
        refresh(repository)
    assert states()["mine"] == "verified"


def test_a_name_that_is_longer_than_a_row_keeps_is_found_once(repository, fake_elasticsearch):
    fake_elasticsearch.add_snapshot("nightly", "x" * 300, ("logs",))

    for _ in range(3):
        refresh(repository)

    assert states() == {"x" * 255: "unknown"}
    assert Snapshot.objects.count() == 1
    assert (entries("snapshots.found"), entries("snapshots.missing")) == (1, 0)


@pytest.mark.parametrize(
    "odd",
    [{"start_time_in_millis": 10**20}, {"shards": {"total": None}}, {"failures": [1]}, {"shards": {"total": 10**30}}],
)
def test_one_that_is_described_oddly_hides_no_other(repository, fake_elasticsearch, monkeypatch, odd):
    for name in ("good", "odd"):
        fake_elasticsearch.add_snapshot("nightly", name, ("logs",))
    answer = fake_elasticsearch.answer

    def oddly(*request):
        status, body, product = answer(*request)
        for one in body["snapshots"]:
            if one["snapshot"] == "odd" and "shards" in one:
                one |= odd
        return status, body, product

    monkeypatch.setattr(fake_elasticsearch, "answer", oddly)

    refresh(repository)

    assert states() == {"good": "found", "odd": "unknown"}
    assert repository.collected_at


@pytest.mark.parametrize("fake_elasticsearch", ["elasticsearch-7.2.0"], indirect=True)
def test_many_that_an_old_list_leaves_out_have_their_turn_and_wait_for_the_next(repository, fake_elasticsearch):
    for number in range(12):
        one = fake_elasticsearch.add_snapshot("nightly", f"s{number:02}", ())
        Snapshot.objects.create(repository=repository, name=one.name, state="found", uuid=one.uuid)
    del fake_elasticsearch.repositories["nightly"].snapshots["s11"]

    for _ in range(12):
        waits = refresh(repository).collect_at > timezone.now()

    assert waits
    assert [name for name, state in states().items() if state != "found"] == ["s11"]


def test_one_that_is_deleted_while_it_is_read_is_missing_and_was_never_damaged(
    repository, fake_elasticsearch, monkeypatch
):
    fake_elasticsearch.add_snapshot("nightly", "one", ("logs",))
    refresh(repository)
    fake_elasticsearch.shard_files_gone.add("one")
    answer = fake_elasticsearch.answer

    def deleted_then(method, target, *rest):
        answered = answer(method, target, *rest)
        if target.endswith("/_status"):
            del fake_elasticsearch.repositories["nightly"].snapshots["one"]
        return answered

    monkeypatch.setattr(fake_elasticsearch, "answer", deleted_then)

    refresh(repository)
    refresh(repository)

    assert states() == {"one": "missing"}
    assert (entries("snapshots.damaged"), entries("snapshots.missing")) == (0, 1)


def test_those_that_come_back_are_told_and_count_as_vanished_no_more(repository, fake_elasticsearch):
    there = fake_elasticsearch.repositories["nightly"].snapshots
    for name in ("one", "two"):
        fake_elasticsearch.add_snapshot("nightly", name, ("logs",))
    refresh(repository)
    away = dict(there)
    there.clear()
    assert refresh(repository).vanished_lately == 2

    there["one"] = away["one"]
    assert refresh(repository).vanished_lately == 1
    assert entries("snapshots.found") == 2
    there["two"] = away["two"]
    assert refresh(repository).vanished_lately == 0
    assert states() == {"one": "found", "two": "found"}


def test_a_repository_that_no_request_can_name_says_so(fake_elasticsearch):
    fake_elasticsearch.add_repository("_odd")
    repository = registered_repository(connected_cluster(fake_elasticsearch), name="_odd")

    failed = refresh(repository)

    assert "under another name" in failed.collect_message
    assert failed.collect_at > timezone.now()


def test_a_storage_that_gives_no_file_for_a_moment_damages_nothing(repository, fake_elasticsearch, monkeypatch):
    monkeypatch.setattr(compare, "IN_TURN", 0)
    fake_elasticsearch.add_snapshot("nightly", "one", ("logs",))
    refresh(repository)
    away = {"type": "file_system_exception", "reason": "/srv/backups/snap-x.dat: Stale file handle"}
    error = {"type": "snapshot_exception", "reason": "[nightly:one/x] failed to get snapshots", "caused_by": away}
    for status, body in [(200, {"snapshots": []}), (500, {"error": error, "status": 500})]:
        fake_elasticsearch.answer_next(status, body, path="/_snapshot/nightly/one")

    assert not refresh(repository).collect_message

    assert states() == {"one": "found"}
    assert entries("snapshots.damaged") == 0


def test_something_new_does_not_mend_one_whose_files_are_gone(repository, fake_elasticsearch):
    fake_elasticsearch.add_snapshot("nightly", "one", ("logs",))
    refresh(repository)
    fake_elasticsearch.shard_files_gone.add("one")
    refresh(repository)
    assert states() == {"one": "damaged"}
    fake_elasticsearch.add_snapshot("nightly", "two", ("logs",))

    refresh(repository)

    assert states() == {"one": "damaged", "two": "found"}
