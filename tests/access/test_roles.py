"""Who may do what, written down a second time: a change of the table must be meant."""

import pytest
from django.contrib.auth.models import AnonymousUser

from backups.access import ACTS, ROLES, may, roles_for
from backups.access.models import User

#                     viewer operator approver auditor administrator
MATRIX = {
    "pages.read": "yes yes yes yes yes",
    "raw.read": "-   yes -   yes yes",
    "entry.read_own": "-   yes yes yes yes",
    "entry.read_all": "-   -   -   yes yes",
    "entry.export": "-   -   -   yes -  ",
    "person.read": "-   yes yes yes yes",
    "person.manage": "-   -   -   -   yes",
    "cluster.manage": "-   -   -   -   yes",
    "repository.manage": "-   -   -   -   yes",
    "repository.verify": "-   yes -   -   yes",
    "profile.manage": "-   -   -   -   yes",
    "snapshot.start": "-   yes -   -   yes",
    "archive.start": "-   yes -   -   yes",
    "archive.look": "-   yes yes yes yes",
    "archive.verify": "-   yes -   -   yes",
    "archive.download": "-   yes -   -   yes",
    "location.manage": "-   -   -   -   yes",
    "run.cancel": "-   yes -   -   yes",
    "restore.request": "-   yes -   -   yes",
    "restore.break_glass": "-   -   -   -   yes",
    "lock.clear": "-   -   -   -   yes",
    "request.vote": "-   -   yes -   -  ",
    "request.comment": "-   yes yes -   yes",
    "request.review": "-   -   yes yes -  ",
    "copy.delete": "-   -   -   -   yes",
    "copy.ask_delete": "-   yes -   -   yes",
    "hold.place": "-   yes yes -   yes",
    "hold.release": "-   -   yes -   -  ",
}
CHANGES = set(MATRIX) - {
    "pages.read",
    "raw.read",
    "entry.read_own",
    "entry.read_all",
    "entry.export",
    "person.read",
    "archive.look",
    "request.review",  # a judgement of what is over, which changes nothing
}


def test_the_matrix_names_every_act():
    assert set(MATRIX) == set(ACTS)


@pytest.mark.parametrize("act", MATRIX)
@pytest.mark.parametrize("place", range(5), ids=ROLES)
def test_may_follows_the_matrix(cast, act, place):
    expected = MATRIX[act].split()[place] == "yes"

    assert may(cast[ROLES[place]], act) is expected
    assert (ROLES[place] in roles_for(act)) is expected


@pytest.mark.parametrize("act", sorted(CHANGES))
def test_auditors_and_viewers_change_nothing(cast, act):
    assert not may(cast["auditor"], act)
    assert not may(cast["viewer"], act)


def test_roles_add_up(cast):
    person = cast["approver"]
    assert not may(person, "snapshot.start")

    person.groups.add(*cast["operator"].groups.all())
    person = User.objects.get(pk=person.pk)

    assert may(person, "snapshot.start")
    assert person.roles == {"approver", "operator"}


@pytest.mark.parametrize("act", MATRIX)
def test_nobody_without_a_role_or_an_account_may_anything(cast, act):
    cast["administrator"].is_active = False

    assert not may(cast["administrator"], act)
    assert not may(AnonymousUser(), act)
    assert not may(User.objects.create_user("no-role"), act)
    assert not may(User.objects.create_superuser("super"), act)


def test_nobody_manages_their_own_account(cast):
    assert may(cast["administrator"], "person.manage", cast["viewer"])
    assert not may(cast["administrator"], "person.manage", cast["administrator"])


def test_a_typing_error_opens_no_door(cast):
    with pytest.raises(KeyError):
        may(cast["administrator"], "person.manege")


def test_roles_are_read_once(cast, django_assert_num_queries):
    person = User.objects.get(username="operator")
    with django_assert_num_queries(1):
        for act in ACTS:
            may(person, act)
