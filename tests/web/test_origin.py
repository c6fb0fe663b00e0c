import pytest
from django.test import RequestFactory

from backups.audit import act
from backups.audit.models import AuditEntry
from backups.audit.origin import current_origin
from backups.web.middleware import Origin, address_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def ask(cast):
    """Send a request through the middleware; what the view sees of the origin."""

    def send(**headers):
        request = RequestFactory().get("/", headers=headers, REMOTE_ADDR="10.0.0.9")
        request.user, request.reference = cast["operator"], "5b1e44aa"
        request.session = type("Session", (), {"session_key": "the-key-itself"})()
        return Origin(lambda request: current_origin())(request)

    return send


def test_the_ledger_learns_where_an_act_comes_from(ask):
    origin = ask(user_agent="Firefox 140")

    assert origin["address"] == "10.0.0.9"
    assert origin["agent"] == "Firefox 140"
    assert origin["request"] == "5b1e44aa"


def test_the_session_is_named_but_its_key_is_not_given_away(ask):
    origin = ask()

    assert len(origin["session"]) == 16
    assert "the-key-itself" not in str(origin)


def test_the_origin_ends_with_the_request(ask):
    ask()

    assert "request" not in current_origin()


def test_an_entry_written_in_a_request_has_its_origin(ask, cast, monkeypatch):
    def view(request):
        with act(cast["operator"]) as a:
            a.record("log.viewed")

    request = RequestFactory().get("/")
    request.user, request.reference = cast["operator"], "feedc0de"
    request.session = type("Session", (), {"session_key": None})()

    Origin(view)(request)

    assert '"request":"feedc0de"' in AuditEntry.objects.get(action="log.viewed").text.replace(" ", "")


@pytest.mark.parametrize(
    ("behind_proxy", "forwarded", "address"),
    [
        (False, "", "10.0.0.9"),
        (False, "6.6.6.6", "10.0.0.9"),
        (True, "", "10.0.0.9"),
        (True, "192.0.2.7", "192.0.2.7"),
        (True, "6.6.6.6, 192.0.2.7", "192.0.2.7"),
    ],
)
def test_only_what_the_proxy_added_counts_as_address(settings, behind_proxy, forwarded, address):
    settings.BEHIND_PROXY = behind_proxy
    headers = {"x_forwarded_for": forwarded} if forwarded else {}

    assert address_of(RequestFactory().get("/", headers=headers, REMOTE_ADDR="10.0.0.9")) == address
