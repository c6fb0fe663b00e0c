"""kill -9 in the middle of a restore from an archive: whoever comes next goes on, or takes everything back."""

import itertools
import os
import random
import signal

import pytest
from django.db import connections

from backups.retention.models import SafetyCopy
from backups.runs import request_cancel
from backups.runs.models import Effect, Run, RunState
from tests.archives import dying
from tests.turns import work

from .conftest import copied, differences
from .test_folders import harm

pytestmark = pytest.mark.django_db(transaction=True)
WAYS = {"whole and by entries": {"remove": True}, "by entries": {"remove": False}}
KILLS = int(os.environ.get("KILLS", "2"))
LONGEST = 400
"""More calls than a restore makes."""


def killed(run: Run, step: int, of=dying.CALLS) -> int:
    """Does the run in a process that ends itself before its ``step``-th call of those: as a rule of what changes a
    name or waits for the disk. Returns how many calls there were, when it was not killed."""
    reading, writing = os.pipe()
    connections.close_all()
    child = os.fork()
    if child == 0:
        calls = _counted(step, of)
        try:
            work(Run.objects.get(pk=run.pk))
            os.write(writing, str(next(calls)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    said = os.read(reading, 20)
    os.close(reading)
    assert os.WIFSIGNALED(status) == (not said), status
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        Run.objects.filter(pk=run.pk).update(lease_until=None, lease_owner="", claims=1)
    run.refresh_from_db()
    return int(said or 0)


def _counted(step: int, of):
    calls = itertools.count()
    for module, name in of:
        setattr(module, name, dying.mortal(getattr(module, name), calls, step))
    return calls


@pytest.fixture
def steps(tree, archive, planned, sent):
    """Some moments at which to die: in how many calls a restore is done is found out first."""

    def choose(options: dict) -> list[int]:
        harm(tree)
        most = killed(sent(planned(**options)), LONGEST)
        assert 10 < most < LONGEST
        chance = random.Random(os.environ.get("SEED", "restores"))
        return sorted(chance.sample(range(most), min(KILLS, most)))

    return choose


@pytest.mark.parametrize("options", WAYS.values(), ids=WAYS)
def test_the_next_one_goes_on(tree, archive, planned, sent, tmp_path, steps, options):
    packed = copied(tree, tmp_path / "packed")
    for step in steps(options):
        harm(tree)
        run = sent(planned(**options))
        assert not killed(run, step)

        work(run)

        assert (run.state, run.effect, run.error) == (RunState.SUCCEEDED, Effect.APPLIED, ""), step
        if options["remove"]:
            assert differences(packed / "params", tree / "params") == [], step
        assert (tree / "models/detector/weights.bin").stat().st_size == 3 << 20
        assert not run.locks.exists()
        assert not SafetyCopy.objects.filter(state="wanted").exists()
        assert [path.name for path in tree.iterdir() if ".restore-" in path.name] == [], step


@pytest.mark.parametrize("options", WAYS.values(), ids=WAYS)
def test_the_next_one_takes_it_back(tree, archive, planned, sent, tmp_path, cast, steps, options):
    for step in steps(options):
        harm(tree)
        as_found = copied(tree, tmp_path / f"found-{step}")
        run = sent(planned(**options))
        there = {path.name for path in tree.iterdir()}
        assert not killed(run, step)
        if run.state == RunState.QUEUED or run.is_over:
            continue

        request_cancel(run, actor=cast["operator"])
        work(run)

        if run.step == 0:
            assert run.effect == Effect.NONE
        elif run.state != RunState.SUCCEEDED:
            assert run.state == RunState.CANCELLED, run.error
            for name in ("models", "params"):
                assert differences(as_found / name, tree / name) == [], step
            assert {path.name for path in tree.iterdir()} == there, step
        assert not run.locks.exists()
