"""The worker's looks at the chain: in slices, again and again, and an entry when the state turns."""

from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.utils import timezone

from backups.audit import watch
from backups.audit.models import AuditEntry, AuditHead, Verification
from backups.audit.verify import verify
from tests.audit.conftest import without_triggers

pytestmark = [pytest.mark.django_db, pytest.mark.db]


def looks() -> list[tuple[int, int, bool]]:
    """(since, seq, intact) of every look, oldest first."""
    return [(row.since, row.seq, row.problem == "") for row in Verification.objects.order_by("pk")]


def turns() -> list[str]:
    told = AuditEntry.objects.filter(action__in=["log.broken", "log.verified"])
    return list(told.order_by("seq").values_list("action", flat=True))


class Clock:
    """Seconds that only ``pass_`` moves on, as the clock of one process."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_(self, **kwargs) -> None:
        self.now += timedelta(**kwargs).total_seconds()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def watching(clock):
    return watch.Watch(clock=clock)


def test_the_first_look_is_due_at_once_and_the_next_in_five_minutes(write, watching, clock):
    write(2)
    assert watching.due()
    watching.look()
    assert not watching.due()

    clock.pass_(minutes=5)
    assert watching.due()


def test_a_look_begins_where_the_last_one_ended(write, watching):
    write(3)
    watching.look()
    write(2)
    watching.look()
    watching.look()

    assert looks() == [(0, 3, True), (3, 5, True), (5, 5, True)]


def test_once_a_day_and_after_a_start_everything_is_checked_again(write, watching, clock):
    write(3)
    watching.look()
    clock.pass_(hours=25)
    watching.look()
    watching.look()
    watch.Watch(clock=clock).look()

    assert looks() == [(0, 3, True), (0, 3, True), (3, 3, True), (0, 3, True)]


@pytest.mark.parametrize("years", [-10, 0, 75])
def test_no_row_keeps_a_look_from_happening(write, watching, clock, years):
    """Somebody changes an entry and puts the trigger back; a row that says that all was checked does not help him."""
    write(5)
    watching.look()
    with without_triggers():
        AuditEntry.objects.filter(seq=3).update(reason="another reason")
    at = timezone.now() + timedelta(days=365 * years)
    Verification.objects.create(pk=2**62, at=at, since=0, seq=5)
    assert not watching.due()

    clock.pass_(days=1)
    assert watching.due()
    assert watching.look().first_bad == 3
    assert turns() == ["log.broken"]


def test_a_finding_is_told_even_when_its_row_cannot_be_kept(write, watching, monkeypatch):
    """The highest number that the table can have is taken."""
    write(5)
    with without_triggers():
        AuditEntry.objects.filter(seq=3).update(reason="another reason")

    def full(**fields):
        raise DatabaseError("database or disk is full")

    monkeypatch.setattr(Verification.objects, "create", full)
    with pytest.raises(DatabaseError):
        watching.look()
    assert turns() == ["log.broken"]


def test_a_long_chain_is_checked_in_slices_one_right_after_the_other(write, watching, monkeypatch):
    monkeypatch.setattr(watch, "SLICE", 4)
    write(10)
    for _ in range(3):
        assert watching.due()
        watching.look()

    assert looks() == [(0, 4, True), (4, 8, True), (8, 10, True)]
    assert not watching.due()


def test_a_look_that_takes_long_is_put_aside_and_taken_up_again(write, clock, monkeypatch):
    monkeypatch.setattr("backups.audit.entries.CHUNK", 2)
    write(5)
    watching = watch.Watch(work_seconds=0, clock=clock)
    answers = []
    while watching.due():
        answers.append(watching.look())

    assert len(answers) > 3
    assert answers[:-1] == [None] * (len(answers) - 1)
    assert looks() == [(0, 5, True)]


def test_a_look_that_broke_off_is_done_again(write, watching, monkeypatch):
    write(5)
    with monkeypatch.context() as patch:
        patch.setattr("backups.audit.verify._check_triggers", lambda verdict: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            watching.look()

    assert watching.due()
    watching.look()
    assert looks() == [(0, 5, True)]


def test_looks_when_all_is_well_leave_no_entries(write, watching):
    write(3)
    for _ in range(3):
        watching.look()

    assert turns() == []


def test_a_broken_chain_is_told_once_and_stays_broken_until_it_is_mended(write, watching):
    bad = write(6)[3]
    with without_triggers():
        AuditEntry.objects.filter(seq=bad.seq).update(reason="x")
    for _ in range(3):
        watching.look()

    assert turns() == ["log.broken"]
    assert [intact for _, _, intact in looks()] == [False, False, False]
    assert Verification.objects.order_by("-pk")[0].first_bad == bad.seq

    with without_triggers():
        AuditEntry.objects.filter(seq=bad.seq).update(reason=bad.reason)
    watching.look()
    watching.look()

    assert turns() == ["log.broken", "log.verified"]


def test_a_break_far_back_is_not_forgotten_by_looks_at_what_is_new(write, watching, monkeypatch):
    """Found by a check of everything; the next looks must begin before it, not behind it."""
    monkeypatch.setattr(watch, "SLICE", 4)
    write(12)
    for _ in range(4):
        watching.look()
    Verification.objects.all().delete()
    with without_triggers():
        AuditEntry.objects.filter(seq=9).update(reason="x")
    watch.remember(verify())
    for _ in range(3):
        write(1)
        watching.look()

    assert [intact for _, _, intact in looks()] == [False] * 4
    assert turns() == ["log.broken"]


def test_a_chain_that_takes_no_entry_is_still_found_broken(write, watching):
    write(3)
    with without_triggers():
        AuditHead.objects.all().delete()
        watching.look()

    assert Verification.objects.get().problem == "The head of the chain is missing."


def test_old_rows_of_good_looks_are_removed_and_findings_are_kept(db):
    old = timezone.now() - watch.KEPT - timedelta(days=1)
    Verification.objects.create(at=old, since=0, seq=1)
    Verification.objects.create(at=old, since=0, seq=1, problem="Entry 1: was changed.", first_bad=1)
    Verification.objects.create(at=timezone.now(), since=0, seq=1)

    assert watch.remove_old_verifications() == 1
    assert Verification.objects.count() == 2
