"""Restores whose process dies at every point there is, is cancelled at every turn, or never hears an answer: each
ends, with the truth, and leaves nothing behind."""

import os
from collections.abc import Sequence
from datetime import timedelta

import pytest

from backups.restores.indices import copying, overwriting, swapping
from backups.restores.indices.asked import Mode
from backups.runs import request_cancel
from backups.snapshots import troubles
from tests.restores.asking import Asking
from tests.restores.crashing import Points, is_write, work
from tests.restores.place import STREAM, WAYS, Place, wrong


@pytest.fixture
def points(monkeypatch):
    """What a call did is seen at once here, or it never arrived."""
    for module in (copying, overwriting, swapping, troubles):
        monkeypatch.setattr(module, "LOST_FOR", timedelta(0))
    return Points(monkeypatch)


def count(points: Points, asking: Asking, way: str, ends: str, **trouble) -> list[str]:
    """The points of a run in which nobody dies."""
    place = Place(asking, way, **trouble)
    points.count()
    run = work(place.run)
    points.stop()
    assert (run.state, wrong(place, run)) == (ends, [])
    place.leave()
    return points.passed


FEW = "4"


def some(found: Sequence) -> Sequence:
    """As many of them as CRASH_POINTS says, spread over the run; with CRASH_POINTS=all every one."""
    wanted = os.environ.get("CRASH_POINTS", FEW)
    return found if wanted == "all" else found[:: max(1, len(found) // int(wanted))]


def chosen(passed: list[str]) -> list[tuple[int, str]]:
    """Where to die: around writes and before commits; before reads too with CRASH_POINTS=all."""

    def matters(number: int) -> bool:
        near = passed[max(0, number - 1) : number + 1]
        return any(map(is_write, near)) or passed[number].startswith("commit")

    every = os.environ.get("CRASH_POINTS") == "all"
    return some([(number, point) for number, point in enumerate(passed) if every or matters(number)])


def dies_everywhere(points: Points, asking: Asking, way: str, ends: tuple[str, ...], **trouble) -> list[str]:
    """What was wrong after it died at each of the points."""
    said = []
    for number, point in chosen(count(points, asking, way, ends[0], **trouble)):
        place = Place(asking, way, **trouble)
        points.count(dies_at=number)
        run = work(place.run)
        points.stop()
        bad = wrong(place, run)
        if bad or run.state not in ends:
            said.append(f"{number} {point[:60]}: {run.state} {run.effect} {run.error} {bad}")
        place.leave()
    return said


@pytest.mark.parametrize("way", WAYS)
def test_a_process_that_dies(points, cast, way):
    said = dies_everywhere(points, Asking(cast), way, ("succeeded", "failed"))
    assert not said, "\n".join(said)


@pytest.mark.parametrize("way", [Mode.BESIDE, STREAM, Mode.MISSING, Mode.SWAP, Mode.IN_PLACE])
def test_a_process_that_dies_on_the_way_back(points, cast, way):
    said = dies_everywhere(points, Asking(cast), way, ("failed",), damaged=True)
    assert not said, "\n".join(said)


@pytest.mark.parametrize("way", WAYS)
def test_a_cancel_before_every_turn(points, cast, way):
    """It is obeyed, or comes too late: nothing in between."""
    asking, said = Asking(cast), []
    commits = [point for point in count(points, asking, way, "succeeded") if point.startswith("commit")]
    for number in some(range(len(commits))):
        place = Place(asking, way)
        run = work(place.run, lambda turn, at=number, run=place.run: turn == at and cancel(run, cast))
        if (bad := wrong(place, run)) or run.state not in ("cancelled", "succeeded"):
            said.append(f"before turn {number}: {run.state} {run.effect} {run.error} {bad}")
        place.leave()
    assert not said, "\n".join(said)


@pytest.mark.parametrize("done", [True, False], ids=["done", "not done"])
@pytest.mark.parametrize("way", WAYS)
def test_an_answer_that_is_lost(points, cast, way, done):
    """Of every write in turn, carried out or not."""
    asking, said = Asking(cast), []
    writes = len([point for point in count(points, asking, way, "succeeded") if is_write(point)])
    for number in some(range(writes)):
        place = Place(asking, way)
        points.count(loses=number, done=done)
        run = work(place.run)
        points.stop()
        if (bad := wrong(place, run)) or run.state not in ("succeeded", "failed"):
            said.append(f"write {number} {points.lost}: {run.state} {run.effect} {run.error} {bad}")
        place.leave()
    assert not said, "\n".join(said)


def cancel(run, cast) -> None:
    run.refresh_from_db()
    request_cancel(run, actor=cast["operator"])
