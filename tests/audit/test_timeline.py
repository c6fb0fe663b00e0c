"""Moments become numbers of entries."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from backups.audit.models import AuditEntry
from backups.audit.timeline import first_seq_lately, first_seq_since
from tests.audit.conftest import without_triggers

pytestmark = [pytest.mark.django_db, pytest.mark.db]

START = datetime(2026, 1, 1, tzinfo=UTC)
LONG_AGO, LATER = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


@pytest.fixture
def moments(write, monkeypatch) -> list[datetime]:
    """Twelve entries, some of them in the same second."""
    found = []
    for minutes in (0, 1, 1, 1, 5, 9, 9, 30, 31, 32, 60, 60):
        moment = START + timedelta(minutes=minutes)
        with monkeypatch.context() as clock:
            clock.setattr("backups.clock.now", lambda moment=moment: moment)
            write(1)
        found.append(moment)
    return found


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(minutes=st.integers(-5, 65))
def test_it_is_what_a_look_at_every_entry_would_find(moments, minutes):
    asked = START + timedelta(minutes=minutes)
    expected = next((seq for seq, moment in enumerate(moments, start=1) if moment >= asked), len(moments) + 1)

    assert first_seq_since(asked) == expected
    assert first_seq_lately(asked) == expected


def test_the_ends_of_the_calendar(moments):
    assert first_seq_since(LONG_AGO) == 1
    assert first_seq_since(LATER) == len(moments) + 1


def test_an_empty_log(db):
    assert first_seq_since(START) == 1
    assert first_seq_lately(START) == 1


def test_a_hole_in_a_broken_log_leads_nobody_astray(moments):
    with without_triggers():
        AuditEntry.objects.filter(seq__in=[5, 6, 7]).delete()

    found = AuditEntry.objects.filter(seq__gte=first_seq_since(START + timedelta(minutes=30)))
    assert list(found.order_by("seq").values_list("seq", flat=True)) == [8, 9, 10, 11, 12]


def test_a_million_entries_cost_few_questions(moments, django_assert_max_num_queries):
    with django_assert_max_num_queries(6):
        first_seq_since(START + timedelta(minutes=9))
