"""Requests for the tests of this package, and the log's checkpoint."""

import itertools
import json

import pytest

from backups.approvals import triggers, voting
from backups.approvals.models import ApprovalRequest
from backups.approvals.services import file_request
from backups.audit import checkpoints

REASON = "Analysts miss events of 20 November"
TEXT = json.dumps({"indices": ["logs-auth"]}, sort_keys=True)
_keys = itertools.count(1)


def filed(actor, **options) -> ApprovalRequest:
    """A request of this person, R1 unless told otherwise."""
    given = {
        "actor": actor,
        "kind": "make",
        "title": "Restore 12 indices into soc-prod",
        "risk": "R1",
        "risk_reason": "Adds 12 indices",
        "text": TEXT,
        "template": "backups/approvals/_as_json.html",
        "summary": {"tags": []},
        "subject": "nightly",
        "reason": REASON,
        "key": f"test:{next(_keys)}",
    }
    return file_request(**(given | options))


@pytest.fixture
def thawed(db):
    """Requests can be changed, as by somebody who owns the database and took the triggers off."""
    triggers.remove()
    yield
    triggers.install()


@pytest.fixture
def ask(cast):
    """``ask(risk="R2")`` is a request of the operator."""
    return lambda who="operator", **options: filed(cast[who], **options)


@pytest.fixture
def approve(cast):
    """``approve(request, "approver")``: that person approves of the plan as it is."""
    return lambda request, who="approver", **options: voting.approve(
        request, actor=cast[who], **({"digest": request.digest} | options)
    )


@pytest.fixture
def approved(ask, approve):
    """A request with the approvals that it needs, and a checkpoint over them."""

    def make(**options) -> ApprovalRequest:
        request = ask(**options)
        for who in ("approver", "approver2")[: request.needed]:
            approve(request, who)
        checkpoints.make_checkpoint()
        request.refresh_from_db()
        return request

    return make
