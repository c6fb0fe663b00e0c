"""How the chain stands, in words: from what the worker's looks found and the checkpoints it signed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Max

from backups import clock
from backups.audit import checkpoints, watch
from backups.audit.models import Verification
from backups.audit.timeline import is_fresh

SKEW = timedelta(minutes=1)
"""So much the clocks of two hosts may differ; what lies further in the future is not believed."""


@dataclass(frozen=True)
class ChainState:
    """``kind``: unchecked, intact, broken, or untrusted where the newest look carries a time in the future.
    ``checked_at`` is None before the first look."""

    kind: str
    checked_at: datetime | None = None
    intact_until: int = 0
    proven_until: int = 0
    checkpoint_at: datetime | None = None
    problem: str = ""
    first_bad: int | None = None
    late: bool = False
    checkpoint_late: bool = False


def chain_state() -> ChainState:
    last = watch.newest()
    checkpoint = checkpoints.newest()
    limit = timedelta(seconds=3 * settings.CHECKPOINT_SECONDS)
    facts = {
        "checkpoint_at": checkpoint and checkpoint.at,
        "proven_until": checkpoint.seq if checkpoint else 0,
        "checkpoint_late": checkpoint is None or not is_fresh(checkpoint.at, limit, skew=SKEW),
    }
    if last is None:
        return ChainState("unchecked", **facts)
    facts |= {"checked_at": last.at, "late": not is_fresh(last.at, 3 * watch.EVERY, skew=SKEW)}
    if last.problem:
        first_bad = last.first_bad if (last.first_bad or 0) > 0 else None  # it leads to a page
        return ChainState("broken", problem=last.problem, first_bad=first_bad, **facts)
    if last.at > clock.now() + SKEW:
        return ChainState("untrusted", **facts)
    return ChainState("intact", intact_until=_intact_until(last), **facts)


def _intact_until(last: Verification) -> int:
    """While all entries are being checked again from the first one, what was checked before still counts."""
    lately = Verification.objects.filter(at__gt=last.at - watch.WHOLE_EVERY, problem="")
    return lately.aggregate(newest=Max("seq"))["newest"] or 0
