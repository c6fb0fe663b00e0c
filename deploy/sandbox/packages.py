"""Programs of the system: found where they are, installed where that can be done, else named in one line."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

Say = Callable[[str], None]
JAVA_PLACES = ("/usr/lib/jvm/*/bin/java", "/opt/java/*/bin/java", "/usr/java/*/bin/java")


class Missing(Exception):
    """A program that we cannot get by ourselves; the message is one line with the command to get it."""


def install(what: str, packages: list[str], say: Say) -> None:
    """Install Debian packages, saying so first; anywhere else raise Missing with the command."""
    command = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Missing(f"{what} is missing. On Debian: sudo apt-get install {' '.join(packages)}")
    say(f"{what} is missing; installing system packages: {' '.join(packages)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for attempt in (["apt-get", "update", "-qq"], command):
        done = subprocess.run(attempt, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise Missing(f"{what} could not be installed ({last}). Try: {' '.join(command)}")


def program(name: str, package: str, say: Say) -> str:
    """The path of a program, installed from the package of Debian that has it when it is missing."""
    if not shutil.which(name):
        install(name, [package], say)
    if found := shutil.which(name):
        return found
    raise Missing(f"{name} is still missing after installing {package}")


def java(oldest: int, newest: int, say: Say) -> Path:
    """The home of a Java whose version is in the range; the one on PATH first, then the system's others."""
    if home := find_java(oldest, newest):
        return home
    install(f"Java {oldest}", ["default-jre-headless"], say)
    if home := find_java(oldest, newest):
        return home
    raise Missing(f"Java {oldest} to {newest} is missing. On Debian: apt-get install openjdk-{oldest}-jre-headless")


def find_java(oldest: int, newest: int) -> Path | None:
    places = [Path(found)] if (found := shutil.which("java")) else []
    for pattern in JAVA_PLACES:
        places += sorted(Path("/").glob(pattern.removeprefix("/")))
    for place in places:
        if oldest <= java_version(place) <= newest:
            return place.resolve().parent.parent
    return None


def java_version(binary: Path) -> int:
    """The feature release (17, 21); 0 for what does not answer."""
    try:
        answer = subprocess.run([binary, "-XX:-UsePerfData", "-version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    version = re.search(r'version "(?:1\.)?(\d+)', answer.stderr + answer.stdout)
    return int(version[1]) if version else 0
