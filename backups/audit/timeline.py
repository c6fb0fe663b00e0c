"""Moments in the log: times become numbers of entries, because time never runs backwards along the chain.

There is no index on ``at``. A search by primary key takes some twenty look-ups at a million entries.
"""

from datetime import datetime, timedelta

from backups import clock
from backups.templatetags.formats import distance

from .models import AuditEntry, AuditHead

NO_TIME = timedelta()


def is_fresh(moment: datetime, limit: timedelta, *, skew: timedelta = NO_TIME) -> bool:
    """Whether ``moment`` was at most ``limit`` ago. What lies in the future (further than the clocks of two hosts
    differ: ``skew``) is never fresh: a clock was wrong, or somebody made it up."""
    now = clock.now()
    return now - limit <= moment <= now + skew


def changed_meanwhile(target, *actions: str) -> str:
    """What a person is told whose form is older than a change of ``target`` that one of these actions made."""
    entries = AuditEntry.objects.filter(object_type=target._meta.model_name, object_id=str(target.pk))
    at = entries.filter(action__in=actions).order_by("-seq").values_list("at", flat=True).first()
    ago = f" {distance(at, clock.now())}".replace(" now", " just now") if at else ""
    return f"Someone else changed it{ago}. Reload to see their change. Your text is kept below."


def first_seq_since(moment: datetime) -> int:
    """The number of the first entry written at ``moment`` or later; one past the newest when there is none."""
    newest = AuditHead.objects.filter(pk=1).values_list("seq", flat=True).first() or 0
    low, high = 1, newest + 1
    while low < high:
        middle = (low + high) // 2
        # The nearest entry from the middle on, so that a hole in a broken log leads nobody astray.
        found = AuditEntry.objects.filter(seq__gte=middle).order_by("seq").values_list("seq", "at").first()
        if found is None or found[1] is None or found[1] >= moment:
            high = middle
        else:
            low = found[0] + 1
    return low


def first_seq_lately(moment: datetime) -> int:
    """The same for a moment a short while ago: one walk back from the newest entry instead of many look-ups."""
    before = AuditEntry.objects.filter(at__lt=moment).order_by("-seq").values_list("seq", flat=True).first()
    return (before or 0) + 1
