"""Restores to empty places by the command line, with an entry before and after. Over anything else a second person is
needed, and nothing here does it."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from backups.audit import act

from . import cybersift_restore as reader
from .format import fast

Progress = Callable[[int], None]


def restore_files(
    found: "reader.Archive | reader.Foreign",
    to: Path,
    *,
    only: Sequence[str],
    dry_run: bool,
    reason: str,
    progress: Progress,
) -> "reader.Extracted":
    """Extract into an empty or missing directory. Raises the reader's errors; then the target is as it was."""
    jobs, owner = settings.ARCHIVE_JOBS, os.geteuid() == 0
    options = reader.Options(only=tuple(only), dry_run=dry_run, owner=owner, jobs=jobs)
    target = ("directory", str(to)[-64:], str(to))
    with _recorded("files", target, {"only": list(only)}, dry_run=dry_run, reason=reason) as change:
        done = fast.extract(found, str(to), options, progress)
        change |= {"entries": done.entries, "bytes": done.bytes}
    return done


def restore_redis(
    found: "reader.Archive", url: str, *, dry_run: bool, reason: str, progress: Progress
) -> "reader.RedisRestored":
    """Write the Redis data of an archive to a server without keys. The password stands in the URL or in
    REDIS_PASSWORD, and goes nowhere else. Raises the reader's errors."""
    address = reader.redis_address(url, os.environ.get("REDIS_PASSWORD", ""))
    where = address.path or f"{address.host}:{address.port}"
    with _recorded("redis", ("address", where, where), {}, dry_run=dry_run, reason=reason) as change:
        done = reader.restore_redis(found, address, reader.RedisOptions(dry_run=dry_run), progress)
        change |= {"keys": sum(done.written.values())}
    return done


@contextmanager
def _recorded(kind: str, target: tuple, asked: dict, *, dry_run: bool, reason: str) -> Iterator[dict]:
    """What is put into the dict that it gives stands in the last entry. A dry run leaves none."""
    done: dict = {}
    if dry_run:
        yield done
        return
    _record(f"{kind}.restore_started", target, asked, reason)
    try:
        yield done
    except reader.ArchiveError as error:
        _record(f"{kind}.restore_failed", target, {"error": str(error)}, reason, outcome="failure")
        raise
    _record(f"{kind}.restored", target, done, reason)


def _record(action: str, target: tuple, change: dict, reason: str, outcome: str = "success") -> None:
    with act(None, reason=reason) as a:
        a.record(action, target, outcome=outcome, change=change)
