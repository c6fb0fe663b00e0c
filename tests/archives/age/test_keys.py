"""What people enter as a key: taken, or refused in words that help and tell nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.archives.format.age import bech32
from backups.archives.format.age.keys import (
    BadKey,
    Identity,
    Recipient,
    parse_identities,
    parse_identity,
    parse_recipient,
)

from .making import new_identity, secret_text

# The pair that the specification of age shows.
PUBLIC = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"
SECRET = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"

LOW_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


def test_the_pair_of_the_specification():
    assert parse_identity(SECRET).recipient == parse_recipient(PUBLIC)
    assert str(parse_recipient(PUBLIC)) == PUBLIC


@pytest.mark.parametrize("text", [f"  {PUBLIC}\n", PUBLIC.upper()])
def test_spaces_around_and_capital_letters_do_no_harm(text):
    assert str(parse_recipient(text)) == PUBLIC


@given(st.binary(max_size=80))
def test_bech32_round_trip(data):
    assert bech32.decode(bech32.encode("age", data)) == ("age", data)


@given(st.integers(4, len(PUBLIC) - 1), st.sampled_from(bech32.CHARSET))
def test_every_wrong_letter_is_noticed(place, letter):
    changed = PUBLIC[:place] + letter + PUBLIC[place + 1 :]
    if changed == PUBLIC:
        return
    with pytest.raises(BadKey, match="checksum"):
        parse_recipient(changed)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "begins with age1"),
        ("hello", "begins with age1"),
        ("age1", "cut short"),
        (PUBLIC[:-1], "checksum"),
        (PUBLIC[:20] + PUBLIC[20:].upper(), "mixes small and capital"),
        (PUBLIC.replace("z", "b", 1), "'b' does not occur"),
        (bech32.encode("age", bytes(31) + b"\1\2"), "62 characters"),
        ("age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t", "plugins"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN me@host", "SSH keys"),
        (SECRET, "secret key"),
        (SECRET.lower(), "secret key"),
        (f"# public key: {PUBLIC}\n{SECRET}", "secret key"),
    ],
)
def test_what_is_no_recipient_is_refused_in_words(text, why):
    with pytest.raises(BadKey, match=why) as caught:
        parse_recipient(text)

    assert not text[10:] or text[10:] not in str(caught.value)


@pytest.mark.parametrize("point", LOW_ORDER)
def test_a_key_that_everybody_could_read_with_is_refused(point):
    with pytest.raises(BadKey, match="everybody could read"):
        parse_recipient(str(Recipient(bytes.fromhex(point))))


def test_a_secret_key_shows_itself_nowhere():
    identity = parse_identity(SECRET)
    with pytest.raises(BadKey) as caught:
        parse_identity(SECRET[:-1] + "Q")

    assert repr(identity) == "Identity()"
    assert SECRET[20:-1] not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [(PUBLIC, "is a public key"), ("", "cut short"), (bech32.encode("other", bytes(32)), "no secret")],
)
def test_what_is_no_identity_is_refused_in_words(text, why):
    with pytest.raises(BadKey, match=why):
        parse_identity(text)


def test_an_identity_file_is_read_as_age_keygen_writes_it():
    other = new_identity()
    text = f"# created: 2026-11-27T10:00:00Z\n# public key: {PUBLIC}\n{SECRET}\n\n{secret_text(other)}\n"

    assert parse_identities(text) == [parse_identity(SECRET), other]
    with pytest.raises(BadKey, match="no secret key in this file"):
        parse_identities("# nothing\n")


@given(st.binary(min_size=32, max_size=32))
def test_any_secret_is_written_and_read(secret):
    assert parse_identity(secret_text(Identity(secret))) == Identity(secret)
