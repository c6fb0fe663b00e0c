"""Passwords: check one, and count the tries before anything is hashed.

A try is a row. It is written first and counted with its neighbours afterwards, so that of any number of tries at
the same moment no more than the limit get as far as the hash, which costs half a second of a core. Counted per name
and address together, because counting names alone would let anybody lock out everybody; and per address at ten
times the limit, against those who try one password with many names.
"""

from datetime import timedelta

from django.conf import settings
from django.contrib.auth import authenticate

from backups import clock
from backups.access.models import User
from backups.audit import act
from backups.audit.models import AuditEntry, Outcome
from backups.audit.timeline import first_seq_since

from .models import SignInTry

NAMES_PER_ADDRESS = 10
NAME_SHOWN = 60


class SignInError(Exception):
    """The password was not accepted. ``left`` is how many tries remain before this name has to wait."""

    def __init__(self, left: int) -> None:
        super().__init__("The name or the password is wrong.")
        self.left = left


class Throttled(Exception):
    """Too many tries; nothing was checked. ``wait`` is the number of seconds until the next one counts."""

    def __init__(self, wait: float) -> None:
        super().__init__("Too many tries.")
        self.wait = max(1, round(wait))


def sign_in(name: str, password: str, *, address: str) -> User:
    """The person with this name and password, with an entry. Raises SignInError and Throttled, with theirs.

    Takes as long for a name that nobody has: Django hashes the password all the same.
    """
    attempt, left = _count_try(name, address)
    person = authenticate(username=name, password=password)
    if person is None:
        with act(None) as a:
            a.record("sign_in.failed", _person_called(name), outcome=Outcome.FAILURE)
        raise SignInError(left)
    with act(person) as a:
        _forget_tries(attempt)
        a.record("person.signed_in", person)
    return person


def sign_out(person: User) -> None:
    """The entry of a sign-out; the session is the view's."""
    with act(person) as a:
        a.record("person.signed_out", person)


def step_up(person: User, password: str, *, address: str) -> None:
    """Check the password of a person who is signed in, with an entry. Raises SignInError and Throttled."""
    prove_password(person, password, address=address)
    with act(person) as a:
        a.record("step_up.passed", person)


def prove_password(person: User, password: str, *, address: str) -> None:
    """The same without an entry when it is right: what the password was asked for leaves its own."""
    attempt, left = _count_try(person.username, address)
    if not person.check_password(password):
        with act(person) as a:
            a.record("step_up.failed", person, outcome=Outcome.FAILURE)
        raise SignInError(left)
    _forget_tries(attempt)


def remove_old_tries() -> int:
    """Delete tries that nobody counts any more. The ticker calls this."""
    return SignInTry.objects.filter(at__lt=clock.now() - _window()).delete()[0]


def _count_try(name: str, address: str) -> tuple[SignInTry, int]:
    """Write a try down and look how many came before it. Raises Throttled when there were too many; a refused try
    does not count itself, so that impatience does not make the wait longer."""
    now = clock.now()
    mine = SignInTry.objects.create(name=name.casefold()[:150], address=address[:45], at=now)
    earlier = SignInTry.objects.filter(address=mine.address, at__gt=now - _window()).exclude(pk=mine.pk)
    limit = int(settings.SIGN_IN_TRIES)
    by_name = list(earlier.filter(name=mine.name).order_by("-at").values_list("at", flat=True)[:limit])
    by_address = list(earlier.order_by("-at").values_list("at", flat=True)[: limit * NAMES_PER_ADDRESS])
    too_many_for_name = len(by_name) == limit
    if too_many_for_name or len(by_address) == limit * NAMES_PER_ADDRESS:
        mine.delete()
        _record_throttled(name if too_many_for_name else "anybody", mine.address)
        oldest = by_name[-1] if too_many_for_name else by_address[-1]
        raise Throttled((oldest + _window() - now).total_seconds())
    return mine, limit - len(by_name) - 1


def _forget_tries(attempt: SignInTry) -> None:
    """A right password clears what this name tried from this address; tries with other names stay."""
    SignInTry.objects.filter(name=attempt.name, address=attempt.address).delete()


def _record_throttled(name: str, address: str) -> None:
    """One entry per name and address while the window lasts: whoever hammers must not fill the log."""
    who = f"{name[:NAME_SHOWN]} from {address}"
    recent = AuditEntry.objects.filter(seq__gte=first_seq_since(clock.now() - _window()))
    if recent.filter(action="sign_in.throttled", object_id=address, object_name=who).exists():
        return
    with act(None) as a:
        a.record("sign_in.throttled", ("address", address, who), outcome=Outcome.DENIED)


def _person_called(name: str) -> tuple[str, str, str]:
    """What an entry about this sign-in name is about: a person where there is one. Cut short: people have been
    seen to type other things into this field."""
    person = User.objects.filter(username=name).only("pk").first()
    return "user", str(person.pk) if person else "", name[:NAME_SHOWN]


def _window() -> timedelta:
    return timedelta(seconds=settings.SIGN_IN_WINDOW_SECONDS)
