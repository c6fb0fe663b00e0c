"""Words that only the owner of a key can have read."""

import pytest

from backups.archives.format.age.probe import WORDS, new_words, probe, same_words

from .making import new_identity, opened


def test_the_words_are_short_known_and_different():
    assert len(WORDS) == len(set(WORDS)) == 512
    assert all(4 <= len(word) <= 6 and word.isascii() and word.islower() for word in WORDS)


def test_only_the_key_shows_the_words(tmp_path):
    owner, words = new_identity(), new_words()
    path = tmp_path / "probe.age"
    path.write_bytes(probe(owner.recipient, words))

    assert opened(path, owner).decode() == words + "\n"
    assert len(words.split()) == 8 and set(words.split()) <= set(WORDS)
    assert words != new_words()


@pytest.mark.parametrize(
    ("typed", "same"),
    [
        ("acid amber", True),
        ("  ACID\n\tAmber ", True),
        ("acidamber", False),
        ("amber acid", False),
        ("acid", False),
        ("", False),
        ("acid ämber \udc80", False),
    ],
)
def test_case_and_spaces_are_forgiven_and_nothing_else(typed, same):
    assert same_words(typed, "acid amber") is same
