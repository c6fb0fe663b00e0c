"""The state of the chain in words, from the worker's looks and checkpoints."""

from datetime import timedelta

import pytest
from django.utils import timezone

from backups.audit import checkpoints, watch
from backups.audit.models import AuditEntry, Verification
from backups.evidence.chain_state import chain_state
from tests.audit.conftest import without_triggers


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
    watch.verify_and_remember()

    page = page_of(auditor)

    assert "Intact up to entry 4" in page
    assert "provable up to entry 3" in page
    assert "lately" not in page


def test_a_broken_chain_names_the_first_bad_entry(cast, auditor, write):
    bad = [write(cast["administrator"]) for _ in range(3)][1]
    with without_triggers():
        AuditEntry.objects.filter(seq=bad.seq).update(reason="another reason")
    watch.verify_and_remember()

    page = page_of(auditor)

    assert "The log does not verify" in page
    assert "reason differ from its text" in page
    assert f'href="/audit/{bad.seq}/"' in page


def test_a_silent_worker_is_said(cast, auditor, write):
    write(cast["administrator"])
    checkpoints.make_checkpoint()
    watch.verify_and_remember()
    row = Verification.objects.get()
    Verification.objects.update(at=row.at - timedelta(minutes=16))

    assert "Not checked lately" in page_of(auditor)


def test_a_missing_checkpoint_is_said(cast, auditor, write):
    write(cast["administrator"])
    watch.verify_and_remember()

    page = page_of(auditor)

    assert "No checkpoint lately" in page
    assert "nothing is provable" in page


def test_what_was_checked_before_counts_while_all_is_checked_again(cast, write):
    now = timezone.now()
    Verification.objects.create(at=now - timedelta(hours=2), since=0, seq=900)
    Verification.objects.create(at=now, since=0, seq=100)

    assert chain_state().intact_until == 900
