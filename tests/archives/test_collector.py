"""One look of a worker at a location, at real directories."""

import gzip
import io
import json
import os
import shutil
import tarfile
import threading
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from backups.archives import cybersift_restore
from backups.archives.format.partials import open_partial, partial_of
from backups.archives.format.writer import About, ArchiveWriter
from backups.archives.locations import adopting, collector, folder, opening
from backups.archives.locations.collector import GONE_AFTER
from backups.archives.locations.folder import PROGRAM
from backups.archives.locations.matching import SETTLED_NS
from backups.archives.models import Archive, ArchiveLocation, ArchiveRun, ArchiveState
from backups.archives.services import queue_archive, queue_archive_at, queue_verify
from backups.audit.models import AuditEntry
from backups.runs.models import Run, RunState
from tests.archives.making import Item, Maker
from tests.turns import lease, work

pytestmark = pytest.mark.db

AGE = b"age-encryption.org/v1\n-> X25519 abc\n"


def refresh(location: ArchiveLocation) -> ArchiveLocation:
    ArchiveLocation.objects.filter(pk=location.pk).update(collect_at=None)
    collector.collect(location.pk, lease(location))
    location.refresh_from_db()
    return location


def settle(*paths: Path, seconds: int = 60) -> None:
    """As if they had been written a while ago."""
    for path in paths:
        at = path.stat().st_mtime_ns - seconds * 10**9
        os.utime(path, ns=(at, at))


def put(location: ArchiveLocation, name: str, data: bytes) -> Path:
    path = location.directory / name
    path.write_bytes(data)
    settle(path)
    return path


def put_ours(location: ArchiveLocation, tree: Path, name: str = "ours.tar.gz", backup_id: str = "") -> Path:
    path = location.directory / name
    about = About("1", [{"name": "t", "kind": "files"}], host="far-away", backup_id=backup_id or str(uuid.uuid4()))
    with ArchiveWriter(path, about, jobs=1) as writer:
        writer.add_tree("t", tree)
        writer.finish()
    settle(path)
    return path


def foreign(mode: str = "w:gz") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:
        entry = tarfile.TarInfo("etc/hosts")
        entry.size = 9
        tar.addfile(entry, io.BytesIO(b"127.0.0.1"))
    return out.getvalue()


def states(location: ArchiveLocation) -> dict[str, str]:
    return dict(location.archives.order_by("pk").values_list("name", "state"))


def entries() -> list[str]:
    return [a for a in AuditEntry.objects.order_by("seq").values_list("action", flat=True) if "archive" in a]


@pytest.fixture
def made(profile, cast, location) -> Archive:
    """An archive that a run has made and read back, settled and seen."""
    archive = work(queue_archive(actor=cast["operator"], profile=profile, name="made")).archive_run.archive
    refresh(location)
    archive.refresh_from_db()
    assert archive.state == ArchiveState.VERIFIED
    return archive


def test_a_good_one_has_its_room_and_the_reader_beside_the_archives(location):
    refresh(location)

    assert (location.state, location.message, location.failures) == ("good", "", 0)
    assert 0 < location.space_free <= location.space_total
    assert location.looked_at and location.collect_at > timezone.now()
    program = location.directory / PROGRAM
    assert program.read_bytes() == Path(cybersift_restore.__file__).read_bytes()
    assert program.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in location.directory.iterdir()] == [PROGRAM]
    assert entries() == []


def test_an_old_reader_is_replaced_and_one_that_is_right_is_left(location):
    program = location.directory / PROGRAM
    program.write_text("old")
    refresh(location)
    inode = program.stat().st_ino
    refresh(location)

    assert program.stat().st_ino == inode and program.read_text() != "old"


def test_archives_that_are_there_are_found_with_what_they_say_of_themselves(location, tree):
    path = put_ours(location, tree)
    refresh(location)
    refresh(location)

    found = Archive.objects.get()
    assert (found.state, found.host, found.codec, found.foreign) == ("found", "far-away", "gz", False)
    assert (found.files, found.keys, found.size) == (123, 0, path.stat().st_size)
    assert found.made_at and found.finished_at and found.manifest_sha256 and found.backup_id
    assert not found.structure_at and not found.checksums_at and not found.made_by
    entry = AuditEntry.objects.get(action="archives.found")
    assert entry.object_name == "local" and '"number":1' in entry.text.replace(" ", "")
    assert entries() == ["archives.found"]


@pytest.mark.parametrize(
    ("name", "data", "state", "words"),
    [
        ("theirs.tar.gz", foreign(), "found", ""),
        ("theirs.tgz", foreign(), "found", ""),
        ("theirs.tar", foreign("w:"), "found", ""),
        ("nothing.tar", bytes(10240), "found", ""),
        ("empty.tar.gz", b"", "damaged", "no archive"),
        ("garbage.tar.gz", b"garbage" * 1000, "damaged", "header"),
        ("no-tar.tar.gz", gzip.compress(b"x" * 2000), "damaged", "header"),
        ("cut.tar.gz", foreign()[:40], "damaged", "inflated"),
        ("sealed.tar.gz.age", AGE, "found", ""),
        ("not-sealed.tar.gz.age", foreign(), "damaged", "encrypted with age"),
        ("theirs.tar.zst", b"\x28\xb5\x2f\xfd whatever" + bytes(600), "found", ""),
    ],
)
def test_what_others_put_there_is_judged_by_its_beginning(location, name, data, state, words):
    put(location, name, data)
    refresh(location)

    found = Archive.objects.get()
    assert (found.state, found.name, found.size) == (state, name, len(data))
    assert words in found.detail and bool(words) == bool(found.message)
    assert found.encrypted == name.startswith("sealed") and not found.proofs[1].at
    assert entries() == ["archives.found"]


def test_one_without_an_end_is_damaged(location, tree):
    path = put_ours(location, tree)
    put(location, "half.tar.gz", path.read_bytes()[:-40])
    refresh(location)

    assert states(location) == {"half.tar.gz": "damaged", "ours.tar.gz": "found"}
    assert "no footer" in Archive.objects.get(state="damaged").detail
    assert '"damaged":["half.tar.gz"]' in AuditEntry.objects.get(action="archives.found").text.replace(" ", "")


HOSTILE = [
    {"created": "yesterday"},
    {"created": "2026-11-22T09:30:00"},
    {"created": "0001-01-01T00:00:00+14:00"},
    {"host": "a\0b" * 2000},
    {"host": 5},
    {"backup_id": None},
    {"counts": {"files": 10**30, "bytes": 0, "changed": 0, "skipped": 0}},
    {"counts": {"files": -1, "bytes": 0, "changed": 0, "skipped": 0}},
    {"counts": None},
]


@pytest.mark.parametrize("lie", HOSTILE, ids=str)
def test_what_a_manifest_says_is_not_believed_blindly_and_hides_no_other(location, tree, lie):
    maker = Maker()
    head = maker.head | lie
    good = {"files": 1, "bytes": 2, "changed": 0, "skipped": 0}
    text = b'%s,\n"files": [\n],\n"redis": [\n],\n"errors": [\n]}' % _json({"counts": good} | head)[:-1]
    maker.manifest = text
    put(location, "liar.tar.gz", maker.bytes_of([Item("files/a", data=b"x")]))
    put_ours(location, tree)

    refresh(location)

    assert states(location)["ours.tar.gz"] == "found"
    assert states(location)["liar.tar.gz"] == "damaged"


def _json(value) -> bytes:
    return json.dumps(value).encode()


def test_what_is_no_file_or_hidden_or_called_otherwise_is_left_alone(location, tree):
    real = put_ours(location, tree, "real.tar.gz")
    (location.directory / "link.tar.gz").symlink_to(real)
    (location.directory / "folder.tar.gz").mkdir()
    os.mkfifo(location.directory / "pipe.tar")
    put(location, ".hidden.tar.gz", foreign())
    put(location, "notes.txt", b"x")
    (location.directory / os.fsdecode(b"odd\xff.tar.gz")).write_bytes(b"x")

    refresh(location)

    assert states(location) == {"real.tar.gz": "found"}
    assert location.message == "1 file has a name that cannot be shown. Left out."


def test_a_file_that_may_still_grow_waits_for_the_next_look(location, tree):
    path = put_ours(location, tree)
    now = timezone.now().timestamp()
    os.utime(path, (now, now))
    refresh(location)
    assert states(location) == {}
    assert location.collect_at - timezone.now() < timedelta(seconds=6)

    settle(path, seconds=SETTLED_NS // 10**9 + 1)
    refresh(location)
    assert states(location) == {"ours.tar.gz": "found"}


def test_one_that_cannot_be_read_is_said_and_not_judged(location, monkeypatch):
    put(location, "a.tar.gz", foreign())
    put(location, "b.tar.gz", foreign())
    real = opening.look_into

    def fail(where, file):
        if file.name == "a.tar.gz":
            raise cybersift_restore.Unavailable("a.tar.gz cannot be read: Input/output error")
        return real(where, file)

    monkeypatch.setattr(opening, "look_into", fail)
    refresh(location)

    assert states(location) == {"b.tar.gz": "found"}
    assert location.state == "good" and "Input/output error" in location.message


def test_one_that_takes_too_long_hides_no_other(location, monkeypatch):
    for name in ("a.tar.age", "b.tar", "c.tar.age"):
        put(location, name, AGE)
    over, real = threading.Event(), opening.look_into
    monkeypatch.setattr(
        opening, "look_into", lambda where, file: over.wait(20) if file.name == "b.tar" else real(where, file)
    )
    monkeypatch.setattr(collector, "OPEN_SECONDS", 0.2)
    for _ in range(3):
        refresh(location)
    over.set()

    assert set(states(location)) == {"a.tar.age", "c.tar.age"}
    assert location.state == "good" and "to open. Tried again" in location.message


def test_many_are_opened_in_several_looks(location, monkeypatch):
    monkeypatch.setattr(opening, "MOST", 3)
    for number in range(7):
        put(location, f"{number}.tar", foreign("w:"))

    refresh(location)
    assert len(states(location)) == 3
    assert location.collect_at - timezone.now() < timedelta(seconds=6)
    refresh(location)
    refresh(location)
    assert len(states(location)) == 7
    assert location.collect_at - timezone.now() > timedelta(seconds=6)
    assert entries() == ["archives.found"] * 3


def test_what_a_dead_writer_left_is_removed_and_what_grows_is_left(location):
    dead = location.directory / ".dead.tar.gz.partial-1"
    dead.write_bytes(b"half")
    living = partial_of(location.directory / "living.tar.gz")
    descriptor = open_partial(living)

    refresh(location)

    assert not dead.exists() and living.exists()
    assert "1 unfinished file that a dead writer had left removed just now." in location.message
    assert "1 archive is being written at the moment." in location.message
    os.close(descriptor)


def test_a_file_that_is_gone_is_missing_and_comes_back_unproven(location, made):
    away = location.directory / "away"
    made.path.rename(away)
    refresh(location)
    made.refresh_from_db()
    assert made.state == "missing" and "no file" in made.message and made.gone_at
    assert entries()[-1] == "archives.missing"
    assert AuditEntry.objects.get(action="archives.missing").severity == 3

    away.rename(made.path)
    settle(made.path)
    refresh(location)
    made.refresh_from_db()
    assert (made.state, made.message, made.structure_at, made.checksums_good) == ("found", "", None, None)
    assert made.gone_at is None
    assert Archive.objects.count() == 1
    assert '"returned":["made.tar.gz"]' in AuditEntry.objects.order_by("-seq")[0].text.replace(" ", "")


def test_another_archive_under_the_name_of_a_missing_one_is_another_row(location, made, tree):
    made.path.unlink()
    refresh(location)
    put_ours(location, tree, made.name)
    refresh(location)

    assert list(location.archives.order_by("pk").values_list("state", flat=True)) == ["missing", "found"]


def test_one_that_was_written_to_is_no_longer_proven(location, made):
    settle(made.path)
    before = entries()
    refresh(location)
    refresh(location)

    made.refresh_from_db()
    assert (made.state, made.checksums_at, made.sha256) == ("found", None, "")
    assert made.message == "The file was changed since it was verified."
    assert made.mtime_ns == made.path.stat().st_mtime_ns
    assert entries()[len(before) :] == ["archives.changed"]


def test_one_that_was_cut_off_is_damaged(location, made):
    made.path.write_bytes(made.path.read_bytes()[:-60])
    settle(made.path)
    refresh(location)

    made.refresh_from_db()
    assert made.state == "damaged" and "changed since it was verified" in made.message and "no footer" in made.detail


def test_one_that_was_replaced_by_another_is_missing_and_the_other_found(location, made, tree):
    made.path.unlink()
    put_ours(location, tree, made.name)
    refresh(location)

    rows = list(location.archives.order_by("pk"))
    assert [row.state for row in rows] == ["missing", "found"]
    assert rows[0].backup_id != rows[1].backup_id and rows[1].made_by is None
    assert entries()[-2:] == ["archives.found", "archives.missing"]


def test_a_found_one_that_was_copied_again_needs_no_alarm(location, tree):
    path = put_ours(location, tree)
    refresh(location)
    settle(path)
    refresh(location)

    assert states(location) == {"ours.tar.gz": "found"} and Archive.objects.get().message == ""
    assert entries() == ["archives.found"]


def test_what_a_run_has_in_hand_is_left_to_it(location, profile, cast, tree):
    run = queue_archive(actor=cast["operator"], profile=profile, name="mine")
    archive = run.archive_run.archive
    put_ours(location, tree, archive.name, archive.backup_id)
    refresh(location)
    assert states(location) == {"mine.tar.gz": "wanted"}

    Archive.objects.update(state=ArchiveState.FINISHED, size=1, mtime_ns=1)
    refresh(location)
    assert states(location) == {"mine.tar.gz": "finished"}


def test_one_that_is_being_verified_is_left_to_that_run(location, made, cast):
    run = queue_verify(made, actor=cast["operator"])
    made.path.unlink()
    refresh(location)
    assert states(location)["made.tar.gz"] == "verified"

    Run.objects.filter(pk=run.pk).update(state=RunState.CANCELLED, ended_at=timezone.now())
    refresh(location)
    assert states(location)["made.tar.gz"] == "missing"


@pytest.fixture
def outside(profile, cast, tmp_path) -> Archive:
    """An archive that a command made in a directory that is no location."""
    (tmp_path / "elsewhere").mkdir()
    path = tmp_path / "elsewhere/by-hand.tar.gz"
    run = work(queue_archive_at(actor=cast["operator"], profile=profile, path=path))
    settle(path)
    Archive.objects.update(mtime_ns=path.stat().st_mtime_ns)
    return run.archive_run.archive


def at_home_of(archive: Archive) -> ArchiveLocation:
    return ArchiveLocation.objects.create(name="new", host=archive.host, path=archive.outside)


def test_what_a_command_made_there_before_moves_in_with_its_proof(outside):
    refresh(at_home_of(outside))

    row = Archive.objects.get()
    assert (row.state, row.location.name, row.outside) == ("verified", "new", "")


def test_what_a_command_makes_there_at_the_moment_is_left_to_it(outside):
    Archive.objects.update(state=ArchiveState.WANTED)
    refresh(at_home_of(outside))

    assert Archive.objects.get().location is None


def test_what_was_written_to_since_a_command_made_it_is_another_row(outside):
    settle(outside.path)
    place = refresh(at_home_of(outside))

    assert Archive.objects.count() == 2 and states(place) == {"by-hand.tar.gz": "found"}


@pytest.fixture
def given_up(location, profile, cast) -> Archive:
    """Its run was given up; nobody knows whether there is a file."""
    run = queue_archive(actor=cast["operator"], profile=profile, name="lost")
    Run.objects.filter(pk=run.pk).update(state=RunState.FAILED, ended_at=timezone.now())
    Archive.objects.update(state=ArchiveState.UNKNOWN)
    return run.archive_run.archive


def test_after_a_run_that_was_given_up_its_file_is_adopted(location, given_up, tree):
    put_ours(location, tree, given_up.name, given_up.backup_id)
    refresh(location)

    row = Archive.objects.get()
    assert (row.state, row.files, row.made_by_id) == ("found", 123, given_up.made_by_id)
    assert entries()[-1] == "archive.adopted"


def test_or_it_has_failed_for_good(location, given_up):
    refresh(location)

    row = Archive.objects.get()
    assert row.state == "failed" and "no file" in row.message


def test_a_file_of_others_under_its_name_is_not_taken_for_it(location, given_up, tree):
    put_ours(location, tree, given_up.name)
    refresh(location)

    assert sorted(location.archives.values_list("state", flat=True)) == ["failed", "found"]


def test_the_file_of_a_run_that_had_failed_is_adopted_when_it_appears(location, given_up, tree):
    refresh(location)
    put_ours(location, tree, given_up.name, given_up.backup_id)
    refresh(location)

    assert Archive.objects.get().state == "found" and ArchiveRun.objects.count() == 1


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.rmdir(), "There is no directory"),
        (lambda path: (path.rmdir(), path.write_text("x")), "is no directory"),
        (lambda path: (path.rmdir(), path.symlink_to(settings.KEYS_DIR)), "own keys"),
    ],
)
def test_what_cannot_be_used_says_why_and_is_looked_at_less_and_less_often(location, spoil, words):
    spoil(location.directory)
    waits = []
    for _ in range(3):
        refresh(location)
        waits.append((location.collect_at - timezone.now()).total_seconds())

    assert location.state == "bad" and words in location.message
    assert location.failures == 3 and location.failing_since and location.looked_at
    assert waits[0] < 31 and waits[1] > waits[0] * 1.5 and waits[2] > waits[1] * 1.5
    assert not (Path(settings.KEYS_DIR) / PROGRAM).exists()


def test_a_full_disk_is_said_and_archives_are_seen_all_the_same(location, tree, monkeypatch):
    put_ours(location, tree)

    def full(directory):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder, "_try_to_write", full)
    refresh(location)

    assert location.state == "bad" and "is full" in location.message
    assert location.space_total and states(location) == {"ours.tar.gz": "found"}


def test_one_that_works_again_is_good_at_once(location):
    location.directory.rmdir()
    refresh(location)
    location.directory.mkdir()
    refresh(location)

    assert (location.state, location.failures, location.failing_since, location.message) == ("good", 0, None, "")


@pytest.mark.parametrize("empty", [True, False])
def test_a_share_that_is_away_for_a_moment_costs_no_proof_and_later_all(location, made, empty):
    away = location.directory.with_name("away")
    location.directory.rename(away)
    if empty:
        location.directory.mkdir()
    refresh(location)
    assert location.state == "bad" and states(location)["made.tar.gz"] == "verified"
    if empty:
        assert list(location.directory.iterdir()) == []
        location.directory.rmdir()

    if not empty:
        away.rename(location.directory)
        refresh(location)
        assert states(location)["made.tar.gz"] == "verified" and location.state == "good"
        shutil.rmtree(location.directory)
        refresh(location)
    ArchiveLocation.objects.update(failing_since=timezone.now() - GONE_AFTER)
    refresh(location)
    assert location.state == "bad" and states(location)["made.tar.gz"] == "missing"
    assert entries()[-1] == "archives.missing"


def test_a_share_that_hangs_blocks_nobody(location, made, monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(collector, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(folder, "look", lambda *_, **__: over.wait(20))
    refresh(location)
    over.set()

    assert location.state == "bad" and "has not answered" in location.message
    assert states(location)["made.tar.gz"] == "verified"


def test_only_the_worker_of_its_host_looks(location, tree):
    put_ours(location, tree)
    ArchiveLocation.objects.update(host="another")
    refresh(location)

    assert location.state == "unchecked" and states(location) == {}


def test_the_same_directory_name_on_two_hosts_is_two_places(location, tree, settings):
    put_ours(location, tree)
    twin = ArchiveLocation.objects.create(name="far", host="another", path=location.path)
    refresh(location)
    settings.WORKER_HOST = "another"
    refresh(twin)

    assert states(location) == states(twin) == {"ours.tar.gz": "found"}


def test_a_late_look_writes_nothing(location, made, tree, monkeypatch):
    """The lease is lost while the files are being opened."""
    made.path.unlink()
    put_ours(location, tree)
    before, looked_at = entries(), ArchiveLocation.objects.get().looked_at
    real = collector._open

    def lose(*args):
        ArchiveLocation.objects.update(collect_until=timezone.now() - timedelta(seconds=1), collect_at=None)
        assert lease(location)
        return real(*args)

    monkeypatch.setattr(collector, "_open", lose)
    refresh(location)

    assert states(location) == {"made.tar.gz": "verified"}
    assert entries() == before and location.looked_at == looked_at


def test_a_late_look_that_found_it_bad_writes_nothing(location):
    old = lease(location)
    ArchiveLocation.objects.update(collect_until=timezone.now() - timedelta(seconds=1))
    assert lease(location) == old + 1
    location.directory.rmdir()

    collector.collect(location.pk, old)

    location.refresh_from_db()
    assert location.state == "unchecked"


def test_a_run_that_took_the_name_meanwhile_keeps_it(location, tree, monkeypatch):
    put_ours(location, tree, "taken.tar.gz")
    real = adopting.Look.opened

    def taken_first(look, name, columns, row):
        Archive.objects.create(location=location, name=name, codec="gz")
        real(look, name, columns, row)

    monkeypatch.setattr(adopting.Look, "opened", taken_first)
    refresh(location)

    assert states(location) == {"taken.tar.gz": "wanted"} and location.state == "good"
    assert entries() == []
