"""One snapshot life on every server: connect, register, verify, snapshot, lose an answer, cancel, refuse.

Run through the product as people use it, with the services and the turns of the worker. A few servers belong to
``make test``, all of them to ``make test-long``.
"""

import json
import random
import string
import uuid

import pytest

from backups.clusters import leases
from backups.clusters.connection import capabilities_of
from backups.clusters.services import save_cluster
from backups.repositories.models import Repository
from backups.repositories.services import request_registration, request_verification
from backups.runs import advance, request_cancel
from backups.runs.models import CHECK, Run
from backups.snapshots import collector
from backups.snapshots.models import Snapshot, SnapshotProfile
from backups.snapshots.services import queue_profile_snapshot, queue_snapshot, save_profile
from backups.worker.kinds import KINDS
from deploy.sandbox import kinds
from tests.fakes.proxy import Proxy
from tests.gateways.scenes import overwrite

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.parametrize("any_server", [kind.slug for kind in kinds.KINDS], indirect=True, scope="session"),
]


class Life:
    """One server, a prefix of its own, and the acts of the people who use the console."""

    def __init__(self, server, cast, ca_dir):
        self.server, self.cast, self.ca_dir = server, cast, ca_dir
        self.prefix = f"t{uuid.uuid4().hex[:8]}"

    def put(self, path: str, body: dict) -> None:
        self.server.request("PUT", path, json.dumps(body).encode())

    def index(self, tail: str, documents: int = 20, text: str = "x") -> str:
        name = f"{self.prefix}-{tail}"
        self.put(f"/{name}", {"settings": {"number_of_shards": 1, "number_of_replicas": 0}})
        lines = "".join('{"index":{}}\n' + json.dumps({"n": n, "text": text}) + "\n" for n in range(documents))
        self.server.request("POST", f"/{name}/_bulk?refresh=true", lines.encode())
        return name

    def cluster(self, url: str = "", ca_pem: str = ""):
        """Saved as the form does it, and tested; with the result of the test."""
        ca_pem = ca_pem or self.server.ca_pem
        ca_file = f"{self.prefix}-{'proxy' if url else 'server'}.pem" if ca_pem else ""
        if ca_file:
            (self.ca_dir / ca_file).write_text(ca_pem)
        cluster = save_cluster(
            name=f"{self.prefix}{'-proxy' if url else ''}",
            addresses=[url or self.server.url],
            ca_file=ca_file,
            credentials={"everyday": self.server.everyday, "restricted": self.server.restricted},
            actor=self.cast["administrator"],
        )
        run = work(Run.objects.filter(kind=CHECK).latest("pk"))
        cluster.refresh_from_db()
        return cluster, run.result

    def register(self, cluster, tail: str = "repo", location: str = "") -> tuple[Run, Repository]:
        name = f"{self.prefix}-{tail}"
        place = location or str(self.server.path_repo / name)
        run = work(
            request_registration(
                cluster=cluster, name=name, location=place, compress=True, actor=self.cast["administrator"]
            )
        )
        return run, Repository.objects.get(name=name)

    def start(self, repository, name: str, patterns=()) -> Run:
        patterns = list(patterns) or [f"{self.prefix}-*"]
        return queue_snapshot(actor=self.cast["operator"], repository=repository, name=name, patterns=patterns)

    def make(self, repository, name: str) -> None:
        """Somebody else's snapshot."""
        body = json.dumps({"indices": f"{self.prefix}-*", "include_global_state": False}).encode()
        self.server.request("PUT", f"/_snapshot/{repository.name}/{name}?wait_for_completion=true", body)

    def there(self, repository) -> list[dict]:
        found = self.server.request("GET", f"/_snapshot/{repository.name}/_all?ignore_unavailable=true")
        return found["snapshots"]

    def slow_down(self, repository) -> None:
        """So slow that there is time to see a snapshot run."""
        settings = {"location": repository.location, "compress": True, "max_snapshot_bytes_per_sec": "200kb"}
        self.put(f"/_snapshot/{repository.name}", {"type": "fs", "settings": settings})


def work(run: Run, until=lambda run: run.is_over) -> Run:
    """The run's turns as the worker does them, with the server's own time between them."""
    for _ in range(3000):
        Run.objects.filter(pk=run.pk).update(next_at=None)
        advance(run.pk, KINDS)
        run.refresh_from_db()
        if until(run):
            return run
    raise AssertionError(f"{run} is still {run.state} at step {run.step}: {run.result}")


def refresh(repository: Repository) -> None:
    """What the collector does with it when it is due."""
    Repository.objects.filter(pk=repository.pk).update(collect_at=None)
    collector.collect(repository.pk, leases.claim(Repository.objects, repository.pk))
    repository.refresh_from_db()


def states() -> dict[str, str]:
    return dict(Snapshot.objects.values_list("name", "state"))


def random_text() -> str:
    """Text that does not compress."""
    return "".join(random.Random(7).choices(string.printable, k=20_000))


@pytest.fixture
def life(any_server, cast, settings, tmp_path):
    settings.CA_DIR = tmp_path
    return Life(any_server, cast, tmp_path)


@pytest.fixture
def repository(life):
    return life.register(life.cluster()[0])[1]


def test_it_is_known_for_what_it_is(life):
    cluster, result = life.cluster()

    assert result["state"] == "good", result
    assert (cluster.product, cluster.version) == (life.server.product, life.server.version)
    assert [node["path_repo"] for node in cluster.nodes] == [[str(life.server.path_repo)]]
    assert [node["writes_snapshots"] for node in cluster.nodes] == [True]
    says = "Make snapshots" if life.server.kind.secure else "does not say what this user may do"
    assert says in result["lines"][0]["sub"]


def test_a_repository_is_registered_and_verified(life):
    run, repository = life.register(life.cluster()[0])
    again = work(request_verification(repository, actor=life.cast["operator"]))

    assert (run.state, run.effect, run.error) == ("succeeded", "applied", "")
    assert (again.state, again.error) == ("succeeded", "")
    assert [(node["name"], node["state"]) for node in Repository.objects.get().nodes] == [("sandbox-1", "good")]


def test_a_location_outside_path_repo_is_rejected(life):
    run, _ = life.register(life.cluster()[0], location="/somewhere/else")

    assert (run.state, run.effect) == ("failed", "none")
    assert "lies outside path.repo of sandbox-1" in run.error


def test_a_directory_that_cannot_be_written_names_the_node_and_what_to_do(life):
    (life.server.path_repo / f"{life.prefix}-repo").write_text("a file in the way")

    run, repository = life.register(life.cluster()[0])

    assert (run.state, repository.failing) == ("failed", ["sandbox-1"])
    assert "sandbox-1 cannot write to" in run.error
    kept = f"{life.prefix}-repo" in life.server.request("GET", "/_snapshot")
    assert kept == (run.effect == "applied"), "the run says what the server did with it"


def test_a_profile_s_snapshot_is_verified_with_its_closed_and_hidden_indices(life, repository):
    life.index("a", 20)
    closed = life.index("closed", 5)
    life.server.request("POST", f"/{closed}/_close")
    profile = SnapshotProfile(
        cluster=repository.cluster, repository=repository, name="everything", patterns=[f"{life.prefix}-*"]
    )
    save_profile(actor=life.cast["administrator"], profile=profile)

    run = work(
        queue_profile_snapshot(
            actor=life.cast["operator"], profile=profile, seen=profile.digest, name="<snap-{now/d}>"
        )
    )

    assert (run.state, run.effect, run.error) == ("succeeded", "applied", "")
    snapshot = Snapshot.objects.get()
    assert (snapshot.state, snapshot.shards_total, snapshot.shards_failed) == ("verified", 2, 0)
    documents = {row.name.removeprefix(f"{life.prefix}-"): row.documents_before for row in snapshot.indices.all()}
    assert documents == {"a": 20, "closed": None}
    assert [found["state"] for found in life.there(repository)] == ["SUCCESS"]


def test_the_second_one_copies_only_what_is_new(life, repository):
    life.index("a")
    work(life.start(repository, "one"))
    work(life.start(repository, "two"))

    first, second = Snapshot.objects.order_by("pk")
    assert (first.state, second.state) == ("verified", "verified")
    assert first.bytes_new > 0
    assert second.bytes_new == 0


def test_a_lost_answer_is_looked_up_and_the_snapshot_adopted(life, repository):
    life.index("a")
    with Proxy(life.server.url, life.server.ca_pem) as proxy:
        Repository.objects.filter(pk=repository.pk).update(cluster=life.cluster(proxy.url, proxy.ca_pem)[0])
        repository.refresh_from_db()
        proxy.swallow_next_write()
        run = work(life.start(repository, "lost"))

        assert (run.state, run.error) == ("succeeded", "")
        assert len(proxy.swallowed) == 1
    assert "adopted" in " ".join(run.log.values_list("text", flat=True))
    assert [found["snapshot"] for found in life.there(repository)] == ["lost"]


def test_a_cancelled_one_is_deleted_and_the_earlier_one_stays(life, repository):
    life.index("small", 1)
    work(life.start(repository, "earlier"))
    life.index("big", 200, random_text())
    life.slow_down(repository)
    run = work(life.start(repository, "later"), until=lambda run: run.step == 2 and run.progress.get("looks", 0) >= 1)
    request_cancel(run, actor=life.cast["operator"])

    run = work(run)

    assert (run.state, run.effect) == ("cancelled", "none")
    assert [found["snapshot"] for found in life.there(repository)] == ["earlier"]


def test_a_name_that_somebody_else_took_is_not_touched(life, repository):
    life.index("a")
    life.index("other")
    body = json.dumps({"indices": f"{life.prefix}-other"}).encode()
    life.server.request("PUT", f"/_snapshot/{repository.name}/taken?wait_for_completion=true", body)

    run = work(life.start(repository, "taken"))

    assert (run.state, run.effect) == ("failed", "none")
    assert "did not make" in run.error


def test_an_index_without_its_primary_shard_is_never_called_safe(life, repository):
    whole = life.index("whole")
    broken = f"{life.prefix}-broken"
    nowhere = {"index.routing.allocation.require._name": "nowhere", "number_of_replicas": 0}
    life.put(f"/{broken}?timeout=1s&wait_for_active_shards=0", {"settings": nowhere})

    run = work(life.start(repository, "broken", [whole, broken]))

    assert run.state == "failed"
    assert "primary shard" in run.error
    assert Snapshot.objects.get().state == "failed"
    life.server.request("DELETE", f"/{broken}")


def test_two_at_once_are_both_made_one_after_the_other_where_the_cluster_takes_one_at_a_time(life, repository):
    life.index("big", 60, random_text())
    life.slow_down(repository)
    first = work(life.start(repository, "first"), until=lambda run: run.step == 2)
    second = work(life.start(repository, "second"), until=lambda run: run.step == 2 or "busy_since" in run.result)

    assert [work(run).state for run in (first, second)] == ["succeeded", "succeeded"]
    waited = [line.text for line in second.log.all() if "This run waits for it" in line.text]
    assert len(waited) == (0 if capabilities_of(repository.cluster).concurrent else 1)
    assert [found["state"] for found in life.there(repository)] == ["SUCCESS", "SUCCESS"]


def test_snapshots_of_others_are_found_and_damaged_or_removed_ones_hide_no_other(life, repository):
    life.index("a")
    for name in ("one", "two", "three"):
        life.make(repository, name)
    refresh(repository)
    assert states() == {"one": "found", "two": "found", "three": "found"}

    damaged = Snapshot.objects.get(name="two").uuid
    (life.server.path_repo / repository.name / f"snap-{damaged}.dat").unlink()
    life.server.request("DELETE", f"/_snapshot/{repository.name}/three")
    refresh(repository)

    assert states() == {"one": "found", "two": "damaged", "three": "missing"}


def test_a_repository_that_somebody_removed_takes_no_snapshot_with_it(life, repository):
    life.index("a")
    life.make(repository, "one")
    refresh(repository)
    life.server.request("DELETE", f"/_snapshot/{repository.name}")

    refresh(repository)

    assert states() == {"one": "found"}
    assert "not registered on the cluster" in repository.collect_message


def test_a_repository_that_another_cluster_writes_to_is_said_and_comes_back_as_told(life, repository):
    life.index("a")
    work(life.start(repository, "before"))
    overwrite(life.server.path_repo / repository.name)

    run = work(life.start(repository, "after"))

    if not life.server.kind.notices_writers:
        assert (run.state, states()) == ("succeeded", {"before": "verified", "after": "verified"})
        return
    assert (run.state, run.effect) == ("failed", "unknown")
    assert "has stopped using this repository" in run.error
    refresh(repository)
    assert "has stopped using this repository" in repository.collect_message
    assert states() == {"before": "verified", "after": "unknown"}

    if "remove it" in run.error:
        life.server.request("DELETE", f"/_snapshot/{repository.name}")
    life.put(f"/_snapshot/{repository.name}", {"type": "fs", "settings": repository.settings})
    refresh(repository)
    assert repository.collect_message == ""
    assert states()["before"] == "verified"
    assert work(life.start(repository, "again")).state == "succeeded"
