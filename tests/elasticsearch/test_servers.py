"""One snapshot life on every server: connect, register, verify, snapshot, lose an answer, cancel, refuse.

Run through the product as people use it, with the services and the turns of the worker. A few servers belong to
``make test``, all of them to ``make test-long``.
"""

import json
import random
import shutil
import string
import uuid
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from django.utils import timezone

from backups.clusters import connection
from backups.clusters.connection import capabilities_of
from backups.clusters.services import save_cluster
from backups.repositories import steps as repository_steps
from backups.repositories.models import Repository
from backups.repositories.services import request_registration, request_verification
from backups.runs import request_cancel
from backups.runs.models import CHECK, Run
from backups.snapshots import cancelling, troubles
from backups.snapshots.models import Snapshot, SnapshotProfile
from backups.snapshots.services import queue_profile_snapshot, queue_snapshot, save_profile
from deploy.sandbox import kinds
from tests import turns
from tests.elasticsearch.test_collector import refresh, states
from tests.fakes.proxy import LATE, LOST, NEVER, Proxy
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


work = partial(turns.work, most=3000)


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


@pytest.fixture
def proxied(life):
    """The server behind a proxy that swallows what it is told to: the proxy, and the cluster."""
    with Proxy(life.server.url, life.server.ca_pem) as proxy:
        yield proxy, life.cluster(proxy.url, proxy.ca_pem)[0]


@pytest.fixture
def lose(proxied, monkeypatch):
    """``lose(how)`` the next write. The worker waits a moment for an answer instead of 20 s, and does not go on
    looking for what never arrived."""
    opened = connection._access

    def lose(how: str) -> None:
        for module in (repository_steps, troubles):
            monkeypatch.setattr(module, "LOST_FOR", timedelta(0) if how == NEVER else timedelta(minutes=2))
        proxied[0].swallow_next_write(how)

    monkeypatch.setattr(connection, "_access", lambda *given, **more: replace(opened(*given, **more), patience=2.0))
    return lose


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


def test_a_registration_without_an_answer_has_one_effect_and_the_right_verdict(life, proxied, lose):
    proxy, cluster = proxied
    for how in (LOST, LATE, NEVER):
        lose(how)
        run, repository = life.register(cluster, how)

        sent = [write for write in proxy.writes if write == f"PUT /_snapshot/{repository.name}"]
        there = repository.name in life.server.request("GET", "/_snapshot")
        expected = ("failed", "unknown", "failed", 0, False)
        if how != NEVER:
            expected = ("succeeded", "applied", "registered", 1, True)
        assert (run.state, run.effect, repository.state, len(sent), there) == expected, how


def test_a_create_without_an_answer_has_one_effect_and_the_right_verdict(life, repository, proxied, lose):
    proxy, cluster = proxied
    life.index("a")
    Repository.objects.filter(pk=repository.pk).update(cluster=cluster)
    repository.refresh_from_db()
    for how in (LOST, LATE, NEVER):
        lose(how)
        run = work(life.start(repository, how))

        sent = [write for write in proxy.writes if f"/{how}?" in write]
        there = [found["snapshot"] for found in life.there(repository)]
        expected = ("failed", "unknown", "unknown", 0) if how == NEVER else ("succeeded", "applied", "verified", 1)
        assert (run.state, run.effect, run.snapshot.state, len(sent)) == expected, how
        assert sorted(there) == sorted({LOST, LATE, how} - {NEVER} if how != LOST else {LOST})


def test_a_delete_without_an_answer_has_one_effect_and_the_right_verdict(life, repository, proxied, lose):
    """It is that of a running snapshot: a cancel. One that never arrived is sent again after a look."""
    proxy, cluster = proxied
    life.index("big", 200, random_text())
    life.slow_down(repository)
    Repository.objects.filter(pk=repository.pk).update(cluster=cluster)
    repository.refresh_from_db()
    for how in (LOST, LATE, NEVER):
        run = work(life.start(repository, how), lambda run: run.step == 2 and run.progress.get("looks", 0) >= 1)
        request_cancel(run, actor=life.cast["operator"])
        lose(how)
        if how == NEVER:
            run = work(run, lambda run: "cancel_sent" in run.result)
            long_ago = {"cancel_at": (timezone.now() - cancelling.DELETED_WITHIN).isoformat()}
            Run.objects.filter(pk=run.pk).update(result=run.result | long_ago)
        run = work(run)

        sent = [write for write in proxy.writes if write.startswith("DELETE") and f"/{how}" in write]
        expected = ("cancelled", "rolled_back", "cancelled", 1)
        assert (run.state, run.effect, run.snapshot.state, len(sent)) == expected, how
        assert life.there(repository) == []


def test_a_cancelled_one_is_deleted_and_the_earlier_one_stays(life, repository):
    life.index("small", 1)
    work(life.start(repository, "earlier"))
    life.index("big", 200, random_text())
    life.slow_down(repository)
    run = work(life.start(repository, "later"), until=lambda run: run.step == 2 and run.progress.get("looks", 0) >= 1)
    request_cancel(run, actor=life.cast["operator"])

    run = work(run)

    assert (run.state, run.effect) == ("cancelled", "rolled_back")
    assert [found["snapshot"] for found in life.there(repository)] == ["earlier"]


def test_files_that_are_gone_make_a_snapshot_damaged_and_hide_no_other(life, repository):
    life.index("a")
    for name in ("shard", "entry", "whole"):
        work(life.start(repository, name))
    folder, uuids = Path(repository.location), dict(Snapshot.objects.values_list("name", "uuid"))
    next(file for file in folder.rglob(f"snap-{uuids['shard']}.dat") if file.parent != folder).unlink()
    (folder / f"snap-{uuids['entry']}.dat").unlink()

    for _ in uuids:  # each has its turn
        refresh(repository)

    assert states(repository) == {"shard": "damaged", "entry": "damaged", "whole": "verified"}
    assert refresh(repository).damaged == 2


def test_a_missing_list_is_said_and_what_it_named_is_not_called_safe(life, repository, monkeypatch):
    monkeypatch.setattr(troubles, "PATIENCE_BEFORE", timedelta(0))
    life.index("a")
    for name in ("one", "two"):
        work(life.start(repository, name))
    _newest_list(repository).unlink()
    refresh(repository)

    run = work(life.start(repository, "three"))
    refresh(repository)

    if life.server.version == "7.2.0":  # goes on with the list before it, which it keeps
        assert (run.state, states(repository)["two"]) == ("succeeded", "missing")
        assert repository.vanished_lately == 1
    else:
        assert run.state == "failed"
        assert "has stopped using this repository" in run.error
        assert "has stopped using this repository" in repository.collect_message
        assert states(repository) == {"one": "verified", "two": "verified", "three": run.snapshot.state}
        assert run.snapshot.state == {"none": "failed", "unknown": "unknown"}[run.effect]


def test_snapshots_of_an_emptied_folder_are_damaged_and_then_missing(life, repository):
    life.index("a")
    for name in ("one", "two"):
        work(life.start(repository, name))
    shutil.rmtree(repository.location)

    assert work(request_verification(repository, actor=life.cast["operator"])).state == "succeeded"
    refresh(repository)

    if life.server.version != "7.2.0":  # that one reads the folder anew each time
        assert states(repository) == {"one": "damaged", "two": "damaged"}
        there = life.server.request("GET", f"/_snapshot/{repository.name}")[repository.name]
        life.server.request("DELETE", f"/_snapshot/{repository.name}")
        life.put(f"/_snapshot/{repository.name}", {"type": "fs", "settings": there["settings"]})
        refresh(repository)
    assert states(repository) == {"one": "missing", "two": "missing"}
    assert (repository.damaged, repository.vanished_lately) == (0, 2)


def _newest_list(repository: Repository) -> Path:
    return max(Path(repository.location).glob("index-*"), key=lambda file: int(file.name.partition("-")[2]))


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
    assert states(repository) == {"one": "found", "two": "found", "three": "found"}

    damaged = Snapshot.objects.get(name="two").uuid
    (life.server.path_repo / repository.name / f"snap-{damaged}.dat").unlink()
    life.server.request("DELETE", f"/_snapshot/{repository.name}/three")
    refresh(repository)

    assert states(repository) == {"one": "found", "two": "damaged", "three": "missing"}


def test_a_repository_that_somebody_removed_takes_no_snapshot_with_it(life, repository):
    life.index("a")
    life.make(repository, "one")
    refresh(repository)
    life.server.request("DELETE", f"/_snapshot/{repository.name}")

    refresh(repository)

    assert states(repository) == {"one": "found"}
    assert "not registered on the cluster" in repository.collect_message


def test_a_repository_that_another_cluster_writes_to_is_said_and_comes_back_as_told(life, repository):
    life.index("a")
    work(life.start(repository, "before"))
    overwrite(life.server.path_repo / repository.name)

    run = work(life.start(repository, "after"))

    if not life.server.kind.notices_writers:
        assert (run.state, states(repository)) == ("succeeded", {"before": "verified", "after": "verified"})
        return
    assert (run.state, run.effect) == ("failed", "unknown")
    assert "has stopped using this repository" in run.error
    refresh(repository)
    assert "has stopped using this repository" in repository.collect_message
    assert states(repository) == {"before": "verified", "after": "unknown"}

    if "remove it" in run.error:
        life.server.request("DELETE", f"/_snapshot/{repository.name}")
    life.put(f"/_snapshot/{repository.name}", {"type": "fs", "settings": repository.settings})
    refresh(repository)
    assert repository.collect_message == ""
    assert states(repository)["before"] == "verified"
    assert work(life.start(repository, "again")).state == "succeeded"
