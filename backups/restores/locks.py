"""Locks on what a restore changes: taken before it begins, kept while nobody knows what it did."""

from collections.abc import Iterable, Sequence

from django.db import IntegrityError, transaction

from backups import clock
from backups.runs.models import Run

from .models import TargetLock
from .targets import index_target, nested, words


class Locked(Exception):
    """Another restore has one of these; the message names it."""


def take(run: Run, targets: Sequence[str]) -> None:
    """All of them or none, within the open act. Safe to repeat by the same run. Raises Locked."""
    mine = set(run.locks.values_list("target", flat=True))
    # In one order, so that two restores of the same things cannot wait for each other.
    wanted = sorted({*targets} - mine)
    if other := in_the_way(run, wanted):
        raise Locked(f"{words(other.target)} is being restored by run {other.run_id}. Wait until that is over.")
    try:
        with transaction.atomic():
            TargetLock.objects.bulk_create(TargetLock(target=t, run=run, taken_at=clock.now()) for t in wanted)
    except IntegrityError as error:
        raise Locked("Another restore of the same has just begun. Wait until that is over.") from error


def release(run: Run) -> None:
    """Give back what this run holds. Part of the commit that ends it."""
    run.locks.all().delete()


def held_indices(cluster_uuid: str, names: Iterable[str]) -> frozenset[str]:
    """Those of these indices that a restore works on."""
    targets = {index_target(cluster_uuid, name): name for name in names}
    held = TargetLock.objects.filter(target__startswith=index_target(cluster_uuid, "")).values_list(
        "target", flat=True
    )
    return frozenset(targets[target] for target in held if target in targets)


def in_the_way(run: Run, wanted: Sequence[str]) -> TargetLock | None:
    """A lock of another run on one of these, or on a folder above or below one."""
    others = TargetLock.objects.exclude(run=run)
    if found := others.filter(target__in=wanted).first():
        return found
    paths = [target for target in wanted if target.startswith("path:")]
    held = others.filter(target__startswith="path:") if paths else ()
    return next((lock for lock in held if any(nested(lock.target, path) for path in paths)), None)
