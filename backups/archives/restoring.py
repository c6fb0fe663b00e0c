"""Restores to empty places by the command line: a run whose one turn the command does itself, for nobody else has the
key and the password. Over anything else a second person is needed, and nothing here does it.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from backups.audit import act
from backups.gateways.errors import GatewayError
from backups.gateways.redis.about import about
from backups.gateways.redis.access import RedisAccess
from backups.gateways.redis.connection import connect
from backups.gateways.redis.outcome import Outcome
from backups.gateways.redis.preflight import preflight
from backups.gateways.redis.rdb import survey_of
from backups.gateways.redis.restore import Restore as RedisRestore
from backups.runs import Done, Kind, Step, Turn, queue_run
from backups.runs.engine import claim
from backups.runs.models import Effect, Level, Run, RunState
from backups.templatetags.formats import count_of, size

from . import cybersift_restore as reader
from . import reading
from .format import fast
from .format.errors import Cancelled

KIND, TITLE = "restore_archive", "Restore from an archive"
LEFT = "The command that did it has ended before its end. The log of its host may say why."
PARTLY = "Empty the server, then run it again."


class NotRestored(Exception):
    """Nothing is changed, or the message says what; ``code`` is the exit status of the command. ``plain`` is the
    message for everybody: without names of files in the archive."""

    def __init__(self, message: str, code: int, detail: str = "", plain: str = "") -> None:
        super().__init__(message)
        self.code, self.detail, self.plain = code, detail, plain or message


@dataclass
class Restore:
    """What a command asked for: files to the directory ``to``, Redis data to the server at ``redis``, or both. Where
    the archive has data of several servers, ``name`` says which.

    ``files`` and ``keys`` are what became of it, ``notes`` what to know.
    """

    found: "reader.Archive | reader.Foreign"
    path: Path
    to: Path | None = None
    redis: RedisAccess | None = None
    name: str = ""
    only: Sequence[str] = ()
    files: "reader.Extracted | None" = None
    keys: Outcome | None = None
    notes: list[str] = field(default_factory=list)
    error: NotRestored | None = None

    def look(self, progress: "reader.Progress") -> None:
        """What it would do: nothing is written. Raises NotRestored."""
        try:
            self._check_redis()
            self._extract(progress, dry_run=True)
            self._write_redis(progress, dry_run=True)
        except (reader.ArchiveError, GatewayError) as error:
            raise _not_restored(error) from error

    def begin(self, reason: str, subject_url: str) -> Run:
        """The run, claimed for this process in the act that makes it: no worker could do it."""
        with act(None, reason=reason) as a:
            run = queue_run(
                KIND,
                actor=None,
                subject=f"restore {self.path.name} to {' and '.join(name for _, (_, name, _) in self._targets())}",
                subject_url=subject_url,
                params={"archive": str(self.path), "only": list(self.only)},
                reason=reason,
                host=settings.WORKER_HOST,
            )
            for what, target in self._targets():
                a.record(f"{what}.restore_started", target, change={"only": list(self.only)}, run=run.pk)
            return claim(run.pk)

    def kinds(self) -> dict[str, Kind]:
        """For the engine: the step that does this restore."""
        return {KIND: _kind(self._work)}

    def _work(self, turn: Turn) -> Done:
        progress = reading.Telling.of(turn, self.found)
        turn.log(f"From {self.path}.")
        try:
            self._check_redis()
            self._extract(progress, turn=turn)
            self._write_redis(progress, turn=turn)
        except Cancelled:
            return self._ended(turn, NotRestored("Cancelled.", 130), RunState.CANCELLED)
        except (reader.ArchiveError, GatewayError) as error:
            return self._ended(turn, _not_restored(error), RunState.FAILED)
        for note in self.notes:
            turn.log(note, Level.WARNING)
        complete = not self.notes
        state = RunState.SUCCEEDED if complete else RunState.PARTIAL
        return Done(state, Effect.APPLIED, self.words, "" if complete else " ".join(self.notes))

    @property
    def words(self) -> str:
        """What was done, or would be."""
        files, keys = self.files, self.keys
        done = [f"{count_of(files.entries, 'entry', 'entries')}, {size(files.bytes)}, to {self.to}"] if files else []
        return "; ".join(done + ([f"{count_of(keys.written.total(), 'key')} to {self.redis.where}"] if keys else []))

    def _targets(self) -> Iterator[tuple[str, tuple[str, str, str]]]:
        """The names in the actions of their entries, and what these are about."""
        if self.to is not None:
            yield "files", ("directory", str(self.to)[-64:], str(self.to))
        if self.redis is not None:
            yield "redis", ("address", self.redis.where, self.redis.where)

    def _extract(self, progress: "reader.Progress", *, turn: Turn | None = None, dry_run: bool = False) -> None:
        if self.to is None:
            return
        options = reader.Options(
            only=tuple(self.only), dry_run=dry_run, owner=os.geteuid() == 0, jobs=settings.ARCHIVE_JOBS
        )
        self.files = fast.extract(self.found, str(self.to), options, progress)
        self._record(turn, "files.restored", {"entries": self.files.entries, "bytes": self.files.bytes})

    def _check_redis(self) -> None:
        """All of its data is read and checked before anything is written anywhere."""
        if self.redis is None:
            return
        survey = survey_of(self._pieces())
        with connect(self.redis) as connection:
            there = about(connection).databases
        if there:
            what = ", ".join(
                f"{count_of(keys, 'key')} in database {number}" for number, keys in sorted(there.items())
            )
            raise reader.TargetNotEmpty(f"The server at {self.redis.where} has {what}.")
        findings = preflight(self.redis, survey)
        if stops := [each.message for each in findings if each.stops]:
            raise reader.Unavailable(" ".join(stops))
        self.notes += [each.message for each in findings]

    def _write_redis(self, progress: "reader.Progress", *, turn: Turn | None = None, dry_run: bool = False) -> None:
        if self.redis is None:
            return
        work = RedisRestore(self.redis, dry_run=dry_run)
        self.keys = work.outcome
        work.run(self._pieces(progress))
        self.notes += [f"{count_of(count, 'key was', 'keys were')} left out: {why}." for why, count in
                       sorted(self.keys.refused.items())]  # fmt: skip
        self._record(turn, "redis.restored", {"keys": self.keys.written.total(), "expired": self.keys.expired})

    def _pieces(self, progress: "reader.Progress" = reader.no_progress) -> Iterator[memoryview]:
        for piece in reader.redis_pieces(self.found, reader.redis_record(self.found, self.name)):
            progress(len(piece))
            yield piece

    def _record(self, turn: Turn | None, action: str, change: dict) -> None:
        """With the commit of the turn; a dry run leaves no entry."""
        target = dict(self._targets())[action.partition(".")[0]]
        if turn is not None:
            turn.write(lambda a: a.record(action, target, change=change, run=turn.run.pk))

    def _ended(self, turn: Turn, error: NotRestored, state: str) -> Done:
        """What was not restored gets its entry. Files are there whole or not at all; keys may be there in part."""
        keys, more = self.keys.written.total() if self.keys else 0, ""
        if keys:
            more = f" {count_of(keys, 'key was', 'keys were')} written before that. {PARTLY}"
        if self.files:
            more += f" The files were restored to {self.to}."
        message = error.plain + more
        for what, target in self._targets():
            if not (what == "files" and self.files):
                change = {"error": message}
                turn.write(
                    lambda a, what=what, target=target, change=change: a.record(
                        f"{what}.restore_failed", target, outcome="failure", change=change, run=turn.run.pk
                    )
                )
        turn.log(message, Level.ERROR)
        self.error = NotRestored(f"{error}{more}", error.code, error.detail)
        effect = Effect.APPLIED if keys or self.files else Effect.NONE
        return Done(state, effect, "", message, error.detail)


def _not_restored(error: Exception) -> NotRestored:
    if isinstance(error, reader.TargetNotEmpty):
        return NotRestored(f"The target is not empty. Nothing was changed. {error}", error.code)
    if isinstance(error, reader.Damaged):
        return NotRestored(str(error), error.code, str(error), "The archive is damaged. Verify it, to know where.")
    return NotRestored(str(error), getattr(error, "code", reader.Unavailable.code), getattr(error, "detail", ""))


def _left(turn: Turn) -> Done:
    """A worker finds the run: whoever did it is gone."""
    turn.log(LEFT, Level.ERROR)
    return Done(RunState.FAILED, Effect.UNKNOWN, error=LEFT)


def _kind(work) -> Kind:
    return Kind(KIND, TITLE, (Step("Check and restore", work, long=True),), cancellable=True)


RESTORE = _kind(_left)
