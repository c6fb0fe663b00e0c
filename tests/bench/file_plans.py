"""The plan of a restore of 200,000 files over a live tree, beside what rsync says of the unpacked archive.

Ours is the whole look at the archive and the tree, to the document that people approve; what is asked and how it is
kept in rows is not part of it. By size and time, and with all content read. A hundredth of the files differs.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.archives import IN_MEMORY, NEEDED, Place, beside, pack, shell
from tests.bench.console import set_up
from tests.bench.run import Row

DIFFERS = 100
RSYNC = "rsync {} --delete --itemize-changes {}/files/corpus/ {}/"


def rows() -> Iterator[Row]:
    set_up()
    fits = IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > NEEDED
    with tempfile.TemporaryDirectory(dir=IN_MEMORY if fits else None, prefix="console-bench-") as folder:
        place = Place(Path(folder))
        live, archive, unpacked = place.corpus("small_files"), place.root / "a.tar.gz", place.root / "unpacked"
        pack(live, archive, "gz")
        unpacked.mkdir()
        shell(f"tar xzf {archive} -C {unpacked}")
        change(live)
        for name, by_hash, flags, bar in (("size and time", False, "-an", 1.3), ("content", True, "-anc", 1.2)):
            yield beside(
                f"plan 200,000 files, {name}",
                lambda by_hash=by_hash: plan(archive, live, by_hash=by_hash),
                lambda flags=flags: shell(RSYNC.format(flags, unpacked, live)),
                bar,
                program=("rsync", "rsync"),
            )


def change(live: Path) -> None:
    """Every DIFFERS-th file is another one."""
    for number, file in enumerate(sorted(live.rglob("*.json"))):
        if number % DIFFERS == 0:
            file.write_text(f"{number} is another one")


def plan(archive: Path, live: Path, *, by_hash: bool) -> float:
    from backups.archives import cybersift_restore as reader
    from backups.archives.format import fast
    from backups.archives.sources import Source
    from backups.restores.archives.asked import Asked
    from backups.restores.archives.differing import Look, differing, scan_of
    from backups.restores.archives.found import FolderFound, Found
    from backups.restores.archives.plan import make_plan

    began, now = time.perf_counter(), live.stat()
    look, source = Look(whole=True, remove=True, by_hash=by_hash), Source("corpus", str(live))
    with fast.uncollected():
        scan = scan_of(source, str(live), look)
        with reader.open_archive(str(archive)) as found:
            differs = differing(found, source, str(live), look, scan).differences
        folder = FolderFound("corpus", str(live), f"{now.st_dev}:{now.st_ino}", differences=differs)
        made = make_plan(
            Asked("0" * 16, ("corpus",), remove=True), Found(None, os.uname().nodename, "a", folders=(folder,))
        )
    assert made.document["numbers"]["replace"] >= 2_000, made.document["numbers"]
    return time.perf_counter() - began
