"""Programs of the system: found where they are, installed where that can be done, else named in one line."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

Say = Callable[[str], None]
BIG_DOWNLOAD = re.compile(r"Get:\d+ \S+ \S+ \S+ (\S+) .*\[(\d+\S* MB)\]")
PACKAGED_JAVA = 17  # in Debian 12; a newer one is used where it is found
JAVA_PLACES = ("/usr/lib/jvm/*/bin/java", "/opt/java/*/bin/java", "/usr/java/*/bin/java")


class Missing(Exception):
    """A program that we cannot get by ourselves; the message is one line with the command to get it."""


def install(what: str, packages: list[str], say: Say) -> None:
    """Install Debian packages, saying so first; anywhere else raise Missing with the command."""
    command = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Missing(f"{what} is missing. On Debian: sudo apt-get install {' '.join(packages)}")
    say(f"{what} is missing; installing system packages: {' '.join(packages)}")
    _apt(["apt-get", "update", "-qq"], say)
    if problem := _apt(command, say):
        raise Missing(f"{what} could not be installed ({problem}). Try: {' '.join(command)}")


def _apt(command: list[str], say: Say) -> str:
    """Run apt-get, saying what is big enough to take its time; '' when it went well, else its last word."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    last = "no reason given"
    with subprocess.Popen(command, env=environment, text=True, **pipes) as apt:
        try:
            for line in apt.stdout:
                last = line.strip() or last
                if download := BIG_DOWNLOAD.match(line):
                    say(f"  Downloading {download[1]} ({download[2]})")
        except BaseException:
            apt.send_signal(signal.SIGINT)  # it ends where it may; a kill would leave packages half configured
            raise
    return "" if apt.returncode == 0 else last


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
    if oldest <= PACKAGED_JAVA:
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
