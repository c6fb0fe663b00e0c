"""Data streams in the pages of restores, and in snapshots: what is chosen, planned, and taken out again."""

import re

import pytest

from backups.restores import forms
from backups.restores.models import RestorePlan
from backups.runs.models import Run
from backups.snapshots.models import Snapshot
from backups.snapshots.services import queue_snapshot
from tests.restores.test_pages import post, text_of
from tests.turns import work

FLOW = "flow-logs"
ONE, TWO = ".ds-flow-logs-000001", ".ds-flow-logs-000002"


@pytest.fixture
def snapshot(fake, snapshot) -> Snapshot:
    """One of a data stream too."""
    fake.add_stream(FLOW, 30, 12)
    patterns = ["events-1", ".ds-flow-*"]
    run = work(queue_snapshot(actor=None, repository=snapshot.repository, name="nightly-2", patterns=patterns))
    return Snapshot.objects.get(run=run)


def address(snapshot: Snapshot) -> str:
    return f"/restores/snapshot/{snapshot.pk}/"


def test_a_snapshot_of_all_indices_of_a_stream_holds_the_stream(fake, snapshot):
    made = fake.repositories["nightly"].snapshots["nightly-2"]

    assert made.data_streams == {FLOW: [ONE, TWO]}
    assert sorted(made.indices) == [ONE, TWO, "events-1"]
    assert snapshot.state == "verified"


def test_a_snapshot_of_some_of_its_indices_does_not(fake, snapshot):
    repository = snapshot.repository
    work(queue_snapshot(actor=None, repository=repository, name="nightly-3", patterns=[ONE, "events-1"]))

    assert fake.repositories["nightly"].snapshots["nightly-3"].data_streams == {}


def test_a_stream_that_grew_just_before_the_snapshot_is_whole(fake, snapshot):
    """Its new index is in the snapshot too, though nobody had asked for that one."""
    run = queue_snapshot(actor=None, repository=snapshot.repository, name="nightly-3", patterns=[".ds-flow-*"])
    work(run, lambda run: run.step == 1)
    fake.add_index(".ds-flow-logs-000003", 1, hidden=True)
    fake.streams[FLOW].append(".ds-flow-logs-000003")

    work(run)

    assert (run.state, run.error) == ("succeeded", "")
    assert ".ds-flow-logs-000003" in fake.repositories["nightly"].snapshots["nightly-3"].indices


def test_the_form_lists_the_streams_beside_the_indices(as_person, restores, snapshot):
    text = text_of(as_person("operator").get(address(snapshot)))

    assert "each comes with all of its indices" in text
    assert re.search(rf'name="streams" value="{FLOW}"', text) and re.search(rf'name="names" value="{ONE}"', text)


def test_without_any_there_is_no_such_part(as_person, restores, fake):
    other = Snapshot.objects.get(name="nightly-1")

    assert "Data streams" not in text_of(as_person("operator").get(address(other)))


def test_a_stream_alone_is_chosen_planned_and_taken_out(as_person, restores, snapshot, fake):
    browser = as_person("operator")
    fake.add_index("copy-flow-logs")
    asked = {"into": snapshot.pk, "streams": FLOW, "mode": "beside", "template": "copy-{index}"}
    browser.post(address(snapshot), asked)
    work(Run.objects.latest("pk"))
    plan = RestorePlan.objects.get()

    page = text_of(browser.get(plan.get_absolute_url()))
    assert "copy-flow-logs exists already (open)" in page
    assert f'name="skip" value="{FLOW}"' in page
    assert forms.chosen_in(plan.options)["streams"] == [FLOW]

    post(browser, plan, "again", skip=FLOW)
    work(Run.objects.latest("pk"))
    assert {row["action"] for row in RestorePlan.objects.latest("pk").document["rows"]} == {"skip"}


def test_streams_beside_patterns(as_person, restores, snapshot, monkeypatch):
    monkeypatch.setattr(forms, "LISTED", 1)
    asked = {"into": snapshot.pk, "streams": FLOW, "mode": "beside", "template": "copy-{index}", "patterns": ""}

    response = as_person("operator").post(address(snapshot), asked)
    work(Run.objects.latest("pk"))

    assert response.status_code == 302
    assert {row["stream"] for row in RestorePlan.objects.get().document["rows"]} == {FLOW}


def test_from_the_plan_to_the_verdict_page(as_person, restores, snapshot, fake):
    plan = restores.plan(names=(), streams=(FLOW,))
    assert plan.blocked == 0, plan.text

    run = work(restores.ask(plan).run)

    assert (run.state, run.error) == ("succeeded", "")
    assert fake.streams["restored-flow-logs"] == [".ds-restored-flow-logs-000001", ".ds-restored-flow-logs-000002"]
    page = text_of(as_person("operator").get(plan.get_absolute_url()))
    assert "restored-flow-logs is a data stream over 2 indices." in page
    assert "is restored with 30 documents, as recorded" in page
