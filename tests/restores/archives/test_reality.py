"""What a plan says of each file is what the restore then does."""

import random
from pathlib import Path

import pytest

from backups.archives.models import ArchiveProfile
from backups.restores import document
from backups.restores.models import RestorePlan
from backups.runs.models import Effect, RunState
from tests.restores.generated import cases
from tests.turns import work

from .reality import EDITS, Situation, grow, happened, seen, situations
from .whereabouts import PLACES, Mounts, elsewhere

STRICTER = ("Nothing is left to restore", "all that is in it would go", "is the console's own", "is not empty")
"""Our own rules, which the system does not have."""

pytestmark = pytest.mark.django_db


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "live" / "opt"
    (root / "folder").mkdir(parents=True)
    return root


@pytest.fixture
def profile(location, tree):
    sources = [{"name": "folder", "path": str(tree / "folder"), "include": [], "exclude": []}]
    return ArchiveProfile.objects.create(name="files", location=location, sources=sources)


@pytest.fixture
def mounts():
    made = Mounts()
    yield made
    made.clear()


@pytest.fixture
def settle(tree, profile, settings, mounts, request):
    """``settle(situation)``: packed, changed since, and where it is now; returns the options of the plan, and the
    folder that the restore is about."""

    def make(situation: Situation) -> tuple[dict, Path]:
        chance, folder = random.Random(situation.seed), tree / "folder"
        grow(folder, chance)
        if situation.excluded:
            profile.sources[0]["exclude"] = ["cache/"]
            profile.save()
        assert request.getfixturevalue("archive").state == "verified"
        for edit in situation.edits:
            EDITS[edit](folder, chance)
        if not situation.place.startswith("elsewhere"):
            PLACES[situation.place](folder, settings, mounts)
            return situation.options, folder
        to = elsewhere(situation.place.removeprefix("elsewhere: "), tree.parent / "elsewhere", mounts)
        return situation.options | {"to": str(to)}, to / "folder"

    return make


@pytest.mark.parametrize("situation", cases(situations))
def test_the_restore_does_what_the_plan_says(situation, settle, sent, monkeypatch, request):
    try:
        options, folder = settle(situation)
    except OSError as error:
        pytest.skip(str(error))
    planned = request.getfixturevalue("planned")  # of what was packed by then
    plan = made(situation, planned, options)
    by_hash = plan.options["by_hash"]
    before, others = seen(folder, by_hash=by_hash), seen(folder.parent / "behind", by_hash=True)

    if plan.blocked:
        run = attempted(plan, sent, monkeypatch)
        did = happened(before, seen(folder, by_hash=by_hash))
        assert any(rule in plan.text for rule in STRICTER) or not did or run.state == RunState.PARTIAL, plan.text
        return

    run = work(sent(plan))

    said = {row["path"]: row["action"] for row in plan.document["rows"] if row["action"] != "skip"}
    assert happened(before, seen(folder, by_hash=by_hash)) == said
    assert seen(folder.parent / "behind", by_hash=True) == others
    unseen = "changed_unseen" in situation.edits and not by_hash and plan.document["folders"][0]["way"] == "entries"
    assert run.state in ((RunState.SUCCEEDED, RunState.PARTIAL) if unseen else (RunState.SUCCEEDED,)), run.error


def made(situation: Situation, planned, options: dict) -> RestorePlan:
    """The plan, from which something was taken out by hand."""
    options = {"folders": ("folder",)} | options
    plan = planned(**options)
    rows = [row for row in plan.document["rows"] if row["path"] != "folder"]
    if not situation.skip or not rows:
        return plan
    chosen = random.Random(situation.seed).choice(rows)
    return planned(**options, skip=frozenset({chosen["path"]}))


def attempted(plan: RestorePlan, sent, monkeypatch):
    """The same as if nothing stood in the way."""
    RestorePlan.objects.filter(pk=plan.pk).update(blocked=0)
    plan.refresh_from_db()
    monkeypatch.setattr(document, "drift", lambda frozen, fresh: [])
    run = work(sent(plan))
    assert run.effect != Effect.UNKNOWN, run.error
    return run
