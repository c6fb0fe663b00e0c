"""Sessions as rows: end those of one person, remove those that are over."""

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.utils import timezone


def end_sessions(person) -> int:
    """Sign a person out everywhere. A session does not name its person in a column, so each living one is opened;
    a console has dozens. A request under way cannot bring its session back: Django only updates rows it finds."""
    living = Session.objects.filter(expire_date__gt=timezone.now())
    theirs = [session.pk for session in living if session.get_decoded().get(SESSION_KEY) == str(person.pk)]
    return Session.objects.filter(pk__in=theirs).delete()[0]


def remove_old_sessions() -> int:
    """Delete sessions that are over. The ticker calls this."""
    return Session.objects.filter(expire_date__lte=timezone.now()).delete()[0]
