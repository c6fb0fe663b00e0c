"""What tests of the reader have in common: archives as files, pictures of directories, the program as a process."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from backups.archives import cybersift_restore as reader

PROGRAM = Path(reader.__file__)
HANDS = reader.Hands()
"""Who does the work: the fixture ``hands`` puts the fast reader here."""


def archive_file(folder: Path, data: bytes, name: str = "backup.tar.gz") -> str:
    path = folder / name
    path.write_bytes(data)
    return str(path)


def extract(path: str, to: Path, **options):
    with reader.open_archive(path) as archive:
        return HANDS.extract(archive, str(to), reader.Options(**options))


def verify(path: str):
    with reader.open_archive(path) as archive:
        return HANDS.verify(archive)


def is_refused(path: str, to: Path) -> str:
    """Tries to extract, and gives the reason why that was refused."""
    try:
        extract(path, to)
    except reader.ArchiveError as error:
        return str(error)
    raise AssertionError("it was extracted")


def picture(folder: Path) -> dict[str, tuple]:
    """All below a directory: names, kinds, modes and contents."""
    found = {}
    for place, directories, files in os.walk(os.fsencode(folder)):
        for name in [*directories, *files]:
            path = os.path.join(place, name)  # noqa: PTH118 - names that are no text
            stat = os.lstat(path)
            kind = stat.st_mode & 0o170000
            content = None
            if kind == 0o120000:
                content = os.readlink(path)  # noqa: PTH115 - names that are no text
            elif kind == 0o100000:
                content = digest(path)
            found[os.fsdecode(path[len(os.fsencode(folder)) + 1 :])] = (oct(stat.st_mode), content)
    return found


def digest(path: bytes) -> str:
    with open(path, "rb") as file:  # noqa: PTH123 - names that are no text
        return hashlib.sha256(file.read()).hexdigest()


def run(*arguments: str, python: str = sys.executable, env: dict | None = None) -> subprocess.CompletedProcess:
    command = [python, str(PROGRAM), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=60, check=False)
