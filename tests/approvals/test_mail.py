"""Mail: put into the outbox by the act, sent by the worker, said in few words and without secrets."""

import json
from datetime import timedelta

import pytest
from django.core import mail as sent
from django.utils import timezone
from django_q.models import OrmQ

from backups.access.models import User
from backups.approvals import mail, voting
from backups.approvals.models import ApprovalRequest, Mail
from backups.approvals.services import ApprovalError, withdraw
from backups.worker import kinds, tasks

pytestmark = [pytest.mark.django_db, pytest.mark.db]


@pytest.fixture(autouse=True)
def _site(settings, cast):
    settings.EMAIL_HOST, settings.CONSOLE_URL = "mail.example", "https://backup.example"
    settings.DEFAULT_FROM_EMAIL = "console@backup.example"
    for name in ("operator", "approver", "approver2", "administrator"):
        User.objects.filter(pk=cast[name].pk).update(email=f"{name}@soc.example")
        cast[name].email = f"{name}@soc.example"


def outbox() -> list[tuple[str, str]]:
    """Without what is for later."""
    letters = Mail.objects.exclude(next_at__gt=timezone.now()).order_by("about", "person__username")
    return list(letters.values_list("person__username", "about"))


def test_approvers_hear_of_a_request_and_it_was_not_sent_by_the_page(ask):
    request = ask(risk="R3", text=json.dumps({"secret": "plan"}))
    assert outbox() == [("approver", "filed"), ("approver2", "filed")]
    assert sent.outbox == []

    assert [mail.send_due(), mail.send_due()] == [2, 0]

    assert sorted(letter.to[0] for letter in sent.outbox) == ["approver2@soc.example", "approver@soc.example"]
    letter = sent.outbox[0]
    assert letter.subject == f"Waiting for your approval: {request.number} Restore 12 indices into soc-prod"
    for expected in (
        *(request.number, request.title, "R3, Cannot be undone", "Maria Zammit", "Expires:", "UTC"),
        f"https://backup.example/approvals/{request.pk}/",
    ):
        assert expected in letter.body
    assert "plan" not in letter.body and request.reason not in letter.body


def test_nothing_where_the_site_sends_no_mail(ask, settings):
    settings.EMAIL_HOST = ""
    ask()
    assert outbox() == []


def test_nothing_for_those_without_an_address_or_what_was_refused(ask, cast):
    User.objects.filter(pk=cast["approver"].pk).update(email="")
    with pytest.raises(ApprovalError):
        ask(reason="too short")
    ask(key="1")
    with pytest.raises(ApprovalError):
        ask(key="1")
    assert outbox() == [("approver2", "filed")]


def test_the_requester_hears_what_became_of_it(ask, approve, cast):
    request = approve(ask())
    assert ("operator", "approved") in outbox()
    voting.reject(request, actor=cast["approver2"], digest=request.digest, comment="Not now, please")
    assert len(outbox()) == 4 and ("operator", "ended") in outbox()

    mail.send_due()
    told = {letter.subject.split(":")[0] for letter in sent.outbox if letter.to == ["operator@soc.example"]}
    assert told == {"Approved", "Rejected"}
    # what was put into the outbox before is not sent when there is nothing left to decide
    assert [letter.to for letter in sent.outbox if letter.subject.startswith("Waiting")] == []


def test_who_withdraws_needs_no_letter_about_that(ask, cast):
    withdraw(ask(), actor=cast["operator"])
    assert ("operator", "ended") not in outbox()
    withdraw(ask(), actor=cast["administrator"])
    assert ("operator", "ended") in outbox()


def test_everybody_hears_of_broken_glass(ask):
    ask("administrator", break_glass=True, risk="R2")
    assert outbox() == [("approver", "broken"), ("approver2", "broken")]
    mail.send_due()
    assert sent.outbox[0].subject.startswith("STARTED WITHOUT APPROVAL: RR-")
    assert "Review by:" in sent.outbox[0].body


def test_a_title_cannot_add_headers(ask):
    ask(title="Restore\nBcc: all@example.org")
    assert mail.send_due() == 2
    assert "\n" not in sent.outbox[0].subject


def test_a_mail_server_that_is_away_is_tried_again_and_at_last_given_up(ask, cast, settings):
    User.objects.filter(pk=cast["approver2"].pk).update(email="")
    settings.EMAIL_BACKEND = "tests.approvals.broken_mail.Backend"
    ask()

    assert mail.send_due() == 0
    letter = Mail.objects.get(about="filed")
    assert (letter.tries, letter.sent_at, letter.error) == (1, None, "ConnectionRefusedError: nobody listens")
    assert letter.next_at - timezone.now() > timedelta(seconds=50)
    assert mail.send_due() == 0 and Mail.objects.get(about="filed").tries == 1  # not before it is due

    for _ in range(mail.MOST_TRIES):
        Mail.objects.filter(about="filed").exclude(next_at=None).update(next_at=timezone.now())
        mail.send_due()
    letter.refresh_from_db()
    assert (letter.tries, letter.next_at) == (mail.MOST_TRIES, None)


def test_who_was_deactivated_gets_nothing(ask, cast):
    ask()
    User.objects.filter(pk=cast["approver"].pk).update(is_active=False)
    mail.send_due()
    assert [letter.to for letter in sent.outbox] == [["approver2@soc.example"]]


def test_the_ticker_sends_a_task_for_it_and_the_task_sends(ask):
    job = next(periodic for periodic in kinds.PERIODIC if periodic.name == "mail")
    assert not job.due()
    ask()
    assert job.due()
    job.work()
    assert OrmQ.objects.get().task["func"] == "backups.worker.tasks.send_mail"
    tasks.send_mail()
    assert len(sent.outbox) == 2 and not job.due()


def test_a_request_says_so_when_it_is_read(ask):
    """A letter that was late says what is so now."""
    request = ask()
    ApprovalRequest.objects.update(state="expired", ended_at=timezone.now())
    assert mail.send_due() == 0 and sent.outbox == []
    assert request.mails.filter(sent_at=None, next_at=None, about="filed").count() == 2


def test_nobody_is_reminded_of_what_expired_or_who_may_not_decide_any_more(ask, cast):
    """Whether or not anybody wrote down that it expired."""
    request = ask(risk="R3")
    cast["approver"].groups.clear()
    Mail.objects.update(next_at=timezone.now())
    assert mail.send_due() > 0
    assert {letter.to[0] for letter in sent.outbox} == {"approver2@soc.example"}

    sent.outbox.clear()
    ApprovalRequest.objects.filter(pk=request.pk).update(expires_at=timezone.now())
    Mail.objects.update(next_at=timezone.now(), sent_at=None)
    assert mail.send_due() == 0 and sent.outbox == []


def test_who_has_not_decided_is_reminded_twice(ask, approve, cast, settings):
    request = ask(risk="R3")
    whole = request.expires_at - request.requested_at
    left = dict(Mail.objects.filter(person=cast["approver"]).values_list("about", "next_at"))
    assert {about: round((at - request.requested_at) / whole, 2) for about, at in left.items()} == {
        **{"filed": 0, "half": 0.5, "last": 0.9}
    }
    mail.send_due()
    sent.outbox.clear()
    approve(request, "approver")

    Mail.objects.exclude(next_at=None).update(next_at=timezone.now())
    mail.send_due()

    assert [(letter.to[0], letter.subject.split(":")[0]) for letter in sent.outbox] == [
        ("approver2@soc.example", "Still waiting for your approval"),
        ("approver2@soc.example", "Expires soon without your approval"),
    ]
    assert "Expires:" in sent.outbox[0].body and "have to agree" in sent.outbox[0].body
