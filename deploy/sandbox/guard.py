"""Run a command that must not outlive the process that asked for it.

usage: python -I guard.py PARENT_PID SIGNAL GRACE_SECONDS COMMAND...

The kernel's parent-death signal follows the *thread* that started a process and is lost when a program
changes its user; a server such as Elasticsearch is a chain of three programs besides. So this small process
stands between: it has one thread for its whole life, watches whether its parent is still there, and passes
the end on. On SIGTERM, or when the parent is gone, the command gets its signal, and its whole process group
SIGKILL after the grace. If the guard itself is killed, the kernel kills the command.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time

LOOK_EVERY = 0.2
PR_SET_PDEATHSIG = 1


def main(parent: int, end_by: int, grace: float, command: list[str]) -> int:
    stop = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.append(True))
    child = subprocess.Popen(command, process_group=0, preexec_fn=die_with_parent)
    while child.poll() is None and not stop and os.getppid() == parent:
        wait(child, LOOK_EVERY)
    if child.poll() is None:
        child.send_signal(end_by)
        wait(child, grace)
    end_group(child)
    return child.wait()


def die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def wait(child: subprocess.Popen, seconds: float) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(seconds)


def end_group(child: subprocess.Popen) -> None:
    """What the command left behind. A member may need a moment to disappear, so ask until nobody is left."""
    for _ in range(50):
        child.poll()  # else the child itself would stay in its group as a zombie
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        time.sleep(0.02)


def start(command: list[str], *, end_by: int = signal.SIGTERM, grace: float = 15.0, **popen) -> subprocess.Popen:
    """Start the command under a guard, in a session of its own; terminate() ends both."""
    guard = [sys.executable, "-I", __file__, str(os.getpid()), str(int(end_by)), str(grace)]
    return subprocess.Popen([*guard, *command], start_new_session=True, stdin=subprocess.DEVNULL, **popen)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]))
