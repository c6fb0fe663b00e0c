"""The walk: what it yields, in which order, what it leaves out and what it says of that."""

import os
import socket
from pathlib import Path

import pytest

from backups.gateways import filetree
from backups.gateways.filetree import Directory, Owners, Selection, Skipped, walk


@pytest.fixture
def tree(tmp_path):
    """Directories and files of every kind; the same files in each of the directories."""
    root = tmp_path / "root"
    for path in ("b/deep/er", "a", "empty"):
        (root / path).mkdir(parents=True)
    for path in ("z.txt", "a/one.log", "a/two.txt", "b/deep/er/keep.txt", "b/deep/er/x.log"):
        (root / path).write_text(path)
    (root / "link").symlink_to("a")
    return root


def found(root, **options) -> tuple[list, list]:
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        everything = list(walk(descriptor, Selection(**options)))
    finally:
        os.close(descriptor)
    return [x for x in everything if isinstance(x, Directory)], [x for x in everything if isinstance(x, Skipped)]


def paths(root, **options) -> list[str]:
    """Directories with a slash at their end, links and files, in the order of the walk."""
    listed = []
    for directory in found(root, **options)[0]:
        prefix = directory.path.decode() + "/" if directory.path else ""
        listed.append(prefix or "./")
        names = [link.name for link in directory.links] + directory.files
        listed += [prefix + name.decode() for name in names]
    return listed


def test_directories_come_before_what_is_in_them_in_order_of_name(tree):
    assert paths(tree) == [
        *("./", "link", "z.txt", "a/", "a/one.log", "a/two.txt", "b/", "b/deep/", "b/deep/er/"),
        *("b/deep/er/keep.txt", "b/deep/er/x.log", "empty/"),
    ]


def test_links_are_not_followed_but_told(tree):
    (link,) = found(tree)[0][0].links

    assert link.target == b"a"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"exclude": ["*.log", "b/"]}, ["./", "link", "z.txt", "a/", "a/two.txt", "empty/"]),
        ({"exclude": ["*", "!*.txt"]}, ["./", "z.txt"]),
        ({"include": ["*.log"]}, ["./", "a/", "a/one.log", "b/", "b/deep/", "b/deep/er/", "b/deep/er/x.log"]),
        ({"include": ["*.log"], "exclude": ["/a"]}, ["./", "b/", "b/deep/", "b/deep/er/", "b/deep/er/x.log"]),
        ({"include": ["empty/"]}, ["./", "empty/"]),
        ({"include": ["/z.txt", "# none"]}, ["./", "z.txt"]),
        ({"include": ["nothing"]}, []),
    ],
)
def test_patterns_are_those_of_gitignore(tree, options, expected):
    assert paths(tree, **options) == expected


def test_an_excluded_directory_is_not_entered(tree):
    (tree / "a").chmod(0)

    assert not found(tree, exclude=["a/"])[1]


def test_what_is_no_regular_file_is_told_with_its_kind(tree):
    os.mkfifo(tree / "pipe")
    with socket.socket(socket.AF_UNIX) as own:
        own.bind(str(tree / "sock"))

    skipped = found(tree)[1]

    assert skipped == [Skipped(b"pipe", "a FIFO"), Skipped(b"sock", "a socket")]


def test_a_directory_that_vanishes_during_the_walk_is_told(tree):
    descriptor = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
    steps = walk(descriptor, Selection())
    next(steps)
    (tree / "empty").rmdir()
    (tree / "a").rename(tree / "gone")
    (tree / "a").symlink_to("gone")

    skipped = [each for each in steps if isinstance(each, Skipped)]

    os.close(descriptor)
    assert [(each.path, each.why) for each in skipped] == [(b"a", "became something else"), (b"empty", "vanished")]
    assert all(each.errno for each in skipped)


def test_a_link_that_vanishes_during_the_walk_is_told(tree, monkeypatch):
    monkeypatch.setattr(filetree, "AT_ONCE", 1)
    (tree / "links").mkdir()
    for name in ("one", "two"):
        (tree / "links" / name).symlink_to("a")
    descriptor = os.open(tree / "links", os.O_RDONLY | os.O_DIRECTORY)
    steps = walk(descriptor, Selection())
    first = next(steps)
    (other,) = {"one", "two"} - {first.links[0].name.decode()}
    (tree / "links" / other).unlink()

    rest = list(steps)

    os.close(descriptor)
    assert len(first.links) == 1 and first.first
    assert rest[1:] == [Skipped(other.encode(), "vanished", 2)] and not rest[0].first


@pytest.mark.parametrize("at_once", [1, 2, 3, 100])
def test_a_long_directory_comes_in_portions(tree, monkeypatch, at_once):
    monkeypatch.setattr(filetree, "AT_ONCE", at_once)

    directories = found(tree)[0]

    assert [each.path for each in directories if each.first] == [b"", b"a", b"b", b"b/deep", b"b/deep/er", b"empty"]
    assert sorted(name for each in directories if each.path == b"a" for name in each.files) == [
        b"one.log",
        b"two.txt",
    ]


def test_another_file_system_is_not_entered_when_asked():
    """What is mounted below /dev stands for what a site has mounted into its tree."""
    mounts = {each.name for each in Path("/dev").iterdir() if each.is_mount() and not each.is_symlink()}
    if not mounts:
        pytest.skip("nothing is mounted below /dev")

    skipped = found("/dev", one_file_system=True, include=["none"])[1]

    assert {each.path.decode() for each in skipped if each.why == "another file system"} >= mounts


def test_names_are_bytes(tree):
    odd = b"\xff\n\x01 name"
    (tree / "a" / os.fsdecode(odd)).write_text("x")

    assert odd in [name for directory in found(tree)[0] for name in directory.files]
    assert paths(tree / "a", exclude=["*.log", "*.txt", "*name"]) == ["./"]


def test_no_part_of_a_path_may_be_a_link(tree):
    descriptor = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
    with pytest.raises(NotADirectoryError):
        filetree.open_directory(descriptor, b"link")
    with pytest.raises(OSError):
        filetree.open_file(descriptor, b"link")
    os.close(filetree.open_directory(descriptor, b"b/deep/er"))
    os.close(descriptor)


def test_owners_without_a_name_have_an_empty_one(tree):
    facts = tree.stat()
    nobody = os.stat_result((*facts[:4], 4_000_000_001, 4_000_000_001, *facts[6:]))

    assert Owners().of(nobody) == (4_000_000_001, 4_000_000_001, b"", b"")
    assert Owners().of(Path("/").stat()).uname == b"root"


def test_the_walk_leaves_no_descriptor_open(tree):
    before = len(list(Path("/proc/self/fd").iterdir()))
    found(tree)
    descriptor = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
    steps = walk(descriptor, Selection())
    next(steps)
    steps.close()
    os.close(descriptor)

    assert len(list(Path("/proc/self/fd").iterdir())) == before
