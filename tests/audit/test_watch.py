"""The worker's looks at the chain: in slices, again and again, and an entry when the state turns."""

from datetime import timedelta

import pytest
from django.utils import timezone

from backups.audit import watch
from backups.audit.models import AuditEntry, AuditHead, Verification
from backups.audit.verify import verify
from tests.audit.conftest import without_triggers

pytestmark = [pytest.mark.django_db, pytest.mark.db]


def looks() -> list[tuple[int, int, bool]]:
    """(since, seq, intact) of every look, oldest first."""
    return [(row.since, row.seq, row.problem == "") for row in Verification.objects.order_by("at", "pk")]


def turns() -> list[str]:
    told = AuditEntry.objects.filter(action__in=["log.broken", "log.verified"])
    return list(told.order_by("seq").values_list("action", flat=True))


def let_pass(**kwargs) -> None:
    for row in Verification.objects.all():
        Verification.objects.filter(pk=row.pk).update(at=row.at - timedelta(**kwargs))


def test_the_first_look_is_due_at_once_and_the_next_in_five_minutes(write):
    write(2)
    assert watch.verification_due()
    watch.verify_and_remember()
    assert not watch.verification_due()

    let_pass(minutes=5)
    assert watch.verification_due()


def test_a_look_begins_where_the_last_one_ended(write):
    write(3)
    watch.verify_and_remember()
    write(2)
    watch.verify_and_remember()
    watch.verify_and_remember()

    assert looks() == [(0, 3, True), (3, 5, True), (5, 5, True)]


def test_once_a_day_everything_is_checked_again(write):
    write(3)
    watch.verify_and_remember()
    let_pass(hours=25)
    watch.verify_and_remember()
    watch.verify_and_remember()

    assert looks() == [(0, 3, True), (0, 3, True), (3, 3, True)]


def test_a_long_chain_is_checked_in_slices_one_right_after_the_other(write, monkeypatch):
    monkeypatch.setattr(watch, "SLICE", 4)
    write(10)
    for _ in range(3):
        assert watch.verification_due()
        watch.verify_and_remember()

    assert looks() == [(0, 4, True), (4, 8, True), (8, 10, True)]
    assert not watch.verification_due()


def test_looks_when_all_is_well_leave_no_entries(write):
    write(3)
    for _ in range(3):
        watch.verify_and_remember()

    assert turns() == []


def test_a_broken_chain_is_told_once_and_stays_broken_until_it_is_mended(write):
    bad = write(6)[3]
    with without_triggers():
        AuditEntry.objects.filter(seq=bad.seq).update(reason="x")
    for _ in range(3):
        watch.verify_and_remember()

    assert turns() == ["log.broken"]
    assert [intact for _, _, intact in looks()] == [False, False, False]
    assert Verification.objects.order_by("-pk")[0].first_bad == bad.seq

    with without_triggers():
        AuditEntry.objects.filter(seq=bad.seq).update(reason=bad.reason)
    watch.verify_and_remember()
    watch.verify_and_remember()

    assert turns() == ["log.broken", "log.verified"]


def test_a_break_far_back_is_not_forgotten_by_looks_at_what_is_new(write, monkeypatch):
    """Found by a check of everything; the next looks must begin before it, not behind it."""
    monkeypatch.setattr(watch, "SLICE", 4)
    write(12)
    with without_triggers():
        AuditEntry.objects.filter(seq=9).update(reason="x")
    watch.remember(verify())
    for _ in range(3):
        write(1)
        watch.verify_and_remember()

    assert [intact for _, _, intact in looks()] == [False] * 4
    assert turns() == ["log.broken"]


def test_a_chain_that_takes_no_entry_is_still_found_broken(write):
    write(3)
    with without_triggers():
        AuditHead.objects.all().delete()
        watch.verify_and_remember()

    assert Verification.objects.get().problem == "The head of the chain is missing."


def test_old_rows_of_good_looks_are_removed_and_findings_are_kept(db):
    old = timezone.now() - watch.KEPT - timedelta(days=1)
    Verification.objects.create(at=old, since=0, seq=1)
    Verification.objects.create(at=old, since=0, seq=1, problem="Entry 1: was changed.", first_bad=1)
    Verification.objects.create(at=timezone.now(), since=0, seq=1)

    assert watch.remove_old_verifications() == 1
    assert Verification.objects.count() == 2
