"""Checkpoints: when one is due, what it says, and where it is kept."""

import json
import stat
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from backups.audit import act, checkpoints, keys
from backups.audit.models import AuditEntry, Checkpoint

pytestmark = [pytest.mark.django_db, pytest.mark.db]


def test_the_first_one_is_due_at_once():
    assert checkpoints.checkpoint_due()
    checkpoints.make_checkpoint()
    assert not checkpoints.checkpoint_due()


def test_one_is_due_after_some_time_even_when_nothing_happened():
    row = checkpoints.make_checkpoint()
    Checkpoint.objects.create(
        at=timezone.now() - timedelta(seconds=settings.CHECKPOINT_SECONDS + 1),
        seq=0,
        digest="",
        host="",
        signature="",
    )
    assert not checkpoints.checkpoint_due()

    from tests.audit.conftest import without_triggers

    with without_triggers():
        Checkpoint.objects.filter(pk=row.pk).delete()
    assert checkpoints.checkpoint_due()


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
    assert [statement for _, statement in checkpoints.from_rows()] == [line]


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
    checkpoints.make_checkpoint()
    _, statement = next(checkpoints.from_rows())

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
