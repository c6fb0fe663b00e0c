"""What ``manage.py backup_restore`` does. Each operation returns the exit status of the command, or raises Ended.

Backups are runs like those of the browser: this process does their turns itself, so that no worker is needed; where
one is at work it may be faster, which does no harm. The command is root's or the console's own account: nobody else
can read the database and the keys.
"""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from django.conf import settings
from django.db import connection

from backups import clock
from backups.gateways.redis.access import RedisAccess
from backups.runs import Kind, RunError, Turn, advance, long
from backups.runs.models import Run, RunState
from backups.runs.progress import measure
from backups.runs.services import request_cancel
from backups.templatetags.formats import count_of, size

from . import cybersift_restore as reader
from . import making, reading, restoring, services
from .comparing import folders
from .comparing.compared import WORDS, Compared
from .comparing.redis import with_server
from .format import fast
from .models import THERE, Archive, ArchiveProfile, RedisServer
from .sources import Source

OPTIONS = ("path", "profile", "to", "redis", "name", "tls_ca", "only", "identity", "dry_run", "full", "reason")
OVER_LIVE = ("person", "ticket", "remove", "break_glass")
"""Options of a restore over live data, which other people have to approve: that is asked for elsewhere."""
OK, FAILED, USAGE, WARNINGS = 0, 1, 2, 7
LOOK_EVERY = 0.2


class Ended(Exception):
    """Not done; the message is for whoever called, ``code`` the exit status."""

    def __init__(self, message: str, code: int = FAILED):
        super().__init__(message)
        self.code = code


class Terminal:
    """Words for people: results to one stream, everything else to the other; a progress bar on a terminal."""

    def __init__(self, out: TextIO, err: TextIO):
        self.out, self.err, self.bar = out, err, False

    def result(self, text: str, **_) -> None:
        self._clear()
        print(text, file=self.out, flush=True)

    def say(self, text: str, **_) -> None:
        self._clear()
        print(text, file=self.err, flush=True)

    def failed(self, text: str, code: int) -> None:
        self.say(text)

    def progress(self, what: str, percent: int, words: str) -> None:
        if self.err.isatty():
            bar = ("█" * (percent * 30 // 100)).ljust(30, "░")
            print(f"\r\033[K{bar} {percent:3d}% {words}", end="", file=self.err, flush=True)
            self.bar = True

    def _clear(self) -> None:
        if self.bar:
            print("\r\033[K", end="", file=self.err)
            self.bar = False


class Lines:
    """One JSON object a line, for programs: ``{"event": "result", …}``."""

    def __init__(self, out: TextIO):
        self.out, self.told = out, 0.0

    def result(self, text: str, **facts) -> None:
        self._write("result", text=text, **facts)

    def say(self, text: str, **facts) -> None:
        self._write("message", text=text, **facts)

    def failed(self, text: str, code: int) -> None:
        self._write("failed", text=text, code=code)

    def progress(self, what: str, percent: int, words: str) -> None:
        if time.monotonic() - self.told >= 1:
            self.told = time.monotonic()
            self._write("progress", what=what, percent=percent)

    def _write(self, event: str, **facts) -> None:
        print(json.dumps({"event": event} | facts), file=self.out, flush=True)


Console = Terminal | Lines


def backup(console: Console, kinds: dict[str, Kind], *, path: Path, profile: str | None, reason: str, **_) -> int:
    """Make an archive of a profile at ``path``."""
    try:
        run = services.queue_archive_at(actor=None, profile=_profile(profile), path=_absolute(path), reason=reason)
    except services.ArchiveRefused as error:
        raise Ended(str(error), USAGE) from error
    run = follow(console, run, kinds)
    archive = run.archive_run.archive
    facts = {"run": run.pk, "state": run.state, "archive": str(archive.path), "bytes": archive.size}
    if run.state not in (RunState.SUCCEEDED, RunState.PARTIAL):
        code = 130 if run.state == RunState.CANCELLED else FAILED
        raise Ended(_why(run), code)
    words = f"{archive.path}: {count_of(archive.files or 0, 'file')}, {size(archive.size)}, {archive.state}"
    console.result(f"{words}. {run.error}".strip(), files=archive.files, verdict=archive.state, **facts)
    return OK if run.state == RunState.SUCCEEDED else WARNINGS


def _why(run: Run) -> str:
    """With its cause, which may name files: whoever is at the command line may see them."""
    return "\n".join(filter(None, (run.error or f"The run ended: {run.get_state_display()}.", run.error_detail)))


def list_entries(console: Console, kinds, *, path: Path, only: list[str], identity: Path | None, **_) -> int:
    """Name what is in an archive."""
    matches = reader.matcher(only)
    with _opened(path, identity) as found:
        for entry in reader.entries_of(found):
            if matches(entry.shown):
                console.result(reader.printable(entry.shown), **entry.as_json())
        if not found.has_checksums:
            console.say("This tar is not of the console: it is without checksums.")
    return OK


def verify(console: Console, kinds: dict[str, Kind], *, path: Path, identity: Path | None, reason: str, **_) -> int:
    """Read all of an archive. One that the console knows gets a run, whose result its page shows."""
    if (archive := archive_at(path)) and not identity:
        try:
            run = services.queue_verify(archive, actor=None, reason=reason)
        except services.ArchiveRefused as error:
            raise Ended(str(error), 3) from error
        run = follow(console, run, kinds)
        if run.state != RunState.SUCCEEDED:
            raise Ended(_why(run), FAILED)
        archive.refresh_from_db()
        console.result(f"{archive.path}: {archive.state}", run=run.pk, verdict=archive.state)
        return OK
    with _opened(path, identity) as found:
        verified = fast.verify(found, settings.ARCHIVE_JOBS, Reading(console, found, str(path)))
    for name, why in verified.damaged:
        console.say(f"damaged: {reader.printable(name)}: {why}", path=name, why=why)
    if verified.damaged:
        raise Ended(f"{count_of(len(verified.damaged), 'entry is', 'entries are')} damaged.")
    console.result(
        f"{path}: {count_of(verified.members, 'entry', 'entries')}, {size(verified.bytes)}, good",
        entries=verified.members,
        bytes=verified.bytes,
    )
    return OK


def compare(console: Console, kinds, *, path: Path, only: list[str], identity: Path | None, full: bool, **_) -> int:
    """Name what differs between an archive and the folders and servers that it was made of, as its row or its header
    says. With ``only`` paths of files are asked for, and no Redis is."""
    same = True
    with _opened(path, identity) as found:
        if not found.has_checksums:
            raise Ended("This tar is not of the console: nothing says what it was made of.", USAGE)
        for compared in _compared(path, found, full=full, only=only):
            same = same and compared.is_same
            for each in compared.differences:
                words = f"{WORDS[each.kind]} {each.path}" + (f" ({each.what})" if each.what else "")
                console.result(words, **each._asdict())
            counts = ", ".join(f"{number:,} {WORDS[kind]}" for kind, number in compared.counts.items())
            console.say(f"{compared.name}: {compared.error or counts}", source=compared.name, **compared.counts)
    return OK if same else WARNINGS


def _compared(path: Path, found: "reader.Archive", *, full: bool, only: list[str]) -> Iterator[Compared]:
    matches = reader.matcher(only)
    for source in _sources_of(path, found):
        yield folders.compare(found, source, full=full, only=matches)
    for record in found.manifest.redis if not only else ():
        server = RedisServer.objects.filter(name=record["name"], host=settings.WORKER_HOST).first()
        yield with_server(found, record, server)


def _sources_of(path: Path, found: "reader.Archive") -> list[Source]:
    if (archive := archive_at(path)) and archive.made_by:
        return making.sources_of(archive)
    try:
        facts = [each for each in reading.header_of(found).get("sources", ()) if each.get("kind") == "files"]
        sources = [Source.of(each) for each in facts]
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise Ended("What the archive says of its folders cannot be believed: it is not compared.") from error
    return making.apart_from(sources, path.resolve().parent)


def restore(
    console: Console,
    kinds,
    *,
    path: Path,
    to: Path | None,
    redis: str,
    name: str,
    tls_ca: Path | None,
    only: list[str],
    identity: Path | None,
    dry_run: bool,
    reason: str,
    **_,
) -> int:
    """Files into an empty or missing directory, Redis data into a server without keys; one of them, or both."""
    if to is None and not redis:
        raise Ended(
            "Say where to: --to DIRECTORY, or --redis URL. To where it came from: --as NAME, who then asks for it.",
            USAGE,
        )
    if redis and only:
        raise Ended("--only chooses files. Redis data is restored whole, by a command of its own.", USAGE)
    with _opened(path, identity) as found:
        server = _redis_at(redis, tls_ca) if redis else None
        asked = restoring.Restore(found, _absolute(path), _absolute(to) if to else None, server, name, only)
        try:
            if dry_run:
                asked.look(Reading(console, found, str(path)))
            else:
                _do(console, asked, reason)
        except restoring.NotRestored as error:
            raise Ended(str(error), error.code) from error
    for note in asked.notes:
        console.say(note)
    files, keys = asked.files, asked.keys
    facts = {"entries": files.entries, "bytes": files.bytes, "to": str(asked.to)} if files else {}
    facts |= {"keys": keys.written.total()} if keys else {}
    console.result(f"{'would be restored' if dry_run else 'restored'}: {asked.words}", **facts, dry_run=dry_run)
    return WARNINGS if asked.notes else OK


def _redis_at(url: str, tls_ca: Path | None) -> RedisAccess:
    """The password stands in the URL or in REDIS_PASSWORD, and goes nowhere else."""
    at = reader.redis_address(url, os.environ.get("REDIS_PASSWORD", ""))
    try:
        pem = tls_ca.read_text(encoding="ascii") if tls_ca else ""
    except (OSError, UnicodeError) as error:
        raise Ended(f"{tls_ca} cannot be read as a certificate: {error}", 3) from error
    return RedisAccess(at.host, at.port, at.path, username=at.user, password=at.password, tls=at.tls, ca_pem=pem)


def _do(console: Console, asked: "restoring.Restore", reason: str) -> None:
    """The run of this restore, in this process. Raises NotRestored."""
    known = archive_at(asked.path)
    run = asked.begin(reason, known.get_absolute_url() if known else "")
    with Follower(console, run) as follower:
        follower.do(run.pk, run.fence, asked.kinds())
    run.refresh_from_db()
    if asked.error:
        raise asked.error
    if not run.is_over:
        raise Ended(f"It was done ({asked.words}), but could not be written down: look at run {run.pk}.", FAILED)


OPERATIONS = {"backup": backup, "restore": restore, "list": list_entries, "verify": verify, "compare": compare}


def follow(console: Console, run: Run, kinds: dict[str, Kind]) -> Run:
    """Do the turns of a run until it is over, and tell how far it is. Ctrl-C asks it to cancel; a second one ends the
    command, and the run goes on where a worker is at work."""
    with Follower(console, run) as follower:
        while not run.is_over:
            advance(run.pk, kinds, lambda run_id, fence: follower.do(run_id, fence, kinds))
            run.refresh_from_db()
            if not run.is_over:
                time.sleep(LOOK_EVERY)
    return run


class Follower(threading.Thread):
    """Beside the work: tells how far it is, and passes Ctrl-C on."""

    def __init__(self, console: Console, run: Run):
        super().__init__(name="follower", daemon=True)
        self.console, self.run_row = console, run
        self.turn: Turn | None = None
        self.over, self.interrupted = threading.Event(), False

    def __enter__(self) -> "Follower":
        self.before = signal.signal(signal.SIGINT, self._interrupt)
        self.console.say(f"Run {self.run_row.pk}: {self.run_row.subject}", run=self.run_row.pk)
        self.start()
        return self

    def __exit__(self, *_) -> None:
        signal.signal(signal.SIGINT, self.before)
        self.over.set()
        self.join()

    def do(self, run_id: int, fence: int, kinds: dict[str, Kind]) -> bool:
        """The long step of a run, in this process."""
        long.run_step(run_id, fence, kinds, lost=_lost, began=self._began)
        return True

    def run(self) -> None:
        try:
            while not self.over.wait(LOOK_EVERY):
                if self.interrupted:
                    self._cancel()
                if self.turn and (measured := measure(self.turn.progress or {})):
                    self.console.progress(self.run_row.subject, measured.percent, measured.bytes_words)
        finally:
            connection.close()

    def _began(self, turn: Turn) -> None:
        self.turn = turn

    def _interrupt(self, *_) -> None:
        signal.signal(signal.SIGINT, self.before)
        self.interrupted = True

    def _cancel(self) -> None:
        self.interrupted = False
        self.console.say("Cancelling; what was written is removed. Once more to leave at once.")
        with suppress(RunError):
            request_cancel(self.run_row, actor=None)
        if self.turn:
            self.turn.run.cancel_requested_at = clock.now()  # sooner than with the next heartbeat


class Reading:
    """Tells how far a reading is; of a foreign tar nobody knows how much there is."""

    def __init__(self, console: Console, found: "reader.Archive | reader.Foreign", what: str):
        self.console, self.what, self.done, self.told = console, what, 0, 0.0
        self.total = found.manifest.head["counts"]["bytes"] if found.has_checksums else 0

    def __call__(self, count: int) -> None:
        self.done += count
        if self.total and time.monotonic() - self.told >= LOOK_EVERY:
            self.told = time.monotonic()
            words = f"{size(self.done)} of about {size(self.total)}"
            self.console.progress(self.what, min(99, self.done * 100 // self.total), words)


def _lost() -> None:
    """Another process has the run, or the database is away: what this one does is void."""
    sys.stderr.write("The lease of the run was lost; ending. Its page says how it goes on.\n")
    os._exit(FAILED)


@contextmanager
def _opened(path: Path, identity: Path | None) -> Iterator["reader.Archive | reader.Foreign"]:
    try:
        with reader.open_archive(str(path), str(identity) if identity else None) as found:
            yield found
    except reader.ArchiveError as error:
        raise Ended(str(error), error.code) from error


def archive_at(path: Path) -> Archive | None:
    """The row of this file, where the console has one."""
    absolute = _absolute(path)
    location = services.location_at(absolute.parent)
    rows = Archive.objects.filter(name=absolute.name, state__in=THERE)
    if location:
        return rows.filter(location=location).first()
    return rows.filter(location=None, outside=str(absolute.parent), host=settings.WORKER_HOST).first()


def _profile(name: str | None) -> ArchiveProfile:
    profiles = ArchiveProfile.objects.select_related("location")
    if name:
        found = profiles.filter(name=name).first()
        if found is None:
            raise Ended(f"There is no profile {name}. {_names(profiles)}", USAGE)
        return found
    here = list(profiles.filter(location__host=settings.WORKER_HOST)[:2])
    if len(here) != 1:
        raise Ended(f"Say which profile: --profile NAME. {_names(profiles)}", USAGE)
    return here[0]


def _names(profiles) -> str:
    names = ", ".join(profiles.values_list("name", flat=True))
    return f"There are: {names}." if names else "There is none yet; add one in the console."


def _absolute(path: Path) -> Path:
    """Without links in the directory: that is how locations are known."""
    return path.parent.resolve() / path.name
