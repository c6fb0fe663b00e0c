"""A run's turns, and the lease of a refresh, taken in the test as the worker takes them."""

from backups.clusters import leases
from backups.runs import advance, long
from backups.runs.models import Run
from backups.worker.kinds import KINDS


def here(run_id: int, fence: int) -> bool:
    """Do a long step in this process."""
    long.run_step(run_id, fence, KINDS, lost=_lost)
    return True


def _lost() -> None:
    raise AssertionError("the lease was lost")


def work(run: Run, until=lambda run: run.is_over, most: int = 2000) -> Run:
    """Turn after turn at once, but with the time that others take in between, until the run is where it shall be."""
    for _ in range(most):
        Run.objects.filter(pk=run.pk).update(next_at=None)
        advance(run.pk, KINDS, here)
        run.refresh_from_db()
        if until(run):
            return run
    raise AssertionError(f"{run} is still {run.state} at step {run.step}: {run.result}")


def lease(row) -> int | None:
    """Claim a cluster or a repository for a refresh, as the ticker does: the fence, or None while somebody has it."""
    rows = type(row).objects
    return leases.claim(rows, row.pk, rows.values_list("collect_fence", flat=True).get(pk=row.pk))
