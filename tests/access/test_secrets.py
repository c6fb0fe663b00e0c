"""Sealed secrets: what opens a box, and what does not."""

import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from backups.access import secrets
from backups.access.secrets import SealError, seal, unseal

CONTEXT = "cluster:3:everyday:backup"


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=200))
def test_what_was_sealed_comes_out(secret):
    assert unseal(CONTEXT, seal(CONTEXT, secret)) == secret


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=8, max_size=200))
def test_a_box_shows_nothing_of_the_secret_and_is_never_the_same(secret):
    box = seal(CONTEXT, secret)

    assert secret.encode() not in base64.b64decode(box)
    assert box != seal(CONTEXT, secret)


@pytest.mark.parametrize(
    "context",
    ["cluster:4:everyday:backup", "cluster:3:restricted:backup", "cluster:3:everyday:other", "", f"{CONTEXT} "],
)
def test_a_box_of_another_row_does_not_open(context):
    with pytest.raises(SealError):
        unseal(context, seal(CONTEXT, "hunter2 hunter2"))


@given(st.data())
def test_no_bit_may_be_another(data):
    box = bytearray(base64.b64decode(seal(CONTEXT, "hunter2 hunter2")))
    place = data.draw(st.integers(0, len(box) - 1))
    bit = data.draw(st.integers(0, 7))
    # X25519 ignores the highest bit of a public key; the key that is derived from the bytes does not.
    box[place] ^= 1 << bit

    with pytest.raises(SealError):
        unseal(CONTEXT, base64.b64encode(box).decode())


@given(st.integers(0, 70))
def test_a_box_cut_short_does_not_open(length):
    box = base64.b64decode(seal(CONTEXT, "hunter2 hunter2"))[:length]

    with pytest.raises(SealError):
        unseal(CONTEXT, base64.b64encode(box).decode())


@given(st.binary(max_size=120))
def test_any_other_bytes_do_not_open(noise):
    with pytest.raises(SealError):
        unseal(CONTEXT, base64.b64encode(noise).decode())


@pytest.mark.parametrize("box", ["", "no base64!", "ġ", "AAAA====", "AQ"])
def test_what_is_no_box_does_not_open(box):
    with pytest.raises(SealError):
        unseal(CONTEXT, box)


def test_a_sender_whose_key_is_no_point_does_not_open():
    with pytest.raises(SealError):
        unseal(CONTEXT, base64.b64encode(b"\x01" + bytes(32 + 12 + 16)).decode())


def keys_in(folder) -> None:
    """Another pair of keys than the test run's."""
    private = X25519PrivateKey.generate()
    folder.joinpath("secrets.pem").write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    folder.joinpath("secrets.pub").write_bytes(
        private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def test_another_key_does_not_open_it(settings, tmp_path):
    box = seal(CONTEXT, "hunter2 hunter2")
    keys_in(tmp_path)
    settings.KEYS_DIR = tmp_path

    with pytest.raises(SealError, match="does not open with this key"):
        unseal(CONTEXT, box)
    assert unseal(CONTEXT, seal(CONTEXT, "mine")) == "mine"


def test_a_process_without_the_private_key_can_close_and_not_open(settings, tmp_path):
    keys_in(tmp_path)
    tmp_path.joinpath("secrets.pem").unlink()
    settings.KEYS_DIR = tmp_path

    box = seal(CONTEXT, "hunter2 hunter2")
    with pytest.raises(SealError, match="only workers have it"):
        unseal(CONTEXT, box)


def test_errors_say_nothing_of_the_secret():
    with pytest.raises(SealError) as refused:
        unseal("another", seal(CONTEXT, "hunter2 hunter2"))

    assert "hunter2" not in str(refused.value)
    assert secrets.SealError is SealError
