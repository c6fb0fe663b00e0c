"""Who can open encrypted archives, and the proof that they really can."""

import os
import re

import pytest
from django.urls import reverse

from backups.archives.format.age.keys import Identity
from backups.archives.format.age.opening import AgeFile
from backups.archives.models import ArchiveRecipient
from backups.archives.recipients.services import MOST_TRIES
from backups.audit.models import AuditEntry

pytestmark = pytest.mark.db


@pytest.fixture
def identity():
    return Identity(os.urandom(32))


@pytest.fixture
def recipient(identity, db):
    return ArchiveRecipient.objects.create(name="Recovery safe", key=str(identity.recipient))


def words_of(client, recipient, identity, tmp_path) -> str:
    """What the owner of the secret key reads in a new probe."""
    answer = client.post(reverse("archives:recipient_probe", args=[recipient.pk]))
    assert answer["Content-Disposition"] == 'attachment; filename="probe.age"'
    assert answer["Cache-Control"] == "no-store"
    (tmp_path / "probe.age").write_bytes(answer.content)
    with (tmp_path / "probe.age").open("rb") as file, AgeFile(file, identities=[identity]) as plain:
        return plain.read().decode().strip()


def prove(client, recipient, words: str):
    return client.post(reverse("archives:recipient_prove", args=[recipient.pk]), {"words": words})


def test_a_recipient_is_added_with_its_entry(as_person, identity):
    form = {"name": "Recovery safe", "key": f" {identity.recipient} "}

    answer = as_person("administrator").post(reverse("archives:recipient_add"), form)

    added = ArchiveRecipient.objects.get()
    assert (answer["Location"], added.key) == (added.get_absolute_url(), str(identity.recipient))
    assert AuditEntry.objects.get(action="recipient.added").object_name == "Recovery safe"


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("AGE-SECRET-KEY-1QQQQQQQQQQQQ", "This is the secret key."),
        ("ssh-ed25519 AAAAC3Nz", "SSH keys are not supported here."),
        ("age1yubikey1qqqqq", "Keys of plugins"),
        ("age1qqqq", "This is no valid public key"),
        ("hello", "it begins with age1"),
    ],
)
def test_what_is_no_public_key_is_refused_in_words(as_person, key, said):
    answer = as_person("administrator").post(reverse("archives:recipient_add"), {"name": "x", "key": key})

    page = answer.content.decode()
    assert answer.status_code == 422
    assert said in page
    assert not ArchiveRecipient.objects.exists()


def test_the_same_key_twice_is_said(as_person, recipient):
    form = {"name": "Other", "key": recipient.key}

    page = as_person("administrator").post(reverse("archives:recipient_add"), form).content.decode()

    assert "This key is there already: Recovery safe." in page


def test_the_words_of_the_probe_prove_it_and_stand_nowhere(as_person, cast, recipient, identity, tmp_path):
    client = as_person("administrator")
    words = words_of(client, recipient, identity, tmp_path)
    assert len(words.split()) == 8
    recipient.refresh_from_db()
    assert words not in recipient.words

    answer = prove(client, recipient, f"  {words.upper()}  ")

    recipient.refresh_from_db()
    assert answer["Location"] == recipient.get_absolute_url()
    assert (recipient.proven_by, recipient.words) == (cast["administrator"], "")
    assert "proved" in client.get(recipient.get_absolute_url()).content.decode()
    assert not [row for row in AuditEntry.objects.values_list() if words in str(row)]


def test_other_words_prove_nothing_and_some_wrong_tries_void_the_probe(as_person, recipient, identity, tmp_path):
    client = as_person("administrator")
    words = words_of(client, recipient, identity, tmp_path)
    for _ in range(MOST_TRIES):
        assert "These are not the words" in prove(client, recipient, "a b c d e f g h").content.decode()

    page = prove(client, recipient, words).content.decode()

    assert "This probe is void" in page
    recipient.refresh_from_db()
    assert recipient.proven_at is None


def test_a_newer_probe_voids_the_one_before(as_person, recipient, identity, tmp_path):
    client = as_person("administrator")
    before = words_of(client, recipient, identity, tmp_path)
    words_of(client, recipient, identity, tmp_path)

    assert "These are not the words" in prove(client, recipient, before).content.decode()


def test_without_a_probe_there_is_nothing_to_prove(as_person, recipient):
    assert "Download a probe first" in prove(as_person("administrator"), recipient, "a").content.decode()


def test_one_that_a_profile_uses_stays(as_person, recipient, profile):
    profile.recipients.add(recipient)
    client = as_person("administrator")

    client.post(reverse("archives:recipient_remove", args=[recipient.pk]), {"typed_name": "Recovery safe"})

    assert ArchiveRecipient.objects.filter(pk=recipient.pk).exists()
    assert "is chosen in files" in client.get(recipient.get_absolute_url()).content.decode()


def test_its_name_has_to_be_typed_to_remove_it(as_person, recipient):
    client = as_person("administrator")
    url = reverse("archives:recipient_remove", args=[recipient.pk])

    client.post(url, {"typed_name": "recovery"})
    assert ArchiveRecipient.objects.exists()
    client.post(url, {"typed_name": "Recovery safe"})

    assert not ArchiveRecipient.objects.exists()
    assert AuditEntry.objects.filter(action="recipient.removed").exists()


def test_lists_show_a_short_key_and_the_page_the_whole_one(as_person, recipient):
    client = as_person("viewer")

    assert recipient.key not in client.get(reverse("archives:recipients")).content.decode()
    page = client.get(recipient.get_absolute_url()).content.decode()
    assert recipient.key in page
    assert not re.search("Download the probe|Remove…", page)
