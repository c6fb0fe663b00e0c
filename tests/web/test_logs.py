import json
import logging
import sys

import pytest

from backups.web import logs
from backups.web.logs import JsonLines, log_fields, redact

SECRET = "hunter2-hunter2"


def line(message: str, *args, **extra) -> str:
    record = logging.getLogger("backups.test").makeRecord(
        "backups.test", logging.WARNING, __file__, 1, message, args, extra.pop("exc_info", None), extra=extra
    )
    return JsonLines().format(record)


def test_a_record_is_one_line_of_json_with_its_fields():
    with log_fields(request="5b1e44aa", user=3):
        text = line("run %s started", 7, run=7)

    fields = json.loads(text)
    assert fields.pop("time").endswith("+00:00")
    assert isinstance(fields.pop("process"), int)
    assert fields == {
        "level": "WARNING",
        "logger": "backups.test",
        "message": "run 7 started",
        "request": "5b1e44aa",
        "user": 3,
        "run": 7,
    }


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_text_from_outside_cannot_forge_a_record(newline):
    forged = f'nightly{newline}{{"level": "INFO", "message": "all is well"}}'

    text = line("snapshot %s", forged)

    assert len(text.splitlines()) == 1
    assert json.loads(text)["message"] == f"snapshot {forged}"


def test_fields_that_nobody_allowed_stay_out():
    assert "body" not in json.loads(line("hello", body="whole request"))


@pytest.mark.parametrize(
    "planted",
    [
        f"password={SECRET}",
        f"PASSWORD: {SECRET}",
        f"{{'password': '{SECRET}'}}",
        f'{{"api_key": "{SECRET} and more"}}',
        f'{{"token": "a\\"{SECRET}"}}',
        f"secret_key = {SECRET}",
        f"sessionid={SECRET}; path=/",
        f"Authorization: Basic {SECRET}",
        f"'authorization': 'Bearer {SECRET}'",
        f"Authorization: ApiKey {SECRET}",
        f"Cookie: a=b; __Host-session={SECRET}",
        f"sent Basic {SECRET}==",
        f"postgresql://console:{SECRET}@db:5432/console",
        f"https://elastic:{SECRET}@10.0.0.1:9200",
    ],
)
def test_planted_secrets_never_appear(planted):
    assert SECRET not in redact(f"before {planted} after")
    assert SECRET not in line("%s", planted)
    assert SECRET not in line("quiet", host=planted)


def test_secrets_in_a_traceback_never_appear():
    try:
        raise RuntimeError(f"cannot log in with password={SECRET}")
    except RuntimeError:
        text = line("it broke", exc_info=sys.exc_info())

    assert SECRET not in text
    assert "RuntimeError: cannot log in with password=***" in json.loads(text)["error"]


def test_the_consoles_own_secrets_never_appear(settings):
    settings.SECRET_KEY = "a-very-own-key"
    logs.own_secrets.cache_clear()
    try:
        assert redact("signed with a-very-own-key") == "signed with ***"
    finally:
        logs.own_secrets.cache_clear()


@pytest.mark.parametrize(
    "text", ["passwords of 3 people", "the token is missing", "CSRF token missing.", "basic rules"]
)
def test_plain_words_stay(text):
    assert redact(text) == text


@pytest.mark.django_db
@pytest.mark.urls("tests.web.urls")
def test_what_a_view_logs_carries_request_and_person(as_person, cast, caplog, monkeypatch):
    lines = []
    # The handler is one for the whole run of pytest: what is changed in it has to be put back.
    monkeypatch.setattr(caplog.handler, "emit", lambda record: lines.append(JsonLines().format(record)))
    caplog.set_level(logging.INFO, "backups.test")

    answer = as_person("operator").get("/trouble/logs/", {"what": f"token={SECRET}"})

    fields = next(json.loads(text) for text in lines if "backups.test" in text)
    assert fields["request"] == answer["X-Request-ID"]
    assert fields["user"] == cast["operator"].pk
    assert fields["run"] == 7
    assert SECRET not in str(lines)


@pytest.mark.django_db
@pytest.mark.urls("tests.web.urls")
def test_the_record_of_an_error_has_the_reference_of_its_page(as_person, caplog, monkeypatch):
    lines = []
    monkeypatch.setattr(caplog.handler, "emit", lambda record: lines.append(JsonLines().format(record)))
    client = as_person("operator")
    client.raise_request_exception = False

    answer = client.get("/trouble/broken/")

    fields = next(json.loads(text) for text in lines if "django.request" in text)
    assert fields["request"] == answer["X-Request-ID"]
    assert "hunter2" not in str(lines)
