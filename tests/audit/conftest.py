"""A ledger to work on, and an attacker who owns the database."""

from contextlib import contextmanager

import pytest
from django.db import connection

from backups.audit import act, triggers
from backups.audit.models import AuditEntry


@pytest.fixture(autouse=True)
def _own_checkpoints(settings, tmp_path):
    settings.CHECKPOINTS_DIR = tmp_path / "checkpoints"


@pytest.fixture
def write(db):
    """``write(5)`` adds five entries to the log and gives them back, oldest first."""

    def add(count: int = 1, **kwargs) -> list[AuditEntry]:
        first = AuditEntry.objects.count() + 1
        for number in range(first, first + count):
            with act(None) as a:
                a.record("cluster.changed", ("cluster", number, f"cluster {number}"), **kwargs)
        connection.check_constraints()  # PostgreSQL alters no table with constraints still to be checked
        return list(AuditEntry.objects.filter(seq__gte=first).order_by("seq"))

    return add


@contextmanager
def without_triggers():
    """What the owner of the database can do: take the triggers off, and put them back afterwards."""
    connection.check_constraints()
    triggers.remove()
    try:
        yield
    finally:
        connection.check_constraints()
        triggers.install()


@contextmanager
def without_constraint():
    """The owner of the database can also take off what holds the numbers of entries to 1 and above."""
    postgresql = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        if postgresql:
            cursor.execute("ALTER TABLE backups_auditentry DROP CONSTRAINT IF EXISTS entry_numbers_begin_with_1")
        else:
            cursor.execute("PRAGMA ignore_check_constraints = ON")
        yield
        if not postgresql:
            cursor.execute("PRAGMA ignore_check_constraints = OFF")
