"""Several processes share a long log: they find what one finds."""

import os

import pytest
from django.core.management import call_command
from django.db.models import F

from backups.audit import checkpoints, parallel
from backups.audit.models import AuditEntry, AuditHead
from backups.audit.verify import verify
from tests.audit.attacker import MAC_KEY, Attacker
from tests.bench.history import seed_entries

# Other processes see only what is committed.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.db]


@pytest.fixture
def log(monkeypatch):
    """Ten ranges and five entries more."""
    monkeypatch.setattr(parallel, "RANGE", 10)
    seed_entries(105)
    checkpoints.make_checkpoint()


def edit(seq: int):
    return lambda attacker: attacker.edit(seq, reason="another reason")


def edit_and_hash(attacker) -> None:
    edit(30)(attacker)
    attacker.hash_again(30)


def swap_from_a_border_on(attacker) -> None:
    """A second chain that is well in itself takes the place of everything after a border of two ranges."""
    AuditEntry.objects.filter(seq=30).update(digest=F("prev"))


ATTACKS = {
    "nothing": lambda attacker: None,
    "the first": edit(1),
    "at the end of a range": edit(30),
    "at the beginning of a range": edit(31),
    "in the rest": edit(103),
    "two of them": lambda attacker: (edit(72)(attacker), edit(18)(attacker)),
    "deleted at a border": lambda attacker: attacker.delete(31),
    "a range is gone": lambda attacker: AuditEntry.objects.filter(seq__gt=30, seq__lte=40).delete(),
    "hashed again": edit_and_hash,
    "another digest at a border": swap_from_a_border_on,
    "all gone": lambda attacker: AuditEntry.objects.all().delete(),
    "far ahead": lambda attacker: AuditEntry.objects.filter(seq=105).update(seq=2**62),
    "head far ahead": lambda attacker: AuditHead.objects.update(seq=2**62),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_several_find_what_one_finds(log, attack):
    with Attacker(MAC_KEY) as attacker:
        ATTACKS[attack](attacker)

    one = verify()
    assert one.intact == (attack == "nothing")
    assert verify(processes=2) == verify(processes=3) == one


def test_a_part_is_shared_as_well(log):
    with Attacker() as attacker:
        attacker.edit(12, reason="another reason")

    assert verify(40, processes=2) == verify(40)
    assert verify(40, processes=2).seq == 105


def test_a_range_must_begin_with_what_the_one_before_it_ended_with(log, monkeypatch):
    """Each range is well in itself, but somebody changed the entry between two of them meanwhile."""
    monkeypatch.setattr(parallel, "begin_after", lambda part: setattr(part, "head_digest", f"seen at {part.since}"))
    monkeypatch.setattr(parallel, "check_entries", lambda part, limit: iter(()))

    assert verify(processes=2).problem == "Entry 10 was changed while the log was checked."


def test_a_child_that_dies_ends_the_check(log, monkeypatch):
    monkeypatch.setattr(parallel, "begin_after", lambda part: os._exit(1))
    with pytest.raises(EOFError):
        verify(processes=2)


def test_the_command_shares_a_long_log(log, capsys):
    call_command("audit_verify", processes=2)

    assert "Intact: 105 entries up to number 105" in capsys.readouterr().out
