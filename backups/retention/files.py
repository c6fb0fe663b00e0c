"""What a deletion does to files: the very file or folder that is known, and no other. No rows.

A file is known by its device and inode as the look of the same run saw it; a safety copy by those that were written
down when it was made.
"""

import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from backups.archives.format.index import index_of
from backups.archives.locations import folder


class NotOurs(Exception):
    """What is there is not what is to be removed, or it cannot be told. It was left as it is."""


class Known(NamedTuple):
    device: int
    inode: int


def archive_file(path: Path, size: int | None, mtime_ns: int | None) -> Known:
    """The file of an archive, if it is the one that was last looked at. Raises NotOurs and OSError."""
    if folder.is_emptied(path.parent):
        raise NotOurs(folder.emptied(path.parent))
    facts = path.lstat()
    if not stat.S_ISREG(facts.st_mode):
        raise NotOurs(f"{path} is no regular file. It was left as it is.")
    if (facts.st_size, facts.st_mtime_ns) != (size, mtime_ns):
        raise NotOurs(f"{path} was changed since the console last looked at it. It was left as it is.")
    return Known(facts.st_dev, facts.st_ino)


def remove_archive(path: Path, known: Known) -> list[str]:
    """The file, then what lies beside it for it alone, and the directory written to the disk. Safe to repeat: what is
    gone is gone. Returns what is left of it, in words. Raises NotOurs when another file has the name now, and OSError
    as long as the file is there."""
    if (facts := _facts(path)) is not None:
        if (facts.st_dev, facts.st_ino) != known:
            raise NotOurs(f"{path} is another file now. It was left as it is.")
        path.unlink()
    left = []
    for beside in (path.with_name(f"{path.name}.sha256"), index_of(path)):
        try:
            beside.unlink(missing_ok=True)
        except OSError as error:
            left.append(f"{beside} was left there: {error.strerror}.")
    _sync(path.parent)
    return left


def safety_copy(path: Path, facts: dict, *, directory: bool) -> bool:
    """Whether the safety copy is there; raises NotOurs where something else is, or what was made is not known."""
    suffix = facts.get("suffix", "")
    if directory and (not suffix or not path.name.endswith(suffix)):
        raise NotOurs(f"The name of {path} does not end as that of a safety copy does. It was left as it is.")
    found = _facts(path)
    if found is None:
        return False
    right_kind = stat.S_ISDIR(found.st_mode) if directory else stat.S_ISREG(found.st_mode)
    if not right_kind or (found.st_dev, found.st_ino) != (facts.get("dev"), facts.get("inode")):
        raise NotOurs(f"{path} is not what the restore had made. It was left as it is.")
    return True


def remove_safety_copy(path: Path, facts: dict, *, directory: bool) -> None:
    """Raises NotOurs and OSError. Safe to repeat: what is left of a folder still has its name and inode."""
    if safety_copy(path, facts, directory=directory):
        if directory:
            _remove_tree(path)
        else:
            path.unlink()
    with suppress(FileNotFoundError):
        _sync(path.parent)


def _remove_tree(path: Path) -> None:
    """Never through a link: Python opens each folder by its parent. Folders that were closed are opened first."""
    if not shutil.rmtree.avoids_symlink_attacks:
        raise NotOurs(f"{path} cannot be removed safely on this system.")
    try:
        shutil.rmtree(path)
    except PermissionError:
        _open_folders(path)
        shutil.rmtree(path)


def _open_folders(path: Path) -> None:
    path.chmod(0o700)
    for _, folders, _, descriptor in os.fwalk(path, follow_symlinks=False):
        for name in folders:
            if stat.S_ISDIR(os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode):
                os.chmod(name, 0o700, dir_fd=descriptor)


def is_there(path: Path) -> bool:
    """Whether something has this name; also where that cannot be told."""
    try:
        return _facts(path) is not None
    except OSError:
        return True


def _facts(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except FileNotFoundError:
        return None


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
