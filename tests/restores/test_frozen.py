"""A plan that was asked for stays as it is, and another one is never carried out in its place."""

from types import SimpleNamespace

import pytest
from django.db import IntegrityError, transaction

from backups.approvals.admission import begin
from backups.approvals.errors import NotAdmitted
from backups.approvals.models import digest_of
from backups.audit import act
from backups.restores import triggers
from backups.restores.job import Job
from backups.restores.models import RestorePlan
from backups.runs.models import Run

pytestmark = [pytest.mark.django_db, pytest.mark.db]

CHANGES = [
    *({"text": "{}"}, {"digest": "0" * 64}, {"options": {}}, {"risk": "R0"}, {"request": None}, {"cluster": None}),
    {"snapshot": None, "undoes": 1},
]


@pytest.fixture
def asked(restores) -> RestorePlan:
    plan = restores.plan(template="copy-{index}")
    restores.ask(plan)
    plan.refresh_from_db()
    return plan


@pytest.mark.parametrize("columns", CHANGES, ids=lambda columns: next(iter(columns)))
def test_a_plan_is_frozen_once_it_was_asked_for(asked, columns):
    with pytest.raises(IntegrityError, match="frozen"), transaction.atomic():
        RestorePlan.objects.filter(pk=asked.pk).update(**columns)


def test_one_that_nobody_asked_for_is_not(restores):
    plan = restores.plan()

    assert RestorePlan.objects.filter(pk=plan.pk).update(options={}) == 1
    assert plan.delete()


@pytest.fixture
def begun(restores):
    """A restore that began, and another plan of the same."""
    plan, other = restores.plan(), restores.plan()
    request = restores.ask(plan)  # of risk R0: it needs nobody
    request.refresh_from_db()
    with act(None) as a:
        begin(a, request)
    return plan, other, request.run


def job(run: Run) -> Job:
    return Job.of(SimpleNamespace(run=run))


def test_the_plan_of_another_request_is_not_carried_out(begun):
    plan, other, run = begun
    assert job(run).writer()

    run.params["plan"] = other.pk
    with pytest.raises(NotAdmitted, match="not the one that was agreed to"):
        job(run).writer()


def test_a_plan_whose_text_was_changed_is_not_carried_out(begun):
    plan, other, run = begun
    triggers.remove()
    RestorePlan.objects.filter(pk=plan.pk).update(text=other.text, digest=digest_of(other.text))
    triggers.install()

    with pytest.raises(NotAdmitted, match="not the one that was agreed to"):
        job(run).writer()
