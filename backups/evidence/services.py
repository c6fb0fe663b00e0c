"""Looking at the log and exporting it leave entries as well."""

from datetime import timedelta

from backups import clock
from backups.audit import act
from backups.audit.models import AuditEntry
from backups.audit.timeline import first_seq_lately

ONE_LOOK = timedelta(minutes=5)


def record_view(person, target: tuple[str, str, str]) -> None:
    """One entry per person, target (type, id, name) and five minutes."""
    lately = AuditEntry.objects.filter(seq__gte=first_seq_lately(clock.now() - ONE_LOOK))
    same = lately.filter(actor=person, action="log.viewed", object_type=target[0], object_id=target[1])
    if same.exists():
        return
    with act(person) as a:
        a.record("log.viewed", target)


def record_export(person, target: tuple[str, str, str], *, form: str, filters: dict[str, str]) -> None:
    """One entry per export, with what was asked for."""
    with act(person) as a:
        a.record("log.exported", target, change={"form": form, "filters": filters})
