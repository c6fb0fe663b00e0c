"""Where a folder lies by now: what somebody has done to it as a whole since it was packed."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path


class Mounts:
    """What was mounted, and made immutable even for root, so that it is taken away again."""

    def __init__(self) -> None:
        self.mounted: list[Path] = []
        self.locked: list[Path] = []

    def lock(self, folder: Path) -> None:
        """Nothing in the folder itself may be made, removed or renamed. Raises OSError where that may not be."""
        if subprocess.run(["chattr", "+i", str(folder)], capture_output=True).returncode:
            raise OSError("nothing can be made immutable here")
        self.locked.append(folder)

    def over(self, folder: Path, *, read_only: bool = False) -> None:
        """The folder becomes a file system of its own, with the same in it. Raises OSError where that may not be."""
        aside = folder.with_name(f"{folder.name}.aside")
        folder.rename(aside)
        folder.mkdir()
        shutil.copystat(aside, folder)
        if subprocess.run(["mount", "-t", "tmpfs", "none", str(folder)], capture_output=True).returncode:
            raise OSError("nothing can be mounted here")
        self.mounted.append(folder)
        subprocess.run(["cp", "-a", f"{aside}/.", str(folder)], check=True)
        shutil.rmtree(aside)
        if read_only:
            subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)

    def clear(self) -> None:
        for folder in self.locked:
            subprocess.run(["chattr", "-i", str(folder)], check=True)
        for folder in reversed(self.mounted):
            subprocess.run(["umount", "-l", str(folder)], check=True)


def _missing(folder: Path, settings, mounts: Mounts) -> None:
    folder.rename(folder.with_name("lost"))


def _no_parent(folder: Path, settings, mounts: Mounts) -> None:
    folder.parent.rename(folder.parent.with_name("lost"))


def _a_file(folder: Path, settings, mounts: Mounts) -> None:
    _missing(folder, settings, mounts)
    folder.write_text("a file")


def _a_link(folder: Path, settings, mounts: Mounts) -> None:
    _missing(folder, settings, mounts)
    folder.symlink_to(folder.with_name("lost"))


def _a_mount_inside(folder: Path, settings, mounts: Mounts) -> None:
    if (folder / "a").is_dir():
        mounts.over(folder / "a")


def _the_console_inside(folder: Path, settings, mounts: Mounts) -> None:
    settings.RUN_LOGS_DIR = folder / "a" / "logs"
    if (folder / "a").is_dir():
        settings.RUN_LOGS_DIR.mkdir()
        (settings.RUN_LOGS_DIR / "run-1.log").write_text("the console's")


def _inside_the_console(folder: Path, settings, mounts: Mounts) -> None:
    settings.DOWNLOADS_DIR = folder.parent


PLACES: dict[str, Callable] = {
    "as it was": lambda folder, settings, mounts: None,
    "missing": _missing,
    "no parent": _no_parent,
    "a file": _a_file,
    "a link": _a_link,
    "a mount": lambda folder, settings, mounts: mounts.over(folder),
    "read-only": lambda folder, settings, mounts: mounts.over(folder.parent, read_only=True),
    "a mount inside": _a_mount_inside,
    "locked": lambda folder, settings, mounts: mounts.lock(folder),
    "locked above": lambda folder, settings, mounts: mounts.lock(folder.parent),
    "locked inside": lambda folder, settings, mounts: mounts.lock(folder / "a"),
    "the console inside": _the_console_inside,
    "inside the console": _inside_the_console,
}
ELSEWHERE = ("missing", "empty", "full", "no parent", "a mount", "read-only")


def elsewhere(place: str, to: Path, mounts: Mounts) -> Path:
    """Another folder to restore to, which is one of ELSEWHERE."""
    if place == "no parent":
        return to / "below" / "that"
    if place != "missing":
        to.mkdir()
    if place == "full":
        (to / "something").write_text("there")
    if place in ("a mount", "read-only"):
        mounts.over(to, read_only=place == "read-only")
    return to
