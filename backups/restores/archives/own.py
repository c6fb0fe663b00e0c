"""What a restore never touches: the console's own database, keys, checkpoints and logs, the archives themselves, and
what is mounted in a folder."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from backups.archives.models import Archive, ArchiveLocation

MOUNTS = Path("/proc/self/mountinfo")
OCTAL = re.compile(rb"\\([0-7]{3})")


def directories(archive: Archive) -> list[Path]:
    """Those of the console on this host, whether they are there or not."""
    own = [settings.CONSOLE_HOME, settings.KEYS_DIR, settings.CHECKPOINTS_DIR, settings.RUN_LOGS_DIR]
    own += [settings.DOWNLOADS_DIR, settings.SAFETY_DIR, settings.IDENTITIES_DIR, archive.path.parent]
    locations = ArchiveLocation.objects.filter(host=settings.WORKER_HOST)
    return [Path(each) for each in [*own, *locations.values_list("path", flat=True)]]


def database_files() -> list[Path]:
    """The database, where it is a file."""
    database = settings.DATABASES["default"]
    if "sqlite3" not in database["ENGINE"]:
        return []
    return [Path(f"{database['NAME']}{end}") for end in ("", "-wal", "-shm", "-journal")]


def inside(target: str, archive: Archive) -> list[str]:
    """What of the console lies in this folder."""
    real = os.path.realpath(target)
    return sorted({str(own) for own in [*directories(archive), *database_files()] if is_below(real, own)})


def around(target: str, archive: Archive) -> str:
    """The directory of the console that this folder lies in, or is; empty where it is in none."""
    real = Path(os.path.realpath(target))
    found = [own for own in directories(archive) if real.is_relative_to(os.path.realpath(own))]
    return str(found[0]) if found else ""


def is_below(real: str, own: Path) -> bool:
    return Path(os.path.realpath(own)).is_relative_to(real)


def mounts_in(target: str) -> list[str]:
    """What is mounted below this folder, not the folder itself."""
    real = os.path.realpath(target)
    return [place for place in _mounts() if place != real and Path(place).is_relative_to(real)]


def _mounts() -> Iterator[str]:
    try:
        lines = MOUNTS.read_bytes().splitlines()
    except OSError:  # no Linux with /proc: a rename will say it
        return
    for line in lines:
        place = OCTAL.sub(lambda found: bytes([int(found[1], 8)]), line.split(b" ")[4])
        yield os.fsdecode(place)
