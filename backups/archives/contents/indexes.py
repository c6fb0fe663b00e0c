"""File indexes: made when an archive is read, found beside it afterwards."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .. import cybersift_restore as reader
from .. import reading
from ..format import index
from ..format.index import Index, NoIndex
from ..models import Archive, ArchiveState


def keep(archive: Archive, found: "reader.Archive") -> None:
    """Write the index beside the archive, unless its profile wants none. A location without room gets none: an
    archive does not fail for that."""
    if archive.made_by is None or archive.made_by.keep_index:
        with suppress(OSError):
            build(index.index_of(archive.path), found)


def build(path: Path, found: "reader.Archive") -> None:
    """Write the index of an archive that is open."""
    manifest = found.manifest
    facts = {"manifest_sha256": found.footer.sha256.hex(), "head": manifest.head, "redis": manifest.redis}
    index.build(path, _with_directories(manifest.members), manifest.errors, facts)


@contextmanager
def of(archive: Archive) -> Iterator[Index]:
    """The index of an archive; made anew where it is missing, and for the moment only where none is to be kept.
    Raises the reader's errors, NoKey and NoIndex."""
    try:
        with index.opened(index.index_of(archive.path), archive.manifest_sha256) as found:
            yield found
            return
    except NoIndex:
        if archive.encrypted:
            raise reading.NoKey from None
    if archive.state == ArchiveState.FOUND and archive.keys is None and not archive.foreign:
        raise NoIndex("Its list of files was too much for a look. Verify it first.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        with reading.opened(archive) as opened:
            if not opened.has_checksums:
                raise NoIndex("It has no manifest: all of it would have to be read. Use the command line to list it.")
            build(path, opened)
            keep(archive, opened)
            sha256 = opened.footer.sha256.hex()
        with index.opened(path, sha256) as found:
            yield found


def _with_directories(members: list["reader.Entry"]) -> Iterator["reader.Entry"]:
    """The entries, and the directories ``files`` and ``redis``, which no entry stands for."""
    known = {member.path for member in members if member.type == "d"}
    made: set[str] = set()
    for member in members:
        above = member.path.split("/")[:-1]
        for depth in range(1, len(above) + 1):
            path = "/".join(above[:depth])
            if path not in known and path not in made:
                made.add(path)
                yield reader.Entry(path, "d")
        yield member
