"""A repository whose files were removed or changed, on a real 8.19: what can be seen is said, no more is claimed."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from django.urls import reverse
from django.utils import timezone

from backups.audit.models import AuditEntry
from backups.repositories.models import Repository
from backups.repositories.services import request_verification
from backups.runs.models import Run
from backups.snapshots import adopting, troubles
from backups.snapshots.models import Snapshot
from backups.snapshots.services import queue_snapshot
from tests.elasticsearch.scene import Scene
from tests.elasticsearch.test_collector import refresh, states
from tests.elasticsearch.test_server_dies import is_over, work
from tests.gateways.scenes import flip

pytestmark = pytest.mark.django_db(transaction=True)


class Damage:
    """The files of one repository, for whoever wants to spoil them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def data(self) -> list[Path]:
        """The data of shards, the biggest first."""
        return sorted(self.folder.glob("indices/*/*/__*"), key=lambda file: -file.stat().st_size)

    def of_shard(self, uuid: str) -> Path:
        return next(self.folder.glob(f"indices/*/*/snap-{uuid}.dat"))

    def of_index(self) -> Path:
        return next(self.folder.glob("indices/*/meta-*.dat"))

    def of_snapshot(self, uuid: str) -> Path:
        return self.folder / f"snap-{uuid}.dat"

    def of_global_state(self) -> Path:
        return next(self.folder.glob("meta-*.dat"))

    def list_of_snapshots(self) -> Path:
        return max(self.folder.glob("index-*"), key=lambda file: int(file.name.partition("-")[2]))

    def empty(self) -> None:
        shutil.rmtree(self.folder)


@pytest.fixture
def scene(real_elasticsearch):
    return Scene(real_elasticsearch)


@pytest.fixture
def repository(scene) -> Repository:
    return scene.repository(scene.cluster())


@pytest.fixture
def files(scene, repository) -> Damage:
    return Damage(scene.server.path_repo / scene.prefix)


@pytest.fixture
def take(scene, cast, repository):
    def take(name: str) -> Run:
        run = queue_snapshot(actor=cast["operator"], repository=repository, name=name, patterns=[f"{scene.prefix}-*"])
        work(run, is_over)
        return run

    return take


@pytest.fixture
def hurried(monkeypatch):
    """A run does not give the storage half a minute to be mended."""
    monkeypatch.setattr(troubles, "PATIENCE_BEFORE", timedelta(0))


@pytest.fixture
def page(as_person):
    """What a viewer reads on a page."""

    def page(name: str, *arguments) -> str:
        return as_person("viewer").get(reverse(name, args=arguments)).content.decode()

    return page


ONLY_A_RESTORE = "Only a restore proves that the data can be read"


def whole(scene: Scene, name: str) -> bool:
    """Whether a restore of it, beside the original, brings every shard back."""
    body = b'{"rename_pattern": "(.+)", "rename_replacement": "back-$1", "include_global_state": false}'
    answer = scene.server.request("POST", f"/_snapshot/{scene.prefix}/{name}/_restore?wait_for_completion=true", body)
    scene.server.request("DELETE", f"/back-{scene.prefix}-a")
    return answer["snapshot"]["shards"]["failed"] == 0


def register_again(scene: Scene, repository: Repository) -> None:
    """As somebody would who does what the console says, but brings nothing back."""
    there = scene.server.request("GET", f"/_snapshot/{scene.prefix}")[scene.prefix]
    scene.server.request("DELETE", f"/_snapshot/{scene.prefix}")
    body = {"type": there["type"], "settings": there["settings"]}
    scene.server.request("PUT", f"/_snapshot/{scene.prefix}", json.dumps(body).encode())


def entries(action: str) -> list[str]:
    return list(AuditEntry.objects.filter(action=action).values_list("text", flat=True))


@pytest.mark.parametrize("spoil", [Path.unlink, flip], ids=["gone", "flipped"])
def test_damage_to_the_data_is_seen_by_a_restore_only_and_every_page_says_so(scene, take, files, page, spoil):
    scene.index("a", 50)
    take("one")
    spoil(files.data()[0])
    later = take("later")
    refresh(repository := later.snapshot.repository)

    assert states(repository) == {"one": "verified", "later": "verified"}
    for name in ("one", "later"):  # the second one holds the same file
        assert ONLY_A_RESTORE in page("snapshots:detail", Snapshot.objects.get(name=name).pk)
        assert not whole(scene, name)


DESCRIPTIONS = {
    "of a shard": Damage.of_shard,
    "of an index": lambda files, uuid: files.of_index(),
    "of the snapshot": Damage.of_snapshot,
}


@pytest.mark.parametrize("spoil", [Path.unlink, flip], ids=["gone", "flipped"])
@pytest.mark.parametrize("which", DESCRIPTIONS)
def test_damage_to_what_describes_it_is_said_until_it_is_mended(scene, take, repository, files, page, which, spoil):
    scene.index("a", 50)
    take("one")
    one = Snapshot.objects.get()
    file = DESCRIPTIONS[which](files, one.uuid)
    was = file.read_bytes()

    spoil(file)
    refresh(repository)
    refresh(repository)

    assert states(repository) == {"one": "damaged"}
    assert len(entries("snapshots.damaged")) == 1
    shown = page("snapshots:detail", one.pk)
    assert "missing" in shown and "look at the storage" in shown
    assert "was read back and compared" not in shown
    assert "1 of its snapshots is damaged" in page("repositories:detail", repository.pk)
    assert f"1 snapshot damaged in {repository}" in page("dashboard:home")

    file.write_bytes(was)
    refresh(repository)
    assert states(repository) == {"one": "verified"}
    assert "damaged" not in page("dashboard:home")


def test_the_global_state_is_not_looked_at(scene, take, repository, files):
    scene.index("a", 50)
    take("one")
    files.of_global_state().unlink()
    refresh(repository)

    assert states(repository) == {"one": "verified"}
    assert whole(scene, "one")


def test_a_snapshot_that_builds_on_files_which_are_gone_is_not_called_verified(scene, take, files):
    """The server says SUCCESS of it: it found the index unchanged, and points to the file that described it."""
    scene.index("a", 50)
    take("one")
    files.of_index().unlink()

    run = take("two")

    assert (run.state, run.effect, run.snapshot.state) == ("failed", "applied", "damaged")
    assert "That part cannot be restored" in run.error
    assert [found["state"] for found in scene.snapshots(run.snapshot.repository)] == ["SUCCESS", "SUCCESS"]


def test_a_missing_list_stops_the_next_snapshot_and_is_said(scene, take, repository, files, page, hurried):
    scene.index("a", 50)
    take("one")
    files.list_of_snapshots().unlink()
    assert states(refresh(repository)) == {"one": "verified"}  # the server has it in its memory

    run = take("two")
    refresh(repository)

    assert (run.state, run.effect) == ("failed", "unknown")
    assert "Elasticsearch has stopped using this repository" in run.error
    assert "bring back what is missing" in run.error
    assert states(repository) == {"one": "verified", "two": "unknown"}
    assert "Its snapshots cannot be read since" in page("repositories:detail", repository.pk)
    assert f"The snapshots in {repository} cannot be read" in page("dashboard:home")
    assert "Its repository cannot be read since" in page("snapshots:detail", Snapshot.objects.get(name="one").pk)
    assert entries("snapshots.missing") == []

    register_again(scene, repository)
    Run.objects.filter(pk=run.pk).update(ended_at=timezone.now() - 2 * adopting.NEVER_CAME_AFTER)
    refresh(repository)
    assert states(repository) == {"one": "missing", "two": "failed"}
    assert f"1 snapshot vanished from {repository}" in page("dashboard:home")
    assert "1 snapshot vanished in the last 24 hours" in page("repositories:detail", repository.pk)
    assert "does not list this snapshot any more" in page("snapshots:detail", Snapshot.objects.get(name="one").pk)
    assert take("two").state == "succeeded"


def test_an_emptied_folder_is_verified_by_the_server_and_not_by_the_console(
    scene, cast, take, repository, files, page, hurried
):
    scene.index("a", 50)
    for name in ("one", "two"):
        take(name)
    files.empty()

    verified = request_verification(repository, actor=cast["operator"])
    work(verified, is_over)
    refresh(repository)

    assert verified.state == "succeeded"  # every node can write there
    assert states(repository) == {"one": "damaged", "two": "damaged"}
    assert f"2 snapshots damaged in {repository}" in page("dashboard:home")

    run = take("three")
    assert (run.state, run.effect) == ("failed", "unknown")
    assert "has stopped using this repository" in refresh(repository).collect_message

    register_again(scene, repository)
    refresh(repository)
    assert states(repository) == {"one": "missing", "two": "missing", "three": "unknown"}
    (entry,) = entries("snapshots.missing")
    assert json.loads(entry)["change"] == {"number": 2, "names": ["one", "two"], "made_here": 2, "left": 0}
    assert f"2 snapshots vanished from {repository}" in page("dashboard:home")
    assert "damaged in" not in page("dashboard:home")
