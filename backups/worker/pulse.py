"""Signs of life between the processes of one host: files whose time says 'still working'.

Files and not rows, so that the supervisor needs no database and is not fooled by one that is locked. A file's time is
set to the seconds since the machine started, so that nobody is fooled by a clock that jumps, and a full disk does no
harm.
"""

import os
import time
from pathlib import Path

from django.conf import settings

TASK = "task"
TICK = "tick"


def touch(name: str) -> None:
    file, now = _file(name), time.monotonic()
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    os.utime(file, (now, now))  # at once: a file that had the calendar's time for a moment would look lifeless


def age(name: str) -> float:
    """Seconds since the last sign of life; infinite when there was none."""
    try:
        passed = time.monotonic() - _file(name).stat().st_mtime
    except FileNotFoundError:
        return float("inf")
    return passed if passed >= 0 else float("inf")  # from before the machine was started again


def _file(name: str) -> Path:
    return settings.CONSOLE_HOME / "pulse" / f"{settings.WORKER_HOST}-{name}"
