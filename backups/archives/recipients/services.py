"""Verbs on recipients: who can open encrypted archives, and the proof that they really can."""

from django.contrib.auth.hashers import check_password, make_password
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from backups.access import Denied, may
from backups.audit import act

from ..format.age import probe
from ..format.age.keys import BadKey, parse_recipient
from ..models import ArchiveRecipient
from ..services import ArchiveRefused

RIGHT = "location.manage"
MOST_TRIES = 5


def add_recipient(*, actor, name: str, key: str) -> ArchiveRecipient:
    """Raises ArchiveRefused for a key that is none, and for a name or key that is there already; and Denied."""
    _refuse_others(actor)
    name = name.strip()
    if not name or not name.isprintable():
        raise ArchiveRefused("Give it a name with at most 60 characters.", "name")
    try:
        public = str(parse_recipient(key))
    except BadKey as error:
        raise ArchiveRefused(str(error), "key") from error
    with act(actor) as a:
        try:
            with transaction.atomic():
                recipient = ArchiveRecipient.objects.create(name=name, key=public)
        except IntegrityError as error:
            other = ArchiveRecipient.objects.filter(key=public).first()
            if other:
                raise ArchiveRefused(f"This key is there already: {other}.", "key") from error
            raise ArchiveRefused(f"There is a recipient {name} already. Choose another name.", "name") from error
        a.record("recipient.added", recipient, change={"key": public})
    return recipient


def remove_recipient(recipient: ArchiveRecipient, *, actor, typed_name: str) -> None:
    """Archives that exist stay encrypted for them. Raises ArchiveRefused while a profile uses it, and Denied."""
    _refuse_others(actor)
    if typed_name.strip() != recipient.name:
        raise ArchiveRefused(f"To remove {recipient}, type its name exactly.")
    profiles = ", ".join(recipient.profiles.values_list("name", flat=True))
    if profiles:
        raise ArchiveRefused(f"{recipient} is chosen in {profiles}. Take it out there first.")
    with act(actor) as a:
        a.record("recipient.removed", recipient, change={"key": recipient.key})
        recipient.delete()


def new_probe(recipient: ArchiveRecipient, *, actor) -> bytes:
    """A small age file that shows 8 words to who has the secret key. Only a hash of the words is kept; an earlier
    probe is void."""
    _refuse_others(actor)
    words = probe.new_words()
    ArchiveRecipient.objects.filter(pk=recipient.pk).update(words=make_password(words), tries=0)
    return probe.probe(parse_recipient(recipient.key), words)


def prove(recipient: ArchiveRecipient, *, actor, typed: str) -> ArchiveRecipient:
    """The words that the newest probe shows. Raises ArchiveRefused for others; after MOST_TRIES the probe is void."""
    _refuse_others(actor)
    if not recipient.words:
        raise ArchiveRefused("Download a probe first, and decrypt it.", "words")
    tried = ArchiveRecipient.objects.filter(pk=recipient.pk, words=recipient.words, tries__lt=MOST_TRIES)
    if not tried.update(tries=F("tries") + 1):
        raise ArchiveRefused("This probe is void. Download another one, and decrypt that.", "words")
    if not check_password(" ".join(typed.lower().split()), recipient.words):
        raise ArchiveRefused("These are not the words of the newest probe. Decrypt that one, and type them.", "words")
    with act(actor) as a:
        columns = {"words": "", "tries": 0, "proven_at": timezone.now(), "proven_by": actor}
        ArchiveRecipient.objects.filter(pk=recipient.pk).update(**columns)
        a.record("recipient.proven", recipient)
    recipient.refresh_from_db()
    return recipient


def _refuse_others(actor) -> None:
    if not may(actor, RIGHT):
        raise Denied(RIGHT)
