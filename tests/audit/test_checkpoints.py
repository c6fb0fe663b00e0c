"""Checkpoints: when one is due, what it says, and where it is kept."""

import errno
import json
import os
import stat
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from backups.audit import act, checkpoints, keys
from backups.audit.models import AuditEntry, Checkpoint
from backups.audit.verify import verify

pytestmark = [pytest.mark.django_db, pytest.mark.db]


def test_the_first_one_is_due_at_once():
    assert checkpoints.checkpoint_due()
    checkpoints.make_checkpoint()
    assert not checkpoints.checkpoint_due()


def made_at(moment) -> Checkpoint:
    """A checkpoint of a moment when the clock said this."""
    with freeze(moment):
        return checkpoints.make_checkpoint()


@contextmanager
def freeze(moment):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("backups.clock.now", lambda: moment)
        yield


def test_one_is_due_after_some_time_even_when_nothing_happened():
    checkpoints.make_checkpoint()
    long_enough = timezone.now() + timedelta(seconds=settings.CHECKPOINT_SECONDS + 1)

    assert not checkpoints.checkpoint_due()
    with freeze(long_enough):
        assert checkpoints.checkpoint_due()


def test_a_clock_that_was_wrong_once_stops_no_checkpoint(write):
    now = timezone.now()
    made_at(now + timedelta(days=3650))
    assert checkpoints.checkpoint_due()

    with act(None) as a:
        a.record("roles.changed", ("user", 1, "somebody"))
    checkpoints.make_checkpoint()
    assert not checkpoints.checkpoint_due()
    with freeze(now + timedelta(days=30)):
        assert checkpoints.checkpoint_due()


def test_a_disk_that_is_full_takes_a_part_of_a_line_and_no_row(write, monkeypatch):
    """As write(2) does it: what fits is written, and the next write fails."""
    write(1)
    checkpoints.make_checkpoint()
    room = [70]

    def write_what_fits(descriptor: int, data: bytes, real=os.write) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = real(descriptor, data[: room[0]])
        room[0] -= written
        return written

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write_what_fits)
        with pytest.raises(OSError, match="No space left"):
            checkpoints.make_checkpoint()
    assert Checkpoint.objects.count() == 1

    checkpoints.make_checkpoint()
    verdict = verify()
    assert verdict.intact
    assert [note.split("line")[1] for note in verdict.notes] == [" 2 cannot be read."]


def test_a_line_that_is_written_in_two_goes_is_whole(write, monkeypatch):
    write(1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, data, real=os.write: real(descriptor, data[:100]))
        checkpoints.make_checkpoint()

    assert verify().notes == []


def test_everyday_entries_wait_and_grave_ones_do_not(write):
    checkpoints.make_checkpoint()
    write(3)
    assert not checkpoints.checkpoint_due()

    with act(None) as a:
        a.record("roles.changed", ("user", 1, "somebody"))
    assert checkpoints.checkpoint_due()

    checkpoints.make_checkpoint()
    assert not checkpoints.checkpoint_due()


def test_row_and_line_say_the_same_and_are_signed(write):
    entry = write(3)[-1]
    row = checkpoints.make_checkpoint()

    line = json.loads((settings.CHECKPOINTS_DIR / f"{settings.WORKER_HOST}.jsonl").read_text())
    assert (row.seq, row.digest) == (line["seq"], line["digest"]) == (3, entry.digest)
    assert checkpoints.signed_by(line, keys.public_key())
    assert checkpoints.statement_of(row) == line


def test_the_file_is_for_the_owner_only(write):
    write(1)
    checkpoints.make_checkpoint()

    file = settings.CHECKPOINTS_DIR / f"{settings.WORKER_HOST}.jsonl"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_without_the_file_there_is_no_row(write, tmp_path):
    """A row alone would prove less than it says."""
    write(1)
    settings.CHECKPOINTS_DIR.parent.mkdir(exist_ok=True)
    settings.CHECKPOINTS_DIR.write_text("a file where the folder should be")

    with pytest.raises(OSError, match="ile exists|ot a directory"):
        checkpoints.make_checkpoint()
    assert not Checkpoint.objects.exists()


@pytest.mark.parametrize("signature", [None, "", "no base64!", "AAAA", 5, "ġ"])
def test_what_is_no_signature_is_not_one(write, signature):
    write(1)
    statement = checkpoints.statement_of(checkpoints.make_checkpoint())

    assert checkpoints.signed_by(statement, keys.public_key())
    assert not checkpoints.signed_by(statement | {"signature": signature}, keys.public_key())


def test_the_files_of_other_hosts_are_read_too(write, settings):
    write(1)
    checkpoints.make_checkpoint()
    settings.WORKER_HOST = "another-host"
    checkpoints.make_checkpoint()

    places = [place for place, _ in checkpoints.from_files()]
    assert len(places) == 2
    assert "another-host.jsonl line 1" in places


def test_grave_actions_are_those_that_change_who_may_do_what():
    from backups.audit.actions import ACTIONS, GRAVE

    grave = {name for name, action in ACTIONS.items() if action.severity == GRAVE}

    assert {"roles.changed", "person.added", "password.reset", "credential.saved", "log.broken"} <= grave
    assert AuditEntry.objects.count() == 0
