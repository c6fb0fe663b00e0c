"""The state of the chain in words, from the worker's looks and checkpoints."""

from datetime import timedelta

import pytest
from django.utils import timezone

from backups.audit import checkpoints, watch
from backups.audit.models import AuditEntry, Verification
from backups.audit.verify import verify
from backups.evidence.chain_state import chain_state
from tests.audit.conftest import without_constraint, without_triggers


@pytest.fixture(autouse=True)
def _own_checkpoints(settings, tmp_path):
    settings.CHECKPOINTS_DIR = tmp_path


def page_of(browser) -> str:
    return " ".join(browser.get("/audit/").content.decode().split())


def test_before_the_first_look(auditor):
    assert chain_state().kind == "unchecked"
    assert "Not checked yet" in page_of(auditor)


def test_an_intact_chain_says_how_far(cast, auditor, write):
    for _ in range(3):
        write(cast["administrator"])
    checkpoints.make_checkpoint()
    write(cast["administrator"])
    watch.remember(verify())

    page = page_of(auditor)

    assert "Intact up to entry 4" in page
    assert "provable up to entry 3, not provable since" in page
    assert "what is newer is signed within five minutes" in page
    assert "lately" not in page


def test_a_broken_chain_names_the_first_bad_entry(cast, auditor, write):
    bad = [write(cast["administrator"]) for _ in range(3)][1]
    with without_triggers():
        AuditEntry.objects.filter(seq=bad.seq).update(reason="another reason")
    watch.remember(verify())

    page = page_of(auditor)

    assert "The log does not verify" in page
    assert "reason differ from its text" in page
    assert f'href="/audit/{bad.seq}/"' in page


def test_a_silent_worker_is_said(cast, auditor, write):
    write(cast["administrator"])
    checkpoints.make_checkpoint()
    watch.remember(verify())
    row = Verification.objects.get()
    Verification.objects.update(at=row.at - timedelta(minutes=16))

    assert "Not checked lately" in page_of(auditor)


def test_a_missing_checkpoint_is_said(cast, auditor, write):
    write(cast["administrator"])
    watch.remember(verify())

    page = page_of(auditor)

    assert "No checkpoint lately" in page
    assert "nothing is provable" in page


def test_what_was_checked_before_counts_while_all_is_checked_again(cast, write):
    now = timezone.now()
    Verification.objects.create(at=now - timedelta(hours=2), since=0, seq=900)
    Verification.objects.create(at=now, since=0, seq=100)

    assert chain_state().intact_until == 900


def test_a_look_from_the_future_is_not_trusted_and_one_after_it_is(cast, auditor, write):
    write(cast["administrator"])
    checkpoints.make_checkpoint()
    Verification.objects.create(at=timezone.now() + timedelta(days=3650), since=0, seq=1)

    page = page_of(auditor)
    assert "The state of the log is not trusted" in page
    assert "Intact" not in page

    watch.remember(verify())
    page = page_of(auditor)
    assert "Intact up to entry" in page
    assert "not trusted" not in page


def test_a_checkpoint_from_the_future_is_late(cast, auditor, write, monkeypatch):
    write(cast["administrator"])
    ahead = timezone.now() + timedelta(days=3650)
    with monkeypatch.context() as patch:
        patch.setattr("backups.clock.now", lambda: ahead)
        checkpoints.make_checkpoint()
    watch.remember(verify())

    page = page_of(auditor)
    assert "No checkpoint lately" in page
    assert "its time lies in the future and is not trusted" in page


def test_clocks_of_two_hosts_may_differ_a_little(write, cast):
    write(cast["administrator"])
    Verification.objects.create(at=timezone.now() + timedelta(seconds=20), since=0, seq=1)

    assert (chain_state().kind, chain_state().late) == ("intact", False)


def test_a_finding_about_an_entry_that_cannot_be_leads_to_no_page(auditor, write, cast):
    write(cast["administrator"])
    Verification.objects.create(at=timezone.now(), since=0, seq=1, problem="Odd.", first_bad=-7)

    assert "Odd." in page_of(auditor)
    assert chain_state().first_bad is None


def test_forged_entries_below_1_are_not_in_the_list(auditor, write, cast):
    forged = write(cast["administrator"], reason="forged in front")
    with without_triggers(), without_constraint():
        forged.seq = -7
        forged.save(force_insert=True)
    watch.remember(verify())

    page = page_of(auditor)
    assert "There is an entry -7" in page
    assert "/audit/-7/" not in page
