import pytest
from django.db import DatabaseError, connection
from django.test import Client

from backups.audit.models import AuditEntry

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.web.urls")]


def no_queries(execute, sql, params, many, context):
    raise DatabaseError("an error page asked the database")


def test_denied_names_the_roles_that_may_and_the_people_who_can_help(as_person):
    answer = as_person("viewer").get("/trouble/denied/")

    assert answer.status_code == 403
    page = answer.content.decode()
    assert "You started this one yourself." in page
    assert "You need the role operator or administrator for this." in page
    assert "Administrators give roles: Daniel Farrugia." in page


def test_denied_is_in_the_log(as_person):
    as_person("viewer").get("/trouble/for_administrators/")

    entry = AuditEntry.objects.get(action="access.denied")
    assert (entry.actor_name, entry.outcome) == ("Vera Camilleri", "denied")


def test_a_plain_refusal_has_the_same_page(as_person):
    answer = as_person("operator").get("/trouble/refused/")

    assert answer.status_code == 403
    assert "This is not for your role" in answer.content.decode()


def test_a_deactivated_administrator_is_not_named(as_person, cast):
    cast["administrator"].is_active = False
    cast["administrator"].save()

    assert "Daniel Farrugia" not in as_person("viewer").get("/trouble/denied/").content.decode()


@pytest.mark.parametrize("who", ["viewer", None])
def test_not_found(who, as_person):
    client = as_person(who) if who else Client()

    answer = client.get("/no/such/page/")

    assert answer.status_code == 404
    assert "Nothing is here" in answer.content.decode()
    assert ('class="shell"' in answer.content.decode()) == (who is not None)


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("/trouble/suspicious/", 400, "This request cannot be read"),
        ("/trouble/broken/", 500, "This did not work"),
        ("/trouble/no_database/", 503, "The database does not answer"),
    ],
)
def test_what_went_wrong_has_a_page_with_a_reference(as_person, address, status, words):
    client = as_person("operator")
    client.raise_request_exception = False

    answer = client.get(address)

    assert answer.status_code == status
    assert words in answer.content.decode()
    assert answer["X-Request-ID"] in answer.content.decode()
    assert "hunter2" not in answer.content.decode()


def test_a_host_that_is_not_ours_is_a_bad_request():
    assert Client().get("/", headers={"host": "evil.example"}).status_code == 400


@pytest.mark.parametrize("address", ["/trouble/no_database/", "/trouble/public/"])
def test_error_pages_do_not_need_the_database(address):
    client = Client(raise_request_exception=False)

    with connection.execute_wrapper(no_queries):
        answer = client.get(address)

    assert answer.status_code == (503 if "no_database" in address else 200)


def test_a_database_that_is_away_before_any_view_is_503(as_person):
    from django.db import OperationalError

    def away(execute, sql, params, many, context):
        raise OperationalError("connection refused")

    client = as_person("operator")
    client.raise_request_exception = False

    with connection.execute_wrapper(away):
        answer = client.get("/trouble/page/")

    assert answer.status_code == 503
    assert "The database does not answer" in answer.content.decode()


def test_without_collected_static_files_the_reference_is_still_told(settings, tmp_path):
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}
    }

    answer = Client(raise_request_exception=False).get("/trouble/no_database/")

    assert answer.status_code == 503
    assert answer["Content-Type"].startswith("text/plain")
    assert answer["X-Request-ID"] in answer.content.decode()


def test_a_form_from_a_stale_tab_says_so(cast):
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast["operator"])

    answer = client.post("/trouble/fragment/", {"csrfmiddlewaretoken": "x" * 64})

    assert answer.status_code == 403
    assert "This form is out of date" in answer.content.decode()
    assert "Nothing was changed" in answer.content.decode()
