"""Verifying an archive that is there, as its page asks for it."""

import tarfile

import pytest
from django.urls import reverse

from backups.archives.models import Archive, ArchiveState
from backups.archives.services import ArchiveRefused, queue_archive, queue_verify
from backups.audit.models import AuditEntry
from backups.runs.models import Effect, Run, RunState
from tests.turns import work

pytestmark = pytest.mark.db


@pytest.fixture
def archive(profile, cast):
    work(queue_archive(actor=cast["operator"], profile=profile))
    return Archive.objects.get()


def verified(archive, cast) -> Run:
    run = work(queue_verify(archive, actor=cast["operator"]))
    archive.refresh_from_db()
    return run


def test_one_that_is_good(archive, cast):
    run = verified(archive, cast)

    assert (run.state, run.effect, archive.state) == (RunState.SUCCEEDED, Effect.NONE, ArchiveState.VERIFIED)
    assert AuditEntry.objects.filter(action="archive.verified").count() == 2


def test_a_flipped_byte_is_named_with_its_member_on_page_and_in_entry(archive, cast, as_person):
    data = bytearray(archive.path.read_bytes())
    data[len(data) // 2] ^= 1
    archive.path.write_bytes(data)

    run = verified(archive, cast)

    assert (run.state, archive.state) == (RunState.FAILED, ArchiveState.DAMAGED)
    assert archive.damage[0][0] == "files/models/detector/weights.bin"
    assert (archive.checksums_good, archive.structure_good) == (False, True)
    assert (
        archive.mtime_ns == archive.path.stat().st_mtime_ns
    )  # so that the next look at the location keeps it damaged
    page = as_person("operator").get(archive.get_absolute_url()).content.decode()
    assert "files/models/detector/weights.bin" in page and "What is damaged" in page
    page = as_person("viewer").get(archive.get_absolute_url()).content.decode()
    assert "What is damaged" in page and ">files/models/detector/weights.bin<" not in page
    assert "weights.bin" in AuditEntry.objects.get(action="archive.damaged").text


def test_a_cut_file_is_damaged(archive, cast):
    archive.path.write_bytes(archive.path.read_bytes()[:-100])

    run = verified(archive, cast)

    assert (run.state, archive.state, archive.structure_good) == (RunState.FAILED, ArchiveState.DAMAGED, False)


def test_a_file_that_is_gone_is_missing(archive, cast):
    archive.path.unlink()

    run = verified(archive, cast)

    assert (run.state, archive.state) == (RunState.FAILED, ArchiveState.MISSING)
    assert archive.gone_at and "There is no file" in run.error
    assert AuditEntry.objects.filter(action="archive.missing").exists()


def test_one_that_cannot_be_read_is_not_judged(archive, cast):
    archive.path.unlink()
    archive.path.mkdir()

    run = verified(archive, cast)

    assert (run.state, archive.state) == (RunState.FAILED, ArchiveState.VERIFIED)
    assert "is as it was" in run.error


def test_a_tar_of_others_has_no_checksums_to_be_good(location, cast, tree):
    with tarfile.open(location.directory / "old.tar.gz", "w:gz") as tar:
        tar.add(tree / "params", "params")
    archive = Archive.objects.create(location=location, name="old.tar.gz", codec="gz", state=ArchiveState.FOUND)

    run = verified(archive, cast)

    assert (run.state, archive.state) == (RunState.SUCCEEDED, ArchiveState.FOUND)
    assert (archive.structure_good, archive.checksums_good) == (True, None)


def test_only_one_verification_at_a_time(archive, cast, as_person):
    queue_verify(archive, actor=cast["operator"])

    with pytest.raises(ArchiveRefused, match="being verified already"):
        queue_verify(archive, actor=cast["operator"])
    client = as_person("operator")
    assert client.post(reverse("archives:verify", args=[archive.pk]))["Location"] == archive.get_absolute_url()
    assert "being verified already" in client.get(archive.get_absolute_url()).content.decode()


def test_a_sample_says_that_it_is_one(profile, cast):
    profile.read_back = "sample"
    profile.save()

    run = work(queue_archive(actor=cast["operator"], profile=profile))

    archive = Archive.objects.get()
    assert run.state == RunState.SUCCEEDED
    assert archive.state in (ArchiveState.FINISHED, ArchiveState.VERIFIED)
    assert archive.structure_good
