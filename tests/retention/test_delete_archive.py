"""Deleting an archive: a real file in a real directory."""

import os

import pytest

from backups.archives.locations import collector
from backups.archives.models import Archive
from backups.archives.services import ArchiveRefused, queue_verify
from backups.audit.models import AuditEntry
from backups.retention import archive_steps, files
from backups.retention.copies import RetentionError
from backups.retention.deleting import queue_delete
from backups.runs import request_cancel
from backups.runs.engine import Turn
from backups.runs.models import Run
from backups.worker.kinds import KINDS
from tests.turns import lease, work

from .conftest import WHY, looked


@pytest.fixture
def delete(cast):
    return lambda archive, **options: queue_delete(actor=cast["administrator"], copy=archive, reason=WHY, **options)


@pytest.fixture(autouse=True)
def _looked_at(location):
    """Every look at a location puts the reader there; without it the share counts as not mounted."""
    (location.directory / "cybersift_restore.py").touch()


def lying_there(archive: Archive) -> set[str]:
    return {path.name for path in archive.location.directory.iterdir() if "older" in path.name}


def test_the_file_goes_with_what_lies_beside_it(archive, delete):
    assert lying_there(archive) == {"older.tar.gz", "older.tar.gz.sha256", ".older.tar.gz.index"}

    run = work(delete(archive))

    assert (run.state, run.effect, run.error) == ("succeeded", "applied", "")
    assert lying_there(archive) == set()
    assert (archive.location.directory / "newer.tar.gz").exists()
    archive.refresh_from_db()
    assert (archive.state, archive.message) == (
        "deleted",
        f"Deleted by run {run.pk}. Other archives are not touched.",
    )
    assert run.host == archive.location.host
    entry = AuditEntry.objects.get(action="archive.deleted")
    assert (entry.run, entry.object_name) == (run.pk, "older.tar.gz")


def test_a_look_at_the_location_raises_no_alarm(archive, location, delete):
    run = delete(archive)
    looked(run)
    files.remove_archive(archive.path, files.Known(*run.result["file"]))
    collector.collect(location.pk, lease(location))
    work(run)
    type(location).objects.filter(pk=location.pk).update(collect_at=None)
    collector.collect(location.pk, lease(location))

    archive.refresh_from_db()
    assert archive.state == "deleted"
    assert not AuditEntry.objects.filter(action__in=("archives.missing", "archives.found")).exists()


def test_killed_after_the_file_went(archive, delete):
    """The next attempt removes what lies beside it, and ends well."""
    run = delete(archive)
    looked(run)
    archive.path.unlink()
    Run.objects.filter(pk=run.pk).update(claims=1)

    run = work(run)

    assert (run.state, run.effect) == ("succeeded", "applied")
    assert lying_there(archive) == set()


def test_killed_before_the_commit(archive, delete):
    run = delete(archive)
    looked(run)
    archive_steps.remove(Turn(Run.objects.get(pk=run.pk), KINDS[run.kind]))
    Run.objects.filter(pk=run.pk).update(claims=1)

    assert work(run).state == "succeeded"
    assert AuditEntry.objects.filter(action="archive.deleted").count() == 1


def test_a_file_that_was_changed_is_left(archive, delete):
    run = delete(archive)
    os.utime(archive.path)

    run = work(run)

    assert (run.state, run.effect) == ("failed", "none")
    assert "was changed since" in run.error
    assert archive.path.exists()


def test_another_file_of_its_name_is_left(archive, delete):
    run = delete(archive)
    looked(run)
    content = archive.path.read_bytes()
    archive.path.rename(archive.path.with_name("kept"))
    archive.path.write_bytes(content)

    run = work(run)

    assert (run.state, run.effect) == ("failed", "none")
    assert "another file" in run.error
    assert archive.path.exists()


def test_a_link_is_left(archive, delete):
    run = delete(archive)
    archive.path.rename(archive.path.with_name("kept"))
    archive.path.symlink_to("kept")

    run = work(run)

    assert (run.state, run.effect) == ("failed", "none")
    assert archive.path.is_symlink()


def test_one_that_is_gone_is_not_called_deleted(archive, delete):
    run = delete(archive)
    archive.path.unlink()

    run = work(run)

    assert (run.state, run.effect) == ("failed", "none")
    assert "not there any more" in run.error


def test_where_the_share_is_not_mounted_nothing_is_done(archive, location, delete):
    run = delete(archive)
    (location.directory / "cybersift_restore.py").unlink()

    run = work(run)

    assert (run.state, run.effect) == ("failed", "none")
    assert "mounted" in run.error


def test_a_directory_that_cannot_be_written_to(archive, location, delete, monkeypatch):
    run = delete(archive)
    looked(run)

    def refuse(*given):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files.Path, "unlink", refuse)

    run = work(run)

    assert (run.state, run.effect) == ("failed", "none")
    assert "Permission denied" in run.error
    archive.refresh_from_db()
    assert archive.state == "verified"


def test_a_cancel_before_anything_was_removed(archive, delete, cast):
    run = delete(archive)
    request_cancel(run, actor=cast["administrator"])

    assert work(run).state == "cancelled"
    assert archive.path.exists()


def test_the_last_good_one_needs_its_name(archive, delete):
    newer = Archive.objects.get(name="newer.tar.gz")
    with pytest.raises(RetentionError, match="Type its name, newer.tar.gz"):
        delete(newer)

    assert work(delete(newer, typed_name="newer.tar.gz")).state == "succeeded"


def test_one_that_a_run_reads_is_not_deleted(archive, delete, cast):
    run = queue_verify(archive, actor=cast["operator"])
    with pytest.raises(RetentionError, match=f"Run {run.pk} is at work"):
        delete(archive)


def test_one_that_is_being_deleted_is_not_verified(archive, delete, cast):
    delete(archive)
    with pytest.raises(ArchiveRefused, match="is being deleted"):
        queue_verify(archive, actor=cast["operator"])


def test_one_that_is_not_kept_here_is_not_deleted(archive, delete):
    Archive.objects.filter(pk=archive.pk).update(location=None, outside="/srv")
    with pytest.raises(RetentionError, match="not kept here"):
        delete(archive)
