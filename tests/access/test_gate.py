"""Gates in front of views: rights, and a password given a short while ago."""

import time

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpResponse
from django.test import RequestFactory

from backups.access import Denied, role_required, step_up_required, stepped_up
from backups.access.gate import STEPPED_UP_AT, remember_step_up


@role_required("snapshot.start")
def view(request):
    return HttpResponse("done")


@step_up_required
def careful_view(request):
    return HttpResponse("done")


def request_of(user, method: str = "get", path: str = "/somewhere/?x=1", **session):
    request = getattr(RequestFactory(), method)(path)
    request.user, request.session = user, dict(session)
    return request


def test_a_role_that_may_gets_through(cast):
    assert view(request_of(cast["operator"])).status_code == 200


@pytest.mark.parametrize("role", ["viewer", "approver", "auditor"])
def test_a_role_that_may_not_is_denied_with_the_act(cast, role):
    with pytest.raises(Denied) as denied:
        view(request_of(cast[role]))

    assert denied.value.act == "snapshot.start"


def test_nobody_is_denied():
    with pytest.raises(Denied):
        view(request_of(AnonymousUser()))


def test_the_view_says_what_it_asks_for():
    assert (view.act, view.__name__) == ("snapshot.start", "view")


@pytest.mark.parametrize(
    ("ago", "passes"), [(0, True), (299, True), (301, False), (10**9, False), (-60, False)], ids=str
)
def test_a_password_counts_for_five_minutes(ago, passes):
    """One that was given in the future was given under a clock that is not to be believed."""
    request = request_of(None, **{STEPPED_UP_AT: time.time() - ago})

    assert stepped_up(request) is passes


def test_without_a_password_nothing_counts():
    assert not stepped_up(request_of(None))


def test_giving_it_is_remembered():
    request = request_of(None)
    remember_step_up(request)

    assert stepped_up(request)
    assert careful_view(request).status_code == 200


@pytest.mark.parametrize(("method", "back"), [("get", "%2Fsomewhere%2F%3Fx%3D1"), ("post", "%2Fsomewhere%2F")])
def test_otherwise_it_is_asked_for_and_the_way_back_is_kept(method, back):
    answer = careful_view(request_of(None, method))

    assert answer.status_code == 302
    assert answer["Location"] == f"/step-up/?next={back}"
