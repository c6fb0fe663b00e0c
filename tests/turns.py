"""A run's turns, done in the test as the worker does them."""

from backups.runs import advance
from backups.runs.models import Run
from backups.worker.kinds import KINDS


def work(run: Run, until=lambda run: run.is_over, most: int = 2000) -> Run:
    """Turn after turn at once, but with the time that others take in between, until the run is where it shall be."""
    for _ in range(most):
        Run.objects.filter(pk=run.pk).update(next_at=None)
        advance(run.pk, KINDS)
        run.refresh_from_db()
        if until(run):
            return run
    raise AssertionError(f"{run} is still {run.state} at step {run.step}: {run.result}")
