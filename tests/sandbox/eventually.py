"""Waiting for what other processes do."""

import time
from collections.abc import Callable
from pathlib import Path


def eventually(what: Callable[[], object], within: float = 60.0) -> object:
    """The first true answer; an assertion error when there is none in time."""
    end = time.monotonic() + within
    while not (answer := what()):
        assert time.monotonic() < end, f"still not after {within:.0f} s: {what}"
        time.sleep(0.05)
    return answer


def running(word: str) -> list[int]:
    """Processes with this word on their command line; what has ended and is only waited for does not count."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if word in (entry / "cmdline").read_text(errors="replace"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found
