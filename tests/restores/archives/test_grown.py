"""What would do more harm at its start than people agreed to is not done."""

from dataclasses import replace

import pytest

from backups.approvals.models import RequestState
from backups.restores import document
from backups.restores.archives.plan import make_plan
from backups.runs.models import Effect, RunState
from tests.turns import work

from .test_plan import ASKED, CHANGED, DATABASE, GONE, NEW, REDIS, redis_asked, with_folder

EMPTY = replace(DATABASE, keys_now=0, overwritten=0, only_there=0)
RISK = "risk: was R1, is R2. It replaces or removes 1 live file or database."

# what was asked | found then | found now | what is said; empty: it goes on
GROWN = {
    "a file was only to be added": (
        *(ASKED, with_folder(differences=(NEW,)), with_folder(differences=(replace(CHANGED, path="b"),))),
        [
            RISK,
            "1 of the files that were only to be added would replace or remove what is there",
            "models: nothing live was to be changed; now it is 1 to replace",
        ],
    ),
    "another one was to be replaced anyway": (
        ASKED,
        with_folder(differences=(CHANGED, NEW)),
        with_folder(differences=(CHANGED, replace(CHANGED, path="b"))),
        ["1 of the files that were only to be added would replace or remove what is there"],
    ),
    "a file more is replaced": (
        *(ASKED, with_folder(differences=(CHANGED,)), with_folder(differences=(CHANGED, GONE))),
        [],
    ),
    "a file less is replaced": (ASKED, with_folder(differences=(CHANGED,)), with_folder(differences=(NEW,)), []),
    "keys were only to be added to those that are there": (
        redis_asked("merge"),
        replace(REDIS, databases=(EMPTY,)),
        replace(REDIS, databases=(replace(EMPTY, keys_now=3, overwritten=3),)),
        [RISK, "main database 1: keys were only to be added, and live ones would be overwritten or removed"],
    ),
    "an empty database was to be exchanged": (
        redis_asked("replace"),
        replace(REDIS, databases=(EMPTY,)),
        replace(REDIS, databases=(replace(EMPTY, keys_now=3, only_there=3),)),
        ["main database 1: keys were only to be added, and live ones would be overwritten or removed"],
    ),
    "more keys are overwritten": (
        redis_asked("merge"),
        REDIS,
        replace(REDIS, databases=(replace(DATABASE, overwritten=30),)),
        [],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("asked", "then", "now", "said"), GROWN.values(), ids=GROWN)
def test_more_harm_than_was_agreed_to_makes_a_plan_stale(asked, then, now, said):
    frozen, fresh = make_plan(asked, then).document, make_plan(asked, now).document

    assert document.drift(frozen, fresh) == said


@pytest.mark.django_db
def test_a_file_that_came_back_since_the_plan_is_not_overwritten(tree, archive, planned, sent):
    (tree / "params/p1.json").unlink()
    run = sent(planned(folders=("params",)))
    (tree / "params/p1.json").write_text("trained anew since")

    work(run)

    assert (run.state, run.effect) == (RunState.FAILED, Effect.NONE)
    assert "risk: was R1, is R2" in run.error
    run.request.refresh_from_db()
    assert run.request.state == RequestState.INVALIDATED
    assert (tree / "params/p1.json").read_text() == "trained anew since"
