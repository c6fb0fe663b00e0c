"""What a folder would bring into an archive: the preview of a profile's form."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from backups import clock
from backups.runs import Turn
from backups.templatetags.formats import count_of, short_stamp, size

from .. import making
from ..patience import Hung, within
from ..sources import Source
from ..survey import Survey, survey

SECONDS, MORE = 4.0, 0.5
"""So long a folder is walked, and so much later it is given up: a check has 5 s."""


def check_sources(turn: Turn) -> dict:
    """Params: ``source`` as a profile keeps it, and ``apart``, the directory that its archives lie in.

    Result: ``error`` where there is no answer; or ``found``, the fields of Survey, and ``empty``: nothing of it would
    be in an archive. In words: ``files`` and its ``state`` (good, partial or failed), ``facts``, ``warnings``, and
    ``title``, which is read out.
    """
    source = Source.of(turn.run.params["source"])
    (apart,) = making.apart_from([source], Path(turn.run.params["apart"]))
    try:
        found = within(SECONDS + MORE, lambda: survey(apart, excluded=True, seconds=SECONDS))
    except Hung:
        why = "Either it is on a share whose server is away, or one directory in it has millions of files."
        return {"error": f"{source.path} gave no answer in {SECONDS:.0f} s. {why}"}
    files, warnings = _files(found), list(_warnings(found))
    return {
        "found": found.as_json(),
        "empty": found.is_empty,
        "state": "failed" if found.is_empty else "partial" if warnings else "good",
        "files": files,
        "facts": list(_facts(found)),
        "warnings": warnings,
        "title": f"{found.name}: {found.error or f'{files}, {size(found.bytes)}'}",
    }


def _files(found: Survey) -> str:
    return ("" if found.whole else "at least ") + count_of(found.files, "file")


def _facts(found: Survey) -> Iterator[str]:
    if found.excluded:
        yield f"{count_of(found.excluded, 'file')}, {size(found.excluded_bytes)} excluded"
    if found.links:
        yield f"{count_of(found.links, 'link')}, kept as {'a link' if found.links == 1 else 'links'}"
    if found.files and (newest := _moment(found.newest)):
        yield f"newest {newest}"
    if found.files:
        yield f"largest {PurePosixPath(found.largest_name).name}, {size(found.largest)}"
    if found.skipped:
        yield f"{found.skipped:,} skipped: sockets, pipes, devices, or on another file system"


def _warnings(found: Survey) -> Iterator[str]:
    if found.unreadable:
        number = count_of(found.unreadable, "entry", "entries")
        yield f"{number} cannot be read by the worker, and would be missing."
    if found.nifi_data:
        yield (
            f"{' and '.join(found.nifi_data)} of NiFi would be among the files: not consistent while NiFi runs. "
            "Leave them out, or stop NiFi for the archive."
        )
    if found.flow:
        yield f"NiFi writes {found.flow} while it runs; it is read again if it changes."


def _moment(seconds: float) -> str:
    """A time of a file in words; empty where it is none that a calendar has."""
    try:
        return short_stamp(datetime.fromtimestamp(seconds, UTC), clock.now())
    except (ValueError, OverflowError, OSError):
        return ""
