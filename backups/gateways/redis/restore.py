"""Writes the keys of an RDB file to a running server, or finds out what that would do."""

import time
from collections.abc import Mapping

from .access import RedisAccess
from .connection import Connection, connect
from .emit import FRAME, restore_command
from .errors import Answered, NotRedis, RedisError
from .functions import load_functions
from .outcome import Outcome
from .pipeline import Pipeline
from .rdb import Key, Slices, Source, keys_of
from .refusals import judge, names_a_key
from .resp import ErrorLine, pack
from .target import Target, target

MERGE, REPLACE = "merge", "replace"
BAD_FORMAT = "the server cannot read the value: damaged, or of a module that is not there"


class Restore:
    """MERGE leaves keys that are there as they are, REPLACE overwrites them; neither removes others.

    ``into`` is which database goes to which; None for all, each to its own number. The server's functions
    are loaded when the keys are there. ``outcome`` may be read at any time, also after an error: keys are
    counted when the server has confirmed them. To go on after a cut connection, do it again from the start: it is
    safe to repeat, and keys written by a MERGE before then count as existing.
    """

    def __init__(
        self,
        access: RedisAccess,
        mode: str = MERGE,
        into: Mapping[int, int] | None = None,
        *,
        dry_run: bool = False,
    ):
        self.access = access
        self.replaces = mode == REPLACE
        self.into = into
        self.dry_run = dry_run
        self.outcome = Outcome()

    def run(self, source: Source) -> Outcome:
        """Look at the file with ``survey_of`` and ``preflight`` first: damage is else found when a part is
        written."""
        slices = keys_of(source)
        with connect(self.access) as connection:
            self.write(slices, connection)
            if self.dry_run:
                self.outcome.functions = len(slices.survey.functions)
            else:
                load_functions(connection, slices.survey.functions, self.outcome, replace=self.replaces)
        return self.outcome

    def write(self, keys: Slices, connection: Connection) -> None:
        """The keys alone."""
        pipeline = Pipeline(connection, self._asked if self.dry_run else self._written)
        self._send(keys, pipeline, target(connection))

    def _send(self, keys: Slices, pipeline: Pipeline, at: Target) -> None:
        selected, now, everything = None, time.time() * 1000, self.into is None
        unknown, most = at.unknown, at.limit - FRAME
        for key in keys:
            number, name, kind, expires, value = key
            # The commonest without a call: there are five microseconds for a key.
            database = number if everything and expires is None else self._database(key, now)
            if database is None:
                continue
            if kind in unknown or len(value) > most:
                self.outcome.refuse(at.refuses(key), number, name)
                continue
            if database != selected:
                pipeline.add(None, pack("SELECT", database))
                selected = database
            self._add(pipeline, key, database)
        pipeline.finish()

    def _database(self, key: Key, now: float) -> int | None:
        """Where it goes, or None for nowhere. RESTORE of a key whose time is over would delete one that is there."""
        if key.expires is not None and key.expires <= now:
            self.outcome.expired += 1
            return None
        if self.into is None:
            return key.database
        database = self.into.get(key.database)
        if database is None:
            self.outcome.left_out += 1
        return database

    def _add(self, pipeline: Pipeline, key: Key, database: int) -> None:
        label = (database, key.name, key.expires is not None)
        if self.dry_run:
            pipeline.add(label, pack("EXISTS", key.name))
        else:
            pipeline.add(label, *restore_command(key, replace=self.replaces))

    def _written(self, labels: list[tuple | None], answers: list) -> None:
        """RESTORE's answers, or where there is no label SELECT's: nearly always all is well, and counted together."""
        if answers.count(b"OK") < len(answers):
            for label, answer in zip(labels, answers, strict=True):
                self._written_one(label, answer)
            return
        self.outcome.written.update(label[0] for label in labels if label)
        self.outcome.expiring.update(label[0] for label in labels if label and label[2])

    def _written_one(self, label: tuple | None, answer) -> None:
        if answer == b"OK":
            self._count(label)
        elif label is None:
            raise _not_expected(answer, "SELECT")
        elif isinstance(answer, ErrorLine) and answer.line.startswith("BUSYKEY"):
            self.outcome.existing[label[0]] += 1
        else:
            self.outcome.refuse(_reason(answer), *label[:2])

    def _asked(self, labels: list[tuple | None], answers: list) -> None:
        for label, answer in zip(labels, answers, strict=True):
            self._asked_one(label, answer)

    def _asked_one(self, label: tuple | None, answer) -> None:
        """EXISTS's answer, or where there is no label SELECT's."""
        if isinstance(answer, ErrorLine):
            raise _not_expected(answer, "EXISTS" if label else "SELECT")
        if not (label and answer == 1):
            self._count(label)
        elif self.replaces:
            self.outcome.overwritten[label[0]] += 1
            self.outcome.lasting[label[0]] += not label[2]
            self._count(label)
        else:
            self.outcome.existing[label[0]] += 1

    def _count(self, label: tuple | None) -> None:
        if label is not None:
            self.outcome.written[label[0]] += 1
            if label[2]:
                self.outcome.expiring[label[0]] += 1


def _not_expected(answer, command: str) -> RedisError:
    if isinstance(answer, ErrorLine):
        return judge(answer.line, command)
    return NotRedis(f"The server answered {command} as Redis would not.", repr(answer)[:200])


def _reason(answer) -> str:
    """Of what concerns one key only; anything else ends the restore."""
    line = answer.line if isinstance(answer, ErrorLine) else ""
    if "Bad data format" in line:
        return BAD_FORMAT
    if names_a_key(line):
        return "the Redis user may not write this key"
    error = _not_expected(answer, "RESTORE")
    if type(error) is not Answered or not line.startswith("ERR"):
        raise error
    return line
