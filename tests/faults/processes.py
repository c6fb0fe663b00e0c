"""The processes of a running console: found in /proc, killed and frozen by name."""

import os
import signal
from pathlib import Path


def table() -> dict[int, tuple[int, int]]:
    """pid -> (parent, session) of every living process."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if fields[0] != "Z":
                found[int(entry.name)] = (int(fields[1]), int(fields[3]))
    return found


def below(pid: int) -> list[int]:
    """All descendants of a process, parents first."""
    parents, found = table(), [pid]
    for one in found:
        found += [child for child, (parent, _) in parents.items() if parent == one]
    return found[1:]


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def children(pid: int) -> list[int]:
    return sorted(child for child, (parent, _) in table().items() if parent == pid)


class Console:
    """The processes below one ``manage.py up``. Each property is None (or empty) while it is not there."""

    def __init__(self, pid: int) -> None:
        self.up = pid

    def _child(self, pid: int | None, word: str) -> int | None:
        return next((child for child in children(pid) if word in command(child)), None) if pid else None

    @property
    def web(self) -> int | None:
        return self._child(self.up, "gunicorn")

    @property
    def supervisor(self) -> int | None:
        return self._child(self.up, "manage.py worker")

    @property
    def ticker(self) -> int | None:
        return self._child(self.supervisor, "--part ticker")

    @property
    def main(self) -> int | None:
        return self._child(self.supervisor, "--part queue")

    @property
    def sentinel(self) -> int | None:
        return next(iter(children(self.main)), None) if self.main else None

    @property
    def workers(self) -> list[int]:
        """Without monitor and pusher, which the sentinel starts around them."""
        return children(self.sentinel)[:-2] if self.sentinel else []


def send(pids: list[int], number: int = signal.SIGKILL) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
