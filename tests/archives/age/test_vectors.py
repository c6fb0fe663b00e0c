"""The official test vectors: every file that age would open opens, every other is refused for the right reason."""

import hashlib

import pytest

from backups.archives.cybersift_restore import ArchiveError, Damaged, Unavailable
from backups.archives.format.age.keys import parse_identity
from backups.archives.format.age.opening import AgeFile

from .vectors import Vector, vectors

REFUSED = {"no match": Unavailable, "HMAC failure": Damaged, "header failure": Damaged, "payload failure": Damaged}
AT_LEAST = 60


def opened(folder, vector: Vector) -> bytes:
    path = folder / vector.name
    path.write_bytes(vector.file)
    identities = [parse_identity(vector.facts["identity"])] if "identity" in vector.facts else []
    with path.open("rb") as file, AgeFile(file, identities=identities) as plain:
        return plain.read()


def problem(folder, vector: Vector) -> str:
    """What is wrong with how we treat it; '' if nothing."""
    expected = vector.facts["expect"]
    try:
        data = opened(folder, vector)
    except ArchiveError as error:
        return "" if type(error) is REFUSED.get(expected) else f"{expected}, but {error!r}"
    if expected != "success":
        return f"{expected}, but it was opened"
    return "" if hashlib.sha256(data).hexdigest() == vector.facts["payload"] else "another content"


def test_every_vector_ends_as_it_should(tmp_path):
    every = vectors()

    assert len(every) >= AT_LEAST
    assert {vector.name: why for vector in every if (why := problem(tmp_path, vector))} == {}


@pytest.mark.parametrize("kind", ["success", *REFUSED])
def test_each_kind_of_end_is_among_them(kind):
    assert any(vector.facts["expect"] == kind for vector in vectors())
