"""What administrators do with people: it works with its entry, it refuses, and it is safe twice."""

import json
import threading

import pytest
from django.contrib.auth.hashers import check_password
from django.db import connection

from backups.access import Denied
from backups.access.models import User
from backups.accounts import services
from backups.accounts.services import AccountError
from backups.audit.models import AuditEntry

REASON = "Takes over the night shift from Monday"

pytestmark = [pytest.mark.django_db, pytest.mark.db]


def entry(action: str) -> AuditEntry:
    return AuditEntry.objects.get(action=action)


def change_of(action: str) -> dict:
    return json.loads(entry(action).text)["change"]


def fresh(person: User) -> User:
    return User.objects.get(pk=person.pk)


@pytest.fixture
def second(cast) -> User:
    """A second administrator."""
    person = User.objects.create_user("second", name="Second Administrator")
    person.groups.set(cast["administrator"].groups.all())
    return person


# --- the first people -----------------------------------------------------------------------------------


def test_the_first_people_get_names_roles_passwords_and_entries(db):
    people = [("anna", "pass-word-one", "Anna Abela", ["administrator"]), ("ben", "two", "Ben Bonnici", ["auditor"])]
    services.add_first_people(people, must_change=True)

    anna = User.objects.get(username="anna")
    assert (anna.name, anna.roles, anna.must_change_password) == ("Anna Abela", {"administrator"}, True)
    assert anna.check_password("pass-word-one")
    actions = list(AuditEntry.objects.order_by("seq").values_list("action", flat=True))
    assert actions == ["console.initialised", "person.added", "person.added"]


def test_the_first_people_are_all_or_none(db):
    people = [("anna", "x", "Anna", ["administrator"]), ("ben", "y", "Ben", ["auditor", "viewer"])]
    with pytest.raises(AccountError):
        services.add_first_people(people, must_change=False)

    assert not User.objects.exists()
    assert not AuditEntry.objects.exists()


# --- add ------------------------------------------------------------------------------------------------


def test_a_new_person_gets_a_one_time_password_that_is_stored_nowhere_in_clear(cast):
    person, password = services.add_person("nadia", "Nadia Mifsud", ["operator"], actor=cast["administrator"])

    person = fresh(person)
    assert person.check_password(password)
    assert (person.must_change_password, person.roles, person.state) == (True, {"operator"}, "invited")
    assert change_of("person.added") == {"roles": ["operator"], "sign_in": "nadia"}
    assert all(password not in text for text in AuditEntry.objects.values_list("text", flat=True))
    assert password not in person.password


@pytest.mark.parametrize("name", ["", "Nadia", "nadia mifsud", "-nadia", "nadia@example", "x" * 61, "ġorġ", "a\n"])
def test_odd_sign_in_names_are_refused(cast, name):
    with pytest.raises(AccountError, match="sign-in name"):
        services.add_person(name, "Nadia", ["viewer"], actor=cast["administrator"])


def test_a_name_that_is_taken_is_refused(cast):
    with pytest.raises(AccountError, match="operator is taken"):
        services.add_person("operator", "Another", ["viewer"], actor=cast["administrator"])

    assert User.objects.filter(username="operator").count() == 1
    assert not AuditEntry.objects.filter(action="person.added").exists()


@pytest.mark.parametrize(
    "roles", [[], ["auditor", "viewer"], ["auditor", "administrator"], ["king"], ["viewer", "king"]]
)
def test_roles_that_nobody_may_hold_are_refused(cast, roles):
    with pytest.raises(AccountError):
        services.add_person("nadia", "Nadia", roles, actor=cast["administrator"])
    with pytest.raises(AccountError):
        services.change_roles(cast["viewer"], roles, actor=cast["administrator"], reason=REASON)

    assert not User.objects.filter(username="nadia").exists()
    assert fresh(cast["viewer"]).roles == {"viewer"}


# --- roles ----------------------------------------------------------------------------------------------


def test_a_change_of_roles_keeps_before_after_and_reason(cast):
    services.change_roles(cast["viewer"], ["operator", "approver"], actor=cast["administrator"], reason=f" {REASON} ")

    assert fresh(cast["viewer"]).roles == {"operator", "approver"}
    assert change_of("roles.changed") == {"roles": {"before": ["viewer"], "after": ["approver", "operator"]}}
    assert (entry("roles.changed").reason, entry("roles.changed").actor) == (REASON, cast["administrator"])


@pytest.mark.parametrize("reason", ["", "too short", " " * 30, "nineteen characters" + "   "])
def test_a_change_of_roles_needs_a_reason(cast, reason):
    with pytest.raises(AccountError, match="at least 20 characters"):
        services.change_roles(cast["viewer"], ["operator"], actor=cast["administrator"], reason=reason)

    assert fresh(cast["viewer"]).roles == {"viewer"}


def test_the_same_roles_again_are_no_change(cast):
    services.change_roles(cast["viewer"], ["operator"], actor=cast["administrator"], reason=REASON)
    with pytest.raises(AccountError, match="already"):
        services.change_roles(cast["viewer"], ["operator"], actor=cast["administrator"], reason=REASON)

    assert AuditEntry.objects.filter(action="roles.changed").count() == 1


def test_the_last_administrator_cannot_lose_the_role(cast, second):
    services.change_roles(second, ["viewer"], actor=cast["administrator"], reason=REASON)
    services.deactivate(second, actor=cast["administrator"])
    outsider = User.objects.create_user("outsider")
    outsider.groups.set(cast["administrator"].groups.all())
    User.objects.filter(pk=outsider.pk).update(is_active=False)

    with pytest.raises(AccountError, match="last active administrator"):
        services.change_roles(cast["administrator"], ["viewer"], actor=outsider_as_active(outsider), reason=REASON)
    with pytest.raises(AccountError, match="last active administrator"):
        services.deactivate(cast["administrator"], actor=outsider_as_active(outsider))
    assert fresh(cast["administrator"]).roles == {"administrator"}


def outsider_as_active(person: User) -> User:
    """An administrator who was deactivated by somebody else a moment after their request began."""
    stale = User.objects.get(pk=person.pk)
    stale.is_active = True
    return stale


def test_an_inactive_administrator_may_lose_the_role(cast, second):
    services.deactivate(second, actor=cast["administrator"])
    services.change_roles(second, ["viewer"], actor=cast["administrator"], reason=REASON)

    assert fresh(second).roles == {"viewer"}


@pytest.mark.django_db(transaction=True)
def test_two_administrators_who_deactivate_each_other_at_once(cast, second):
    both = [cast["administrator"], second]
    ready = threading.Barrier(2)
    outcomes = []

    def work(actor: User, other: User) -> None:
        try:
            ready.wait()
            services.deactivate(other, actor=actor)
            outcomes.append("done")
        except AccountError as error:
            outcomes.append(str(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=pair) for pair in (both, both[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == sorted(["done", services.LAST_ADMINISTRATOR])
    assert User.objects.filter(is_active=True, groups__name="administrator").count() == 1


# --- passwords ------------------------------------------------------------------------------------------


def test_a_one_time_password_replaces_the_old_one(cast):
    password = services.set_one_time_password(cast["viewer"], actor=cast["administrator"], reason="forgotten")

    person = fresh(cast["viewer"])
    assert person.must_change_password
    assert check_password(password, person.password)
    assert entry("password.reset").reason == "forgotten"
    assert password not in entry("password.reset").text


def test_a_deactivated_person_gets_no_password(cast):
    services.deactivate(cast["viewer"], actor=cast["administrator"])
    with pytest.raises(AccountError, match="Reactivate"):
        services.set_one_time_password(cast["viewer"], actor=cast["administrator"])


def test_one_time_passwords_are_long_and_never_the_same():
    made = {services.make_one_time_password() for _ in range(200)}

    assert len(made) == 200
    assert all(len(password) == 23 and not set(password) & set("0o1li") for password in made)


def test_an_own_password_ends_the_duty_to_change_it(cast):
    User.objects.filter(pk=cast["viewer"].pk).update(must_change_password=True)
    services.change_own_password(fresh(cast["viewer"]), "a quite different one")

    person = fresh(cast["viewer"])
    assert not person.must_change_password
    assert person.check_password("a quite different one")
    assert "different one" not in entry("password.changed").text


# --- deactivate and reactivate --------------------------------------------------------------------------


def test_deactivating_keeps_the_person_and_the_roles(cast):
    services.deactivate(cast["operator"], actor=cast["administrator"], reason="left")
    assert (fresh(cast["operator"]).state, fresh(cast["operator"]).roles) == ("deactivated", {"operator"})

    services.reactivate(cast["operator"], actor=cast["administrator"])
    assert fresh(cast["operator"]).state == "active"
    assert [e.action for e in AuditEntry.objects.order_by("seq")] == ["person.deactivated", "person.reactivated"]


def test_twice_is_refused_and_leaves_one_entry(cast):
    services.deactivate(cast["operator"], actor=cast["administrator"])
    with pytest.raises(AccountError, match="deactivated already"):
        services.deactivate(cast["operator"], actor=cast["administrator"])
    services.reactivate(cast["operator"], actor=cast["administrator"])
    with pytest.raises(AccountError, match="active already"):
        services.reactivate(cast["operator"], actor=cast["administrator"])

    assert AuditEntry.objects.count() == 2


# --- who may --------------------------------------------------------------------------------------------

VERBS = {
    "change_roles": lambda person, actor: services.change_roles(person, ["viewer"], actor=actor, reason=REASON),
    "set_one_time_password": lambda person, actor: services.set_one_time_password(person, actor=actor),
    "deactivate": lambda person, actor: services.deactivate(person, actor=actor),
    "reactivate": lambda person, actor: services.reactivate(person, actor=actor),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("role", ["viewer", "operator", "approver", "auditor"])
def test_only_administrators_do_this(cast, verb, role):
    with pytest.raises(Denied):
        VERBS[verb](cast["approver2"], cast[role])

    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("verb", VERBS)
def test_nobody_does_it_to_themselves(cast, second, verb):
    with pytest.raises(Denied, match="your own account"):
        VERBS[verb](cast["administrator"], cast["administrator"])


def test_a_refusal_is_written_down(cast):
    services.record_denied(cast["viewer"], "snapshot.start", "/snapshots/new/")

    denied = entry("access.denied")
    assert (denied.actor, denied.outcome, denied.object_name) == (cast["viewer"], "denied", "/snapshots/new/")
    assert change_of("access.denied") == {"act": "snapshot.start"}
