"""A run that makes an archive, from the form's verb to the verified file."""

import json
import tarfile

import pytest
from django.conf import settings
from django.utils import timezone

from backups.archives.models import Archive, ArchiveLocation, ArchiveState
from backups.archives.services import ArchiveRefused, queue_archive, queue_archive_at, queue_verify
from backups.gateways.filetree import APART
from backups.runs import request_cancel
from backups.runs.models import Effect, Run, RunState
from tests.turns import work

pytestmark = pytest.mark.db


def test_an_archive_is_made_and_read_back(profile, cast):
    run = work(queue_archive(actor=cast["operator"], profile=profile))

    assert (run.state, run.effect, run.error) == (RunState.SUCCEEDED, Effect.APPLIED, "")
    archive = Archive.objects.get()
    assert archive.state == ArchiveState.VERIFIED
    assert archive.path.is_file()
    assert (archive.files, archive.changed, archive.skipped, archive.keys) == (121, 0, 0, 0)
    assert archive.checksums_good and archive.structure_good and archive.finished_at
    assert archive.size == archive.path.stat().st_size
    assert [step.state for step in run.steps.all()] == ["succeeded"] * 3


def test_the_archive_itself_tells_what_it_was_to_hold(profile, location, tree, cast):
    profile.sources = [{"name": "all", "path": str(tree.parent), "include": ["*.json"], "exclude": ["cache/"]}]
    profile.save()
    work(queue_archive(actor=cast["operator"], profile=profile))

    with tarfile.open(Archive.objects.get().path) as archive:
        header = json.load(archive.extractfile("BACKUP/header.json"))
        manifest = json.load(archive.extractfile("BACKUP/manifest.json"))
    (source,) = header["sources"]
    assert (source["name"], source["kind"], source["path"]) == ("all", "files", str(tree.parent))
    assert (source["include"], source["one_file_system"]) == (["*.json"], False)
    assert source["exclude"] == ["cache/"]
    assert {"path": "files/all/archives", "why": APART} in manifest["errors"]


def test_a_second_archive_of_the_same_minute_gets_a_number(profile, cast):
    one, two = (queue_archive(actor=cast["operator"], profile=profile) for _ in range(2))

    assert one.archive_run.archive.name.replace(".tar.gz", "-2.tar.gz") == two.archive_run.archive.name


def test_a_name_that_is_taken_is_refused_and_a_free_one_said(profile, cast):
    queue_archive(actor=cast["operator"], profile=profile, name="before-upgrade")

    with pytest.raises(ArchiveRefused, match="Free is: before-upgrade-2"):
        queue_archive(actor=cast["operator"], profile=profile, name="before-upgrade")


@pytest.fixture
def nifi(profile, tree):
    profile.sources = [{"name": "nifi", "path": str(tree / "nifi"), "include": [], "exclude": []}]
    profile.save()
    return tree / "nifi/flow.json.gz"


def said(run) -> str:
    return "\n".join(run.log.values_list("text", flat=True))


def test_a_whole_flow_of_nifi_is_said_to_be_one(nifi, profile, cast):
    run = work(queue_archive(actor=cast["operator"], profile=profile))

    assert run.state == RunState.SUCCEEDED
    assert "files/nifi/flow.json.gz: a whole flow, and the same before and after" in said(run)


def test_a_flow_that_nifi_could_not_load_is_said_and_the_rest_kept(nifi, profile, cast):
    nifi.write_bytes(nifi.read_bytes()[:-5])

    run = work(queue_archive(actor=cast["operator"], profile=profile))

    assert run.state == RunState.PARTIAL
    assert "NiFi could not load it" in run.error
    assert Archive.objects.get().state == ArchiveState.VERIFIED


def test_what_cannot_be_packed_leaves_nothing(profile, cast, tree, location):
    tree.rename(tree.with_name("gone"))

    run = work(queue_archive(actor=cast["operator"], profile=profile))

    assert (run.state, run.effect) == (RunState.FAILED, Effect.NONE)
    assert "does not exist" in run.error
    assert Archive.objects.get().state == ArchiveState.FAILED
    assert list(location.directory.iterdir()) == []


def test_a_source_of_which_nothing_matches_is_no_backup(profile, cast, location):
    profile.sources[0]["include"] = ["*.none"]
    profile.save()

    run = work(queue_archive(actor=cast["operator"], profile=profile))

    assert run.state == RunState.FAILED
    assert "Nothing in" in run.error


def test_a_file_that_is_there_already_is_left_alone(profile, cast, location):
    (location.directory / "mine.tar.gz").write_bytes(b"precious")

    run = work(queue_archive(actor=cast["operator"], profile=profile, name="mine"))

    assert run.state == RunState.FAILED
    assert (location.directory / "mine.tar.gz").read_bytes() == b"precious"
    assert [path.name for path in location.directory.iterdir()] == ["mine.tar.gz"]


def test_a_location_that_does_not_work_is_not_written_to(profile, cast, location):
    location.state, location.message = "bad", "Is the share mounted?"
    location.save()

    run = work(queue_archive(actor=cast["operator"], profile=profile))

    assert "Is the share mounted?" in run.error
    assert list(location.directory.iterdir()) == []


def test_without_reading_back_it_is_finished_not_verified(profile, cast):
    profile.read_back = "never"
    profile.save()

    run = work(queue_archive(actor=cast["operator"], profile=profile))

    assert run.state == RunState.SUCCEEDED
    archive = Archive.objects.get()
    assert (archive.state, archive.checksums_at, archive.structure_good) == (ArchiveState.FINISHED, None, None)


def test_a_cancel_leaves_nothing(profile, cast, location):
    run = queue_archive(actor=cast["operator"], profile=profile)
    request_cancel(run, actor=cast["operator"])

    run = work(run)

    assert run.state == RunState.CANCELLED
    assert Archive.objects.get().state == ArchiveState.CANCELLED
    assert list(location.directory.iterdir()) == []


def test_the_name_is_free_again_after_a_failure(profile, cast, tree):
    tree.rename(tree.with_name("gone"))
    work(queue_archive(actor=cast["operator"], profile=profile, name="nightly"))
    tree.with_name("gone").rename(tree)

    run = work(queue_archive(actor=cast["operator"], profile=profile, name="nightly"))

    assert run.state == RunState.SUCCEEDED


@pytest.mark.parametrize("way", ["itself", "above", "by a link", "by /proc"])
def test_the_console_s_keys_go_into_no_archive_whatever_way_leads_there(profile, cast, settings, tmp_path, way):
    keys, link = tmp_path / "home/keys", tmp_path / "link"
    keys.mkdir(parents=True)
    (keys / "secrets.pem").write_text("secret")
    (keys.parent / "other").write_text("other")
    settings.KEYS_DIR = keys
    link.symlink_to(keys.parent)
    ways = {"itself": keys, "above": keys.parent, "by a link": link, "by /proc": f"/proc/self/root{keys}"}
    profile.sources = [{"name": "home", "path": str(ways[way]), "include": [], "exclude": []}]
    profile.save()

    run = work(queue_archive(actor=cast["operator"], profile=profile))

    if ways[way] in (keys, f"/proc/self/root{keys}"):
        assert (run.state, run.effect) == (RunState.FAILED, Effect.NONE)
        assert "goes into no archive" in run.error
    else:
        with tarfile.open(Archive.objects.get().path) as archive:
            names = archive.getnames()
        assert "files/home/other" in names
        assert not [name for name in names if "secrets" in name]


def test_nothing_is_written_below_a_mount_that_is_not_there(profile, location, cast):
    (location.directory / "cybersift_restore.py").write_text("as every look puts it there")
    work(queue_archive(actor=cast["operator"], profile=profile))
    ArchiveLocation.objects.update(looked_at=timezone.now())
    there = location.directory.rename(location.directory.with_name("mounted elsewhere"))
    location.directory.mkdir()

    run = work(queue_archive(actor=cast["operator"], profile=profile))
    verified = work(queue_verify(Archive.objects.order_by("pk").first(), actor=cast["operator"]))

    assert (run.state, run.effect) == (RunState.FAILED, Effect.NONE)
    assert "Is the share mounted?" in run.error
    assert list(location.directory.iterdir()) == []
    assert verified.state == RunState.FAILED
    location.directory.rmdir()
    there.rename(location.directory)
    assert Archive.objects.order_by("pk").first().state == ArchiveState.VERIFIED
    assert work(queue_archive(actor=cast["operator"], profile=profile)).state == RunState.SUCCEEDED


def test_an_archive_among_the_files_it_is_made_of_leaves_out_archives_only(profile, tree, cast):
    profile.sources = [{"name": "all", "path": str(tree), "include": [], "exclude": []}]
    profile.save()
    for name in ("first.tar.gz", "second.tar.gz"):
        work(queue_archive_at(actor=None, profile=profile, path=tree / "params" / name))

    with tarfile.open(tree / "params/second.tar.gz") as archive:
        names = archive.getnames()

    assert {"files/all/params/p7.json", "files/all/models/detector/weights.bin"} < set(names)
    assert not [name for name in names if "tar.gz" in name]


def test_a_location_is_known_by_another_name_of_its_directory(profile, location, tmp_path):
    (tmp_path / "link").symlink_to(location.directory)
    ArchiveLocation.objects.update(path=str(tmp_path / "link"))

    work(queue_archive_at(actor=None, profile=profile, path=location.directory / "backup.tar.gz"))

    archive = Archive.objects.get()
    assert (archive.location, archive.outside, archive.kept_on) == (location, "", settings.WORKER_HOST)


def test_what_an_attempt_left_beside_the_file_that_it_finished_is_removed(profile, cast, location):
    """Killed when the file had its name: before its other name was gone, and in the middle of the index."""
    run = work(queue_archive(actor=cast["operator"], profile=profile))
    archive = Archive.objects.get()
    (location.directory / f".{archive.name}.partial-1").hardlink_to(archive.path)
    (location.directory / f".{archive.name}.index.partial-1").write_bytes(b"half")
    Archive.objects.update(state=ArchiveState.WANTED)
    Run.objects.filter(pk=run.pk).update(step=1, state=RunState.RUNNING, ended_at=None)

    run = work(run)

    assert (run.state, Archive.objects.get().state) == (RunState.SUCCEEDED, ArchiveState.VERIFIED)
    assert "an earlier attempt may have finished it" in said(run)
    assert [path.name for path in location.directory.iterdir() if "partial" in path.name] == []
