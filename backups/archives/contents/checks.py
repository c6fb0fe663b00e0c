"""The check ``contents``: one page of what is in an archive, from the file index beside it."""

from pathlib import Path

from backups.runs import Turn

from .. import cybersift_restore as reader
from .. import reading
from ..format.index import Index, NoIndex, Row
from ..models import Archive
from . import indexes

SHOWN = 100
ALL, CHANGED, SKIPPED = "all", "changed", "skipped"
NO_KEY = (
    "The archive is encrypted and has no file index beside it. This host has public keys only, so it can be listed "
    "only where a key is: cybersift_restore.py list --identity FILE."
)


def check_contents(turn: Turn) -> dict:
    """Params: ``archive`` (its key), ``directory`` (the number of an entry; 0 is the root), ``q`` (a pattern),
    ``show`` (all, changed or skipped) and ``after`` (how many were shown, or the number of the last one).

    Result: ``error`` and ``detail``, or ``rows``, ``more`` (the ``after`` of the next page, or 0), ``crumbs`` (number
    and name of the directories above) and ``facts``. Names are as they can be shown: an entry is asked for by number.
    """
    params = turn.run.params
    archive = Archive.objects.select_related("location", "made_by").get(pk=params["archive"])
    try:
        with indexes.of(archive) as index:
            return _page(index, params)
    except reading.NoKey:
        return {"error": NO_KEY}
    except (reader.ArchiveError, NoIndex, OSError) as error:
        return {"error": f"The archive cannot be listed: {error}"}


def _page(index: Index, params: dict) -> dict:
    after, crumbs = params.get("after", 0), []
    if params.get("show") == SKIPPED:
        rows = [
            {"number": n, "path": reader.printable(p), "why": why} for n, p, why in index.errors(after, SHOWN + 1)
        ]
    elif params.get("show") == CHANGED:
        rows = [_shown(row) for row in index.changed(after, SHOWN + 1)]
    elif params.get("q"):
        rows = [_shown(row) for row in index.search(params["q"], after, SHOWN + 1)]
    else:
        directory = index.numbered(params.get("directory", 0))
        path = directory.path if directory else ""
        crumbs = _crumbs(index, path)
        rows = [_shown(row) for row in index.directory(path, after, SHOWN + 1)]
        return _result(rows, after + SHOWN, params, crumbs)
    return _result(rows, rows[SHOWN - 1]["number"] if len(rows) > SHOWN else 0, params, crumbs)


def _result(rows: list[dict], more: int, params: dict, crumbs: list) -> dict:
    asked = {name: params.get(name) for name in ("archive", "directory", "q", "show")}
    return asked | {"rows": rows[:SHOWN], "more": more if len(rows) > SHOWN else 0, "crumbs": crumbs}


def _shown(row: Row) -> dict:
    return {
        "number": row.number,
        "name": reader.printable(row.name),
        "path": reader.printable(row.path),
        "type": row.type,
        "size": row.size,
        "sha256": row.sha256,
        "target": reader.printable(row.target),
        "changed": row.changed,
        "files": row.files,
        "bytes": row.bytes,
    }


def _crumbs(index: Index, path: str) -> list[dict]:
    """The directory and those above it, outermost first."""
    above = [path, *(str(each) for each in Path(path).parents if str(each) != ".")] if path else []
    rows = [index.entry(each) for each in reversed(above)]
    return [{"number": row.number, "name": reader.printable(row.name)} for row in rows if row]
