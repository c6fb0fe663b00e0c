import pytest
from django.urls import reverse

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.web.urls")]


@pytest.fixture
def browser(as_person, cast):
    cast["operator"].must_change_password = True
    cast["operator"].save()
    return as_person("operator")


@pytest.mark.parametrize("address", ["/trouble/page/", "/trouble/for_administrators/", "/"])
def test_a_one_time_password_leads_to_the_page_that_changes_it(browser, address):
    answer = browser.get(address)

    assert answer.status_code == 302
    assert answer["Location"] == reverse("accounts:password")


def test_nothing_can_be_sent_before_it_is_changed(browser):
    assert browser.post("/trouble/fragment/")["Location"] == reverse("accounts:password")


def test_the_page_itself_and_sign_out_stay_open(browser):
    assert browser.get(reverse("accounts:password")).status_code == 200
    assert reverse("accounts:password") not in browser.post(reverse("accounts:sign_out")).get("Location", "")


def test_a_fragment_sends_the_whole_page_there(browser):
    answer = browser.get("/trouble/fragment/", headers={"HX-Request": "true"})

    assert answer["HX-Redirect"] == reverse("accounts:password")
