"""A process that ends itself by SIGKILL before its n-th call that changes a name or waits for the disk.

    python -m tests.archives.dying '{"step": 3, "do": "extract", "archive": "…", "to": "…", "exchange": true}'

The calls themselves are the real ones. With a step that does not come it does all of it and exits 0.
"""

import itertools
import json
import os
import signal
import sys
from pathlib import Path

from backups.archives import cybersift_restore as reader

CALLS = (
    (os, "rename"),
    (os, "fsync"),
    (os, "unlink"),
    (os, "rmdir"),
    (os, "link"),
    (os, "replace"),
    (reader, "rename_at"),
    (reader, "sync_file_system"),
)


def die_before(step: int) -> None:
    """Counts the calls from now on."""
    calls = itertools.count()
    for module, name in CALLS:
        setattr(module, name, mortal(getattr(module, name), calls, step))


def mortal(call, calls, step: int):
    def counted(*arguments, **named):
        if next(calls) == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **named)

    return counted


def main(step: int, do: str, to: str, archive: str, exchange: bool = True) -> None:
    die_before(step)
    if do == "write":
        write(Path(archive), Path(to))
        return
    if do == "undo":
        reader.undo(to, exchange=exchange)
        return
    with reader.open_archive(archive) as opened:
        reader.extract(opened, to, reader.Options(replace=True, exchange=exchange))


def write(archive: Path, tree: Path) -> None:
    from backups.archives.format.writer import ArchiveWriter  # half of a start, which the others do without

    from .reading import ABOUT

    with ArchiveWriter(archive, ABOUT) as writer:
        writer.add_tree("tree", tree)
        writer.finish()


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
