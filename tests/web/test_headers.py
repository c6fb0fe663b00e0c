import re

import pytest
from django.test import Client

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.web.urls")]


def test_the_content_security_policy_allows_our_own_files_only():
    policy = Client().get("/trouble/public/")["Content-Security-Policy"]

    assert policy.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert not re.search(r"unsafe|data:|nonce|https?:|\*", policy)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Cache-Control", "no-store"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Referrer-Policy", "same-origin"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
    ],
)
@pytest.mark.parametrize("address", ["/trouble/public/", "/nowhere/", "/trouble/no_database/"])
def test_every_answer_carries_the_headers(address, name, value):
    assert Client(raise_request_exception=False).get(address)[name] == value


def test_powerful_features_are_off():
    assert "geolocation=()" in Client().get("/trouble/public/")["Permissions-Policy"]


def test_every_answer_has_a_reference_of_its_own():
    first, second = (Client().get("/trouble/public/")["X-Request-ID"] for _ in range(2))

    assert re.fullmatch("[0-9a-f]{8}", first)
    assert first != second
