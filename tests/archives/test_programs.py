"""Other programs beside ours: rsync finds no difference after a round trip, bsdtar reads what we write."""

import subprocess

import pytest

from deploy.sandbox import packages

from .restoring import extract
from .test_both import odd_tree, tree, written

__all__ = ["odd_tree", "tree"]  # the fixtures


def program(name: str, package: str) -> str:
    try:
        return packages.program(name, package, print)
    except packages.Missing as missing:
        pytest.skip(str(missing))


def lines(*command) -> list[str]:
    done = subprocess.run([*map(str, command)], capture_output=True, check=True)
    return done.stdout.decode("utf-8", "surrogateescape").splitlines()


@pytest.mark.parametrize("codec", ["gz", "zst", "tar"])
def test_rsync_finds_nothing_to_bring_over(odd_tree, tmp_path, codec):
    """Contents, modes, times, owners, hard links, attributes and ACLs."""
    rsync = program("rsync", "rsync")
    out = tmp_path / "out"
    extract(written(tmp_path, odd_tree, codec), out, owner=True)

    assert lines(rsync, "-aHAXni", "--checksum", "--delete", f"{odd_tree}/", f"{out}/files/tree/") == []


def test_bsdtar_reads_every_entry(odd_tree, tmp_path):
    bsdtar = program("bsdtar", "libarchive-tools")
    out = tmp_path / "bsd"
    out.mkdir()

    lines(bsdtar, "-xpf", written(tmp_path, odd_tree), "-C", out)

    assert (out / "files/tree/holes").read_bytes() == (odd_tree / "holes").read_bytes()
    assert (out / "redis/main/dump.rdb").stat().st_size == 100_009
