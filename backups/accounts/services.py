"""Verbs on people: add, give and take roles, one-time passwords, deactivate and reactivate; and one's own account."""

import re
import secrets

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.db import IntegrityError

from backups.access import ROLES, Denied, may
from backups.access.models import User
from backups.access.roles import ADMINISTRATOR, ALONE
from backups.audit import act
from backups.audit.models import Outcome

from .sessions import end_sessions

NAME_RULE = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")
MIN_REASON = 20

# Without 0 and o, 1, l and i: a one-time password is often read to somebody.
LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"

LAST_ADMINISTRATOR = "This is the last active administrator. Make somebody else administrator first."


class AccountError(Exception):
    """Something about a person cannot be done; the message is for the one who asked."""


def add_first_people(people: list[tuple[str, str, str, list[str]]], *, must_change: bool) -> None:
    """The people of a new console: (sign-in name, password, full name, roles). All of them or none."""
    ready = [(username, make_password(password), name, roles) for username, password, name, roles in people]
    with act(None) as a:
        a.record("console.initialised")
        for username, password, name, roles in ready:
            _add(a, username, name, roles, password=password, must_change=must_change)


def add_person(username: str, name: str, roles: list[str], *, actor, email: str = "") -> tuple[User, str]:
    """Add a person; gives the one-time password back, which is stored nowhere in clear."""
    _check_right(actor)
    one_time = make_one_time_password()
    hashed = make_password(one_time)  # half a second: not while the database waits
    with act(actor) as a:
        return _add(a, username, name, roles, password=hashed, must_change=True, email=email), one_time


def change_roles(person: User, roles: list[str], *, actor, reason: str) -> None:
    """Give a person exactly these roles; the reason is kept with the entry. Their sessions end."""
    _check_right(actor, person)
    check_roles(roles)
    if len(reason.strip()) < MIN_REASON:
        raise AccountError(f"Say why in at least {MIN_REASON} characters; whoever reads the log will want to know.")
    with act(actor, reason=reason.strip()) as a:
        _lock_people()
        before = sorted(person.groups.values_list("name", flat=True))
        if set(before) == set(roles):
            raise AccountError("These are the roles this person has already.")
        if ADMINISTRATOR in before and ADMINISTRATOR not in roles:
            _check_another_administrator(person)
        _set_roles(person, roles)
        end_sessions(person)
        a.record("roles.changed", person, change={"roles": {"before": before, "after": sorted(roles)}})


def set_one_time_password(person: User, *, actor, reason: str = "") -> str:
    """A password that opens one page, the one that changes it. Given back once, stored as a hash only. Without an
    actor for the command line alone, where nobody signed in and file permissions decide."""
    if actor is not None:
        _check_right(actor, person)
    one_time = make_one_time_password()
    hashed = make_password(one_time)
    with act(actor, reason=reason.strip()) as a:
        set_ = User.objects.filter(pk=person.pk, is_active=True).update(password=hashed, must_change_password=True)
        if not set_:
            raise AccountError("This person is deactivated. Reactivate them first.")
        end_sessions(person)
        a.record("password.reset", person)
    return one_time


def deactivate(person: User, *, actor, reason: str = "") -> None:
    """Nobody signs in with this name any more, and whoever did is signed out. Roles stay, for the way back."""
    _check_right(actor, person)
    with act(actor, reason=reason.strip()) as a:
        _lock_people()
        if person.groups.filter(name=ADMINISTRATOR).exists():
            _check_another_administrator(person)
        if not User.objects.filter(pk=person.pk, is_active=True).update(is_active=False):
            raise AccountError("This person is deactivated already.")
        end_sessions(person)
        a.record("person.deactivated", person)


def reactivate(person: User, *, actor, reason: str = "") -> None:
    """Open the account again, with the roles and the password it had."""
    _check_right(actor, person)
    with act(actor, reason=reason.strip()) as a:
        if not User.objects.filter(pk=person.pk, is_active=False).update(is_active=True):
            raise AccountError("This person is active already.")
        a.record("person.reactivated", person)


def change_own_password(person: User, password: str) -> None:
    """Set the password that this person chose. Their other sessions end: each carries a hash of the old one."""
    person.set_password(password)
    person.must_change_password = False
    with act(person) as a:
        person.save(update_fields=["password", "must_change_password"])
        a.record("password.changed", person)


def change_email(person: User, email: str, *, actor) -> None:
    """Where mail about requests goes; empty for none. One's own, or anybody's for an administrator. Nothing is
    written when it is this one already."""
    if actor != person:
        _check_right(actor, person)
    with act(actor) as a:
        before = User.objects.select_for_update().values_list("email", flat=True).get(pk=person.pk)
        if before == email:
            return
        User.objects.filter(pk=person.pk).update(email=email)
        a.record("person.changed", person, change={"email": {"before": before, "after": email}})


def save_preferences(person: User, **preferences: str) -> None:
    """``theme`` and ``time_zone``: how pages look to one person. Nothing that anybody has to account for, so no
    entry."""
    User.objects.filter(pk=person.pk).update(**preferences)


def record_denied(person, right: str, address: str) -> None:
    """The entry of a refusal: who was denied which act at which address. Called after the rollback."""
    with act(person) as a:
        a.record("access.denied", ("page", "", address), outcome=Outcome.DENIED, change={"act": right})


def check_roles(roles: list[str]) -> None:
    """Raises AccountError unless these roles may be held together."""
    unknown = set(roles) - set(ROLES)
    if unknown:
        raise AccountError(f"There is no role {', '.join(sorted(unknown))}.")
    if not roles:
        raise AccountError("Choose at least one role. To take every role away, deactivate the person.")
    if ALONE in roles and len(set(roles)) > 1:
        raise AccountError("An auditor changes nothing, so no other role goes together with auditor.")


def make_one_time_password() -> str:
    """Four groups of five letters and digits: 99 bits."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(5)) for _ in range(4))


def _add(a, username: str, name: str, roles: list[str], *, password: str, must_change: bool, email: str = "") -> User:
    check_roles(roles)
    if not NAME_RULE.fullmatch(username):
        raise AccountError(
            "A sign-in name has 1 to 60 lower-case letters, digits, dots, dashes and underscores, and begins with a "
            "letter or digit."
        )
    try:
        person = User.objects.create(
            username=username, name=name, password=password, must_change_password=must_change, email=email
        )
    except IntegrityError as error:
        raise AccountError(f"The sign-in name {username} is taken.") from error
    _set_roles(person, roles)
    a.record("person.added", person, change={"sign_in": username, "roles": sorted(roles)})
    return person


def _check_right(actor, person: User | None = None) -> None:
    if not may(actor, "person.manage", person):
        raise Denied("person.manage", "You cannot do this to your own account." if actor == person else "")


def _lock_people() -> None:
    """One change of roles or accounts at a time: two administrators who deactivate each other at the same moment
    must not both succeed."""
    Group.objects.select_for_update().get(name=ADMINISTRATOR)


def _check_another_administrator(person: User) -> None:
    active = User.objects.filter(is_active=True, groups__name=ADMINISTRATOR)
    if active.filter(pk=person.pk).exists() and not active.exclude(pk=person.pk).exists():
        raise AccountError(LAST_ADMINISTRATOR)


def _set_roles(person: User, roles: list[str]) -> None:
    person.groups.set([Group.objects.get_or_create(name=role)[0] for role in roles])
    person.__dict__.pop("roles", None)  # read once per request; it is another set now
