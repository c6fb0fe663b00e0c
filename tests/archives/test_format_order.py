"""Whatever is in a tree: entries come in the order of the walk, as plain tar needs it to set times and modes of
directories, blocks keep their limit, and every name has its content."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backups.archives.format import trees
from backups.archives.format.blocks import LONGEST

from .reading import Archive, write

SIZES = st.sampled_from([0, 1, 700, 300_000, 900_000, 1 << 20, (1 << 20) + 1])
ENTRIES = st.lists(
    st.tuples(st.sampled_from("abc"), st.one_of(SIZES, st.sampled_from(["second name", "link"]))), max_size=25
)


def made(root: Path, entries: list[tuple]) -> list[str]:
    """The tree, and the names that its archive must have, in order."""
    first, places = None, {folder: ([], []) for folder in "abc"}
    for folder in places:
        (root / folder).mkdir(parents=True)
    for number, (folder, what) in enumerate(entries):
        path = root / folder / f"{number:02}"
        if what == "link":
            path.symlink_to("away")
        elif what == "second name" and first:
            path.hardlink_to(first)
        else:
            size = 10 if what == "second name" else what
            path.write_bytes(os.urandom(size))
            first = first or path
        places[folder][what != "link"].append(f"files/tree/{folder}/{number:02}")
    lists = ([f"files/tree/{folder}", *links, *files] for folder, (links, files) in places.items())
    return ["files/tree", *(name for names in lists for name in names)]


def same(archive: Archive, root: Path, name: str) -> bool:
    path, entry = root / name.removeprefix("files/tree/"), archive.files[name]
    if entry["type"] == "h":
        return path.samefile(root / entry["target"].removeprefix("files/tree/"))
    return entry["type"] != "f" or archive.content(name) == path.read_bytes()


@pytest.mark.parametrize(("codec", "jobs", "first"), [("tar", 1, 200), ("gz", 1, 3), ("gz", 2, 70)])
@settings(max_examples=12)
@given(entries=ENTRIES)
def test_entries_come_in_the_order_of_the_walk(codec, jobs, first, entries):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(trees, "FIRST_FILES", first)
        root = Path(folder) / "tree"
        names = made(root, entries)
        archive = write(Path(folder), root, codec, jobs=jobs)

        assert list(archive.files) == names
        assert all(same(archive, root, name) for name in names)
        assert all(len(block.plain) <= LONGEST for block in archive.blocks)


def test_helpers_give_back_what_finds_no_room(tmp_path):
    """A hundred files of 500 KB: a first batch of all of them is packed in many pieces."""
    root = tmp_path / "tree"
    root.mkdir()
    for number in range(100):
        (root / f"{number:03}").write_bytes(os.urandom(500_000))

    archive = write(tmp_path, root, jobs=2)

    assert list(archive.files)[1:] == [f"files/tree/{number:03}" for number in range(100)]
    assert max(len(block.plain) for block in archive.blocks) <= LONGEST
    assert all(same(archive, root, f"files/tree/{number:03}") for number in range(100))
