"""The entries that benchmarks work on are those that acts would have written."""

import json

import pytest
from django.db import connection

from backups.audit import chain, triggers
from backups.audit.models import AuditEntry
from backups.audit.verify import verify
from tests.bench.history import seed_entries

pytestmark = [pytest.mark.django_db, pytest.mark.db]


def indexes() -> dict:
    with connection.cursor() as cursor:
        return connection.introspection.get_constraints(cursor, AuditEntry._meta.db_table)


def test_seeded_entries_are_like_written_ones(write, cast):
    written, before = write(3), indexes()
    seed_entries(45, people=[cast["operator"], cast["administrator"]])
    write(1)

    seeded = AuditEntry.objects.filter(seq__gt=3, seq__lte=48)
    assert verify().intact
    assert verify().seq == 49
    assert set(seeded.values_list("actor__username", flat=True)) == {None, "operator", "administrator"}
    for entry in seeded:
        fields = json.loads(entry.text)
        assert chain.canonical(fields) == entry.text
        assert fields.keys() == json.loads(written[0].text).keys()
    assert triggers.missing() == []
    assert indexes() == before
