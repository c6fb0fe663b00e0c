"""Make the virtual environment of this checkout, or bring it up to date; nothing happens when it is.

usage: python3 deploy/venv.py requirements.txt [more.txt]

Only the standard library, because it runs before anything is installed. A stamp with the hash of the
requirements is written last: an installation that was interrupted is simply done again.
"""

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
VENV = CHECKOUT / ".venv"
PYTHON = VENV / "bin" / "python"
TRIES = 3
NEWS = re.compile(r"^\s*Downloading .* MB\)")  # what takes its time


def main(requirements: list[str]) -> None:
    (CHECKOUT / "var").mkdir(exist_ok=True)
    with (CHECKOUT / "var" / "venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not working():
            make()
        wanted = "\n".join(digest(CHECKOUT / name) for name in requirements)
        stamp = VENV / f"{'+'.join(Path(name).stem for name in requirements)}.installed"
        if not stamp.is_file() or stamp.read_text() != wanted:
            install(requirements)
            stamp.write_text(wanted)


def working() -> bool:
    """An environment whose Python has been removed, or that was half made, is no environment."""
    check = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    return PYTHON.exists() and subprocess.run([PYTHON, "-c", check], capture_output=True).returncode == 0


def make() -> None:
    if not importlib.util.find_spec("ensurepip"):
        install_system_package("python3-venv")
    print("Making the virtual environment .venv", flush=True)
    shutil.rmtree(VENV, ignore_errors=True)
    done = subprocess.run([sys.executable, "-m", "venv", VENV], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"The virtual environment could not be made: {(done.stderr or done.stdout).strip()}")


def install_system_package(name: str) -> None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit(f"Python's venv module is missing. On Debian: sudo apt-get install {name}")
    print(f"Python's venv module is missing; installing the system package {name}", flush=True)
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", name]):
        subprocess.run(command, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


def install(requirements: list[str]) -> None:
    """pip, tried again when the network fails; what it downloads is said while it does."""
    print(f"Installing Python packages ({', '.join(requirements)})", flush=True)
    files = [word for name in requirements for word in ("-r", str(CHECKOUT / name))]
    command = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", *files]
    for attempt in range(1, TRIES + 1):
        problem = run_pip(command)
        if not problem:
            return
        print(f"The installation failed (try {attempt} of {TRIES}): {problem}", flush=True)
        time.sleep(attempt)
    sys.exit(f"The Python packages could not be installed. Try: {' '.join(map(str, command))}")


def run_pip(command: list) -> str:
    """'' when it went well, else pip's last word."""
    last = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        try:
            for line in pip.stdout:
                last = line.strip() or last
                if NEWS.match(line):
                    print(f"  {line.strip()[:100]}", flush=True)
        except BaseException:
            pip.kill()
            raise
    return "" if pip.returncode == 0 else last


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))  # so that pip is ended too
    main(sys.argv[1:])
