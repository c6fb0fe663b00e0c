"""Entries to look at."""

import pytest

from backups.audit import act
from backups.audit.models import AuditEntry


@pytest.fixture
def write(db):
    """``write(actor, action, object, ...)`` adds an entry to the log and gives it back."""

    def add(actor, action="cluster.changed", obj=("cluster", 7, "sandbox"), *, reason="", **kwargs) -> AuditEntry:
        with act(actor, reason=reason) as a:
            a.record(action, obj, **kwargs)
        return AuditEntry.objects.order_by("-seq").first()

    return add


@pytest.fixture
def auditor(as_person):
    """A browser in which the auditor signed in."""
    return as_person("auditor")
