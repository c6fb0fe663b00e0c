import datetime

import pytest
from django import forms
from django.template.loader import render_to_string
from django.test import RequestFactory

from backups.listing import Filters


class ExampleFilters(Filters):
    q = forms.CharField(label="Search runs")
    state = forms.ChoiceField(label="State", choices=[("", "Any state"), ("failed", "Failed")])
    since = forms.DateField(label="From")


def filters(**query) -> ExampleFilters:
    return ExampleFilters(RequestFactory().get("/runs/", query))


def test_what_is_set_is_chosen():
    assert filters(q="nightly", state="failed", since="2026-11-15").chosen == {
        "q": "nightly",
        "state": "failed",
        "since": datetime.date(2026, 11, 15),
    }


@pytest.mark.parametrize(
    "query", [{}, {"q": " ", "state": ""}, {"state": "no such state"}, {"since": "15/11/2026"}, {"q": "\x00"}]
)
def test_what_is_empty_or_makes_no_sense_filters_nothing(query):
    assert filters(**query).chosen == {}


def test_one_bad_filter_leaves_the_others():
    assert filters(q="nightly", since="yesterday").chosen == {"q": "nightly"}


def test_a_chip_leads_to_the_list_without_its_filter_and_back_to_the_first_page():
    chips = filters(q="a&b", state="failed", before="7", size="10").chips

    assert [(chip.text, chip.url) for chip in chips] == [
        ("Search runs: a&b", "?state=failed&size=10"),
        ("State: Failed", "?q=a%26b&size=10"),
    ]


def test_the_bar_names_every_field_and_keeps_what_was_written():
    html = render_to_string("ui/filters.html", {"filters": filters(q='"><b>', state="failed")})

    assert 'aria-label="Search runs"' in html
    assert 'value="&quot;&gt;&lt;b&gt;"' in html
    assert '<option value="failed" selected>' in html
    assert 'class="input iso"' in html
    assert "required" not in html
