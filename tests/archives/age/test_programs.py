"""The programs that people have, age (Go) and rage (Rust, by its Python binding): they read ours, we read theirs."""

import random
import subprocess
from pathlib import Path

import pytest

from backups.archives.format.age.keys import parse_identities, parse_recipient
from backups.archives.format.age.probe import new_words, probe
from backups.archives.format.age.stream import CHUNK

from .making import age_program, new_identity, opened, sealed, secret_text

SIZES = pytest.mark.parametrize("size", [0, 1, CHUNK, 3 * CHUNK + 5])
ME, OTHER = new_identity(), new_identity()


def plain(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.fixture
def key(tmp_path) -> Path:
    path = tmp_path / "key.txt"
    path.write_text(f"# my key\n{secret_text(ME)}\n")
    return path


def age(*arguments: str | Path, given: bytes = b"") -> subprocess.CompletedProcess:
    return subprocess.run([age_program(), *arguments], input=given, capture_output=True, timeout=60, check=False)


@SIZES
def test_age_reads_ours(tmp_path, key, size):
    (tmp_path / "file.age").write_bytes(sealed(plain(size), OTHER, ME))

    done = age("--decrypt", "--identity", key, tmp_path / "file.age")

    assert (done.returncode, done.stdout) == (0, plain(size)), done.stderr


@SIZES
def test_we_read_what_age_wrote(tmp_path, size):
    recipients = ["-r", str(OTHER.recipient), "-r", str(ME.recipient)]

    done = age(*recipients, "-o", tmp_path / "file.age", given=plain(size))

    assert done.returncode == 0, done.stderr
    assert opened(tmp_path / "file.age", ME) == plain(size)


def test_age_shows_the_words_of_a_probe(key):
    words = new_words()

    assert age("-d", "-i", key, given=probe(ME.recipient, words)).stdout.decode() == words + "\n"


def test_a_key_of_age_keygen_is_taken(tmp_path):
    made = subprocess.run(
        [Path(age_program()).with_name("age-keygen")], capture_output=True, text=True, timeout=60, check=True
    )
    public = next(line.split()[-1] for line in made.stdout.splitlines() if "public key" in line)

    assert [identity.recipient for identity in parse_identities(made.stdout)] == [parse_recipient(public)]


@SIZES
def test_rage_reads_ours_and_we_read_its(tmp_path, size):
    rage = pytest.importorskip("pyrage", reason="pyrage, the library of rage, is not installed")
    theirs = rage.x25519.Identity.from_str(secret_text(ME))

    assert rage.decrypt(sealed(plain(size), OTHER, ME), [theirs]) == plain(size)
    assert str(theirs.to_public()) == str(ME.recipient)
    (tmp_path / "file.age").write_bytes(rage.encrypt(plain(size), [theirs.to_public()]))
    assert opened(tmp_path / "file.age", ME) == plain(size)
