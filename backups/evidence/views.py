"""The audit log: entries, one entry whole, exports."""

import shlex
from collections.abc import Iterator

from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from backups.access import may, role_required
from backups.audit import chain
from backups.audit.models import AuditEntry
from backups.audit.verify import mac_is_right
from backups.listing import CSV_ROWS, all_rows, csv_response, paginate

from . import objects, services
from .chain_state import chain_state
from .forms import EntryFilters
from .reading import Reading, found_entries

CSV_HEADER = ("entry", "time", "action", "what happened", "outcome", "who", "roles", "on", "reason", "run", "from")
CSV_HEADER += ("digest",)


@require_safe
@role_required("entry.read_own")
def entries(request):
    filters = EntryFilters(request)
    page = paginate(request, found_entries(request.user, filters.chosen))
    services.record_view(request.user, target(filters.chosen))
    context = {
        "page": page,
        "readings": [Reading(row) for row in page.rows],
        "filters": filters,
        "chain": chain_state(),
        "sees_all": may(request.user, "entry.read_all"),
        "may_export": may(request.user, "entry.export"),
    }
    return render(request, "backups/evidence/list.html", context)


@require_safe
@role_required("entry.read_own")
def entry(request, seq: int):
    visible = AuditEntry.objects.visible_to(request.user)
    shown = get_object_or_404(visible, seq=seq)
    services.record_view(request.user, ("auditentry", str(seq), f"entry {seq} of the log"))
    before = AuditEntry.objects.filter(seq=seq - 1).first()
    context = {
        "entry": shown,
        "reading": Reading(shown),
        "text_matches": shown.text.isascii() and chain.digest_of(shown.text) == shown.digest,
        "mac_matches": mac_is_right(shown.digest, shown.mac),
        "links": shown.prev == (before.digest if before else chain.FIRST),
        "command": f"printf '%s' {shlex.quote(shown.text)} | sha256sum",
        "older": visible.filter(seq=seq - 1).exists() and seq - 1,
        "newer": visible.filter(seq=seq + 1).exists() and seq + 1,
        "chain": chain_state(),
    }
    return render(request, "backups/evidence/entry.html", context)


@require_safe
@role_required("entry.export")
def export_csv(request):
    """For reading, in a spreadsheet."""
    rows = exported(request, "csv")
    return csv_response("audit-log.csv", CSV_HEADER, (csv_row(Reading(row)) for row in rows))


@require_safe
@role_required("entry.export")
def export_json_lines(request):
    """For evidence: each line has an entry's text exactly as it was hashed, its digest and its MAC."""
    rows = exported(request, "json lines")
    response = StreamingHttpResponse(json_lines(rows), content_type="application/jsonl; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="audit-log.jsonl"'
    return response


def exported(request, form: str) -> Iterator[AuditEntry]:
    """The entries that the filters ask for, newest first; the export itself is written down first."""
    filters = EntryFilters(request)
    words = {name: str(value) for name, value in filters.chosen.items()}
    services.record_export(request.user, target(filters.chosen), form=form, filters=words)
    return all_rows(found_entries(request.user, filters.chosen))


def target(chosen: dict) -> tuple[str, str, str]:
    """What somebody looked at, for the entry that says so: a person's or an object's part of the log, or all."""
    if "q" in chosen:
        about = objects.parse(chosen["q"])
        name = f"the log on {chosen['q']}"
        return (*about, name) if about else ("log", chosen["q"], name)
    if "person" in chosen:
        return "user", str(chosen["person"].pk), f"the log of {chosen['person']}"
    return "log", "", "the log"


def csv_row(reading: Reading) -> tuple:
    row = reading.entry
    what = f"{row.object_type} {row.object_id}".strip()
    return (
        *(row.seq, row.at, row.action, row.sentence, row.outcome, row.actor_name, reading.roles),
        *(what, row.reason, row.run, reading.place, row.digest),
    )


def json_lines(rows: Iterator[AuditEntry]) -> Iterator[str]:
    for number, row in enumerate(rows):
        if number == CSV_ROWS:
            yield chain.canonical({"note": f"cut after {CSV_ROWS} entries"}) + "\n"
            return
        fields = {"seq": row.seq, "text": row.text, "digest": row.digest, "mac": row.mac}
        yield chain.canonical(fields) + "\n"
