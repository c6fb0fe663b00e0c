"""Signs of life between the processes of one host: files whose time says 'still working'.

Files and not rows, so that the supervisor needs no database and is not fooled by one that is locked.
"""

import time
from pathlib import Path

from django.conf import settings

TASK = "task"
TICK = "tick"


def touch(name: str) -> None:
    file = _file(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()


def age(name: str) -> float:
    """Seconds since the last sign of life; infinite when there was none."""
    try:
        return max(0.0, time.time() - _file(name).stat().st_mtime)
    except FileNotFoundError:
        return float("inf")


def _file(name: str) -> Path:
    return settings.CONSOLE_HOME / "pulse" / f"{settings.WORKER_HOST}-{name}"
