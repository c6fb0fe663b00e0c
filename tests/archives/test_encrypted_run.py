"""Encrypted archives: read back with the key of the one file, which is forgotten then."""

import os

import pytest

from backups.archives import cybersift_restore as reader
from backups.archives.format.age.keys import Identity
from backups.archives.format.age.opening import AgeFile, AgeSource
from backups.archives.models import Archive, ArchiveRecipient, ArchiveState
from backups.archives.services import queue_archive, queue_verify
from backups.audit.models import AuditEntry
from backups.runs.models import RunState
from tests.turns import work

pytestmark = pytest.mark.db


@pytest.fixture
def identity():
    return Identity(os.urandom(32))


@pytest.fixture
def encrypted(profile, identity):
    profile.recipients.add(ArchiveRecipient.objects.create(name="Recovery safe", key=str(identity.recipient)))
    return profile


@pytest.fixture
def made(encrypted, cast):
    run = work(queue_archive(actor=cast["operator"], profile=encrypted))
    assert run.state == RunState.SUCCEEDED, run.error
    return Archive.objects.get()


def test_it_is_read_back_and_the_key_is_forgotten(made, identity):
    assert made.name.endswith(".tar.gz.age")
    assert (made.state, made.files, made.encrypted) == (ArchiveState.VERIFIED, 121, True)
    assert made.made_by.sealed_key == ""
    with made.path.open("rb") as file, pytest.raises(reader.Unavailable):
        AgeFile(file, identities=[Identity(os.urandom(32))])
    with made.path.open("rb") as file:
        opened = reader.opened(AgeSource(AgeFile(file, identities=[identity])))
        assert reader.verify(opened).damaged == []


def test_the_key_is_nowhere_in_the_open(encrypted, cast, caplog):
    run = queue_archive(actor=cast["operator"], profile=encrypted)
    work(run, until=lambda run: run.archive_run.sealed_key or run.is_over)
    said = [str(value) for row in (*AuditEntry.objects.values_list(), *run.log.values_list()) for value in row]

    assert not [text for text in said if run.archive_run.sealed_key and run.archive_run.sealed_key in text]


def test_without_the_key_it_is_unchanged_not_verified(made, cast):
    at = made.checksums_at
    run = work(queue_verify(made, actor=cast["operator"]))

    made.refresh_from_db()
    assert run.state == RunState.SUCCEEDED
    assert "Unchanged" in run.steps.get().note
    assert (made.state, made.checksums_at) == (ArchiveState.VERIFIED, at)
    assert AuditEntry.objects.filter(action="archive.unchanged").count() == 1


def test_a_file_that_was_changed_is_not_the_one_that_was_read_back(made, cast):
    data = bytearray(made.path.read_bytes())
    data[len(data) // 2] ^= 1
    made.path.write_bytes(data)

    run = work(queue_verify(made, actor=cast["operator"]))

    made.refresh_from_db()
    assert run.state == RunState.FAILED
    assert made.state == ArchiveState.DAMAGED
