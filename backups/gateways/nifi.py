"""Finds the flow of a NiFi below a directory, and says whether it can be trusted.

NiFi replaces its flow by a new file now and then. A flow is only worth keeping when it was the same before and after
it was read, and when what was read is whole: a JSON or XML document in a gzip file whose sum is right.
"""

import hashlib
import json
import os
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal
from xml.parsers import expat

from .filetree import OPEN_FILE, reason

NAMES = ("flow.json.gz", "flow.xml.gz")
ROOT_ELEMENT = "flowController"
MOST = 256 << 20
"""A flow that inflates to more bytes is not looked at."""

TRIES, PAUSE = 3, 0.5
PIECE, GZIP = 1 << 20, 31


@dataclass(frozen=True)
class FlowCheck:
    """What is known of a flow. ``size`` in bytes and ``sha256`` in hex are those of the file as it lies there, empty
    where it could not be read. ``why`` is for people, empty where the flow is ok."""

    path: Path
    size: int
    sha256: str
    state: Literal["ok", "changing", "damaged"]
    why: str = ""


class Damaged(Exception):
    """Why a flow cannot be loaded."""


def find_flows(root: Path) -> list[Path]:
    """The flows below a directory, whatever its depth, in order of name. Symbolic links are not followed; directories
    that cannot be read are passed over."""
    found = [Path(folder, name) for folder, _, files in os.walk(root) for name in NAMES if name in files]
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


def check_flow(path: Path, wait: Callable[[float], None] = time.sleep) -> FlowCheck:
    """Read a flow until it stays the same for as long as that takes: three times at most, with a pause (``wait``, in
    seconds) between them."""
    for number in range(TRIES):
        if number:
            wait(PAUSE)
        try:
            size, sha256, same, why = _read(path)
        except OSError as error:
            return FlowCheck(path, 0, "", "damaged", reason(error))
        if same:
            return FlowCheck(path, size, sha256, "damaged" if why else "ok", why)
    return FlowCheck(path, size, sha256, "changing", "it was written to each time that it was read")


def _read(path: Path) -> tuple[int, str, bool, str]:
    """Size and digest, whether the file is still the one that was read and as it was, and what is wrong with it."""
    descriptor = os.open(path, OPEN_FILE)
    with os.fdopen(descriptor, "rb") as file:
        before = _version(os.fstat(descriptor))
        digest, why = _digest(file), ""
        file.seek(0)
        try:
            _check(_inflated(file), path.name.endswith(".json.gz"))
        except Damaged as error:
            why = str(error)
        file.seek(0)
        same = _digest(file) == digest and before == _version(os.fstat(descriptor)) == _version_at(path)
    return before[2], digest, same, why


def _version(facts: os.stat_result) -> tuple[int, ...]:
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns


def _version_at(path: Path) -> tuple[int, ...] | None:
    try:
        return _version(path.lstat())
    except FileNotFoundError:  # between two of NiFi's own steps
        return None


def _digest(file: BinaryIO) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()


def _inflated(file: BinaryIO) -> Iterator[bytes]:
    """What is in a gzip file, however many members it has. Damaged when it is none, is cut, or its sums are wrong."""
    member, total, done = zlib.decompressobj(GZIP), 0, False
    data = piece = file.read(PIECE)
    while data or piece:
        try:
            piece = member.decompress(data, PIECE)
        except zlib.error as error:
            raise Damaged(f"it is no whole gzip file ({error})") from error
        total += len(piece)
        if total > MOST:
            raise Damaged(f"it inflates to more than {MOST >> 20} MB")
        yield piece
        data, done = member.unconsumed_tail, member.eof
        if done:
            data, member = member.unused_data, zlib.decompressobj(GZIP)
        data = data or file.read(PIECE)
        if done and not data:
            return
    raise Damaged("its end is missing" if total else "it is empty")


def _check(pieces: Iterator[bytes], is_json: bool) -> None:
    (_check_json if is_json else _check_xml)(pieces)


def _check_json(pieces: Iterator[bytes]) -> None:
    """Nothing is kept of it but its text: the objects of a big flow would take gigabytes."""
    flow = object()
    try:
        found = json.loads(b"".join(pieces), object_pairs_hook=lambda _: flow)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"it is no JSON ({error})") from error
    if found is not flow:
        raise Damaged("it is no JSON object")


def _check_xml(pieces: Iterator[bytes]) -> None:
    parser, depth = expat.ParserCreate(), 0

    def start(name: str, _: dict) -> None:
        nonlocal depth
        if not depth and name != ROOT_ELEMENT:
            raise Damaged(f"it begins with <{name[:100]}>, not <{ROOT_ELEMENT}>")
        depth += 1

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1

    def refuse(*_) -> None:
        raise Damaged("it declares entities, as no flow does")

    parser.StartElementHandler, parser.EndElementHandler, parser.EntityDeclHandler = start, end, refuse
    try:
        for piece in pieces:
            parser.Parse(piece, False)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise Damaged(f"it is no XML ({error})") from error


PROCESSES = Path("/proc")
MAIN_CLASS = b"org.apache.nifi."
"""In the command line of every NiFi, which is a Java program."""


def running(processes: Path = PROCESSES) -> int | None:
    """The number of the first process of a NiFi on this host; None where none can be seen."""
    for folder in sorted(
        (each for each in processes.iterdir() if each.name.isdigit()), key=lambda each: int(each.name)
    ):
        try:
            words = (folder / "cmdline").read_bytes()
        except OSError:  # it has ended meanwhile, or is none of ours to see
            continue
        if MAIN_CLASS in words:
            return int(folder.name)
    return None
