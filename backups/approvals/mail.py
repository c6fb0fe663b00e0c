"""Mail about requests: an outbox. Letters are rows, written in the act that they tell of; the worker sends them, so
that neither a page nor a transaction waits for a mail server. After a crash a letter may come twice.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.urls import reverse

from backups import clock
from backups.access import may
from backups.access.models import User

from .models import ApprovalRequest, Mail, MailAbout, RequestState

MOST_TRIES = 8
AT_ONCE = 5
FIRST_WAIT = timedelta(seconds=60)
REMINDERS = {MailAbout.HALF: 0.5, MailAbout.LAST: 0.9}
"""After which share of the time to decide somebody is reminded."""

ASKING = (MailAbout.FILED, *REMINDERS)


def post(request: ApprovalRequest, about: str, people: Iterable[User], when: datetime | None = None) -> None:
    """Put letters into the outbox, for those who have an address; nothing where the site sends no mail. They go at
    once, or at ``when``."""
    if not settings.EMAIL_HOST:
        return
    when = when or clock.now()
    letters = [Mail(request=request, person=person, about=about, next_at=when) for person in people if person.email]
    Mail.objects.bulk_create(letters, ignore_conflicts=True)


def remind(request: ApprovalRequest, people: Iterable[User]) -> None:
    """Put reminders for these people into the outbox. Who has decided by then, or where that is over, gets none."""
    wait = request.expires_at - request.requested_at
    for about, share in REMINDERS.items():
        post(request, about, people, request.requested_at + wait * share)


def due():
    """Letters whose next try is due."""
    return Mail.objects.filter(next_at__lte=clock.now())


def is_due() -> bool:
    return due().exists()


def send_due() -> int:
    """Try to send some of what is due; returns how many went out. Safe on several hosts at once."""
    letters = due().select_related("request__requester", "person").order_by("next_at")[:AT_ONCE]
    return sum(_send(letter) for letter in list(letters))


def _send(letter: Mail) -> bool:
    """Claim it by putting its next try off, then send it: whoever dies in between leaves it to that next try."""
    tries = letter.tries + 1
    claimed = Mail.objects.filter(pk=letter.pk, next_at=letter.next_at, tries=letter.tries)
    mine = Mail.objects.filter(pk=letter.pk, tries=tries)
    if not claimed.update(tries=tries, next_at=clock.now() + FIRST_WAIT * 2**letter.tries):
        return False
    if not worth_sending(letter):
        mine.update(next_at=None, error="")
        return False
    try:
        send_mail(subject_of(letter), text_of(letter), settings.DEFAULT_FROM_EMAIL, [letter.person.email])
    except Exception as error:  # noqa: BLE001 - whatever the mail server does; told in the row, tried again
        mine.update(
            error=f"{type(error).__name__}: {error}"[:300], **({"next_at": None} if tries >= MOST_TRIES else {})
        )
        return False
    mine.update(sent_at=clock.now(), next_at=None, error="")
    return True


def worth_sending(letter: Mail) -> bool:
    """A letter that was late is not sent when there is nothing left to decide, or nobody left to read it; those for
    approvers not to who is none any more."""
    person, request = letter.person, letter.request
    if not (person.is_active and person.email):
        return False
    if letter.about in (*ASKING, MailAbout.BROKEN) and not may(person, "request.vote"):
        return False
    if letter.about not in ASKING:
        return True
    waits = request.state == RequestState.PENDING and clock.now() < request.expires_at
    return waits and not request.votes.filter(person=person).exists()


def subject_of(letter: Mail) -> str:
    """One line: what a request is called is not to be trusted to have no line breaks."""
    beginning = {
        MailAbout.FILED: "Waiting for your approval",
        MailAbout.HALF: "Still waiting for your approval",
        MailAbout.LAST: "Expires soon without your approval",
        MailAbout.BROKEN: "STARTED WITHOUT APPROVAL",
        MailAbout.APPROVED: "Approved",
        MailAbout.ENDED: letter.request.get_state_display(),
    }[letter.about]
    return " ".join(f"{beginning}: {letter.request}".split())[:200]


def text_of(letter: Mail) -> str:
    """Number, title, risk, who asked, until when, and where to decide. No secret, and nothing out of the plan."""
    url = f"{settings.CONSOLE_URL}{reverse('approvals:detail', args=[letter.request_id])}"
    context = {"letter": letter, "request": letter.request, "url": url, "asking": ASKING}
    return render_to_string("backups/approvals/mail.txt", context)
