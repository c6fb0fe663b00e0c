"""Where the queue hands long steps over to the supervisor: a file each, named RUN-FENCE, in a folder of this host.

Files and not rows, so that the supervisor needs no database. A step is there from the moment in which it is handed
over until its process is gone; LONG_STEPS of them have a place.
"""

import fcntl
import logging
import re
import sys
import time
from pathlib import Path

from django.conf import settings

from .supervisor import Child

NAME = re.compile(r"([0-9]+)-([0-9]+)")

log = logging.getLogger(__name__)


def hand_over(run_id: int, fence: int) -> bool:
    """Give a claimed run to the supervisor; False when there is no place for it now, and while the disk is full: that
    must not use up the attempts of a run."""
    folder = _folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if len(_present()) >= settings.LONG_STEPS:
                return False
            (folder / f"{run_id}-{fence}").touch()
    except OSError as error:
        log.warning("not handed over: %s; asked again in a moment", error, extra={"run": run_id})
        return False
    return True


class LongStep(Child):
    """The process of one long step. It is started once; the run comes again by itself when it died."""

    def __init__(self, file: Path) -> None:
        run_id, fence = NAME.fullmatch(file.name).groups()
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "run_step", run_id, fence]
        super().__init__(f"step of run {run_id}", command)
        self.file = file

    def watch(self) -> None:
        now = time.monotonic()
        if self.process is None and now >= self.start_again_at:
            self._try_to_start(now)
        elif self.process is not None and self.process.poll() is not None:
            self.kill()

    def kill(self) -> None:
        """End what is left of it, and free its place."""
        super().kill()
        self.file.unlink(missing_ok=True)


class LongSteps:
    """All of this host. A supervisor that starts forgets those of the one before: they died with it."""

    def __init__(self) -> None:
        self.steps: dict[str, LongStep] = {}
        for file in _present():
            file.unlink(missing_ok=True)

    def present(self) -> list[LongStep]:
        """Those that are handed over or at work."""
        files = {file.name: file for file in _present()}
        self.steps = {name: self.steps.get(name) or LongStep(file) for name, file in files.items()}
        return list(self.steps.values())


def _present() -> list[Path]:
    folder = _folder()
    return sorted(file for file in folder.iterdir() if NAME.fullmatch(file.name)) if folder.is_dir() else []


def _folder() -> Path:
    return settings.CONSOLE_HOME / "long-steps" / settings.WORKER_HOST
