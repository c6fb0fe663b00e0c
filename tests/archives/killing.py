"""Kills processes and looks at what is there afterwards. ``KILLS=100`` in the environment makes more of them."""

import json
import os
import random
import signal
import stat
import subprocess
import sys
from pathlib import Path
from time import monotonic

from .restoring import picture

KILLS = int(os.environ.get("KILLS", "6"))
ROOT = Path(__file__).resolve().parents[2]
OWN = (".restore-", ".before-", ".restore.json")


def tree_of(folder: Path) -> dict[str, tuple]:
    """All that a restore brings back: names, kinds, modes, contents, times, owners, attributes; not our own names."""
    found = {}
    for name, seen in picture(folder).items():
        if not name.startswith(OWN):
            path = os.fsencode(folder) + b"/" + os.fsencode(name)
            facts = os.lstat(path)
            attributes = (
                {} if stat.S_ISLNK(facts.st_mode) else {each: os.getxattr(path, each) for each in os.listxattr(path)}
            )
            time = 0 if name == "files" else facts.st_mtime_ns  # no archive has the time of that one
            found[name] = (*seen, time, facts.st_uid, facts.st_gid, attributes)
    return found


def own_names(folder: Path) -> list[str]:
    """What restores have left there, but for the trees that they keep."""
    return sorted(path.name for path in folder.iterdir() if ".restore" in path.name)


def die_at(step: int, **spec) -> bool:
    """Runs ``dying``; whether it was killed."""
    command = [sys.executable, "-m", "tests.archives.dying", json.dumps({"step": step, **spec})]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


def kill_at_random(command: list[str], longest: float, chance: random.Random) -> bool:
    """Kills a process after a part of ``longest`` seconds; False when it was over before."""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            _, errors = process.communicate(timeout=chance.uniform(0, longest))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            return True
    assert process.returncode == 0, errors
    return False


def seconds_of(command: list[str]) -> float:
    began = monotonic()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    return monotonic() - began
