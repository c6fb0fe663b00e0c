import pytest
from django.contrib.auth.models import Group
from django.test import RequestFactory

from backups import listing
from backups.listing import SIZES, all_rows, paginate

# Any table will do; this one is at the bottom of the stairs.
pytestmark = pytest.mark.django_db


@pytest.fixture
def rows():
    """60 rows; returns their keys, newest first."""
    Group.objects.bulk_create(Group(name=f"row {number}") for number in range(60))
    return list(Group.objects.filter(name__startswith="row ").order_by("-pk").values_list("pk", flat=True))


@pytest.fixture
def page(rows):
    def ask(session=None, **query):
        request = RequestFactory().get("/", query)
        request.session = {} if session is None else session
        return paginate(request, Group.objects.filter(name__startswith="row "), size=25)

    return ask


def keys(page) -> list[int]:
    return [row.pk for row in page.rows]


def test_the_first_page_has_the_newest_rows(page, rows):
    first = page()

    assert keys(first) == rows[:25]
    assert first.newer is None
    assert first.older == rows[24]


def test_older_and_newer_lead_through_all_rows_and_back(page, rows):
    second = page(before=page().older)
    third = page(before=second.older)

    assert keys(second) == rows[25:50]
    assert keys(third) == rows[50:]
    assert third.older is None
    assert keys(page(after=third.newer)) == rows[25:50]
    assert keys(page(after=page(after=third.newer).newer)) == rows[:25]


def test_rows_that_arrive_do_not_push_others_onto_the_next_page(page, rows):
    older = page().older
    Group.objects.create(name="row that came in between")

    assert keys(page(before=older)) == rows[25:50]


def test_less_than_a_page_of_newer_rows_is_the_first_page(page, rows):
    assert keys(page(after=rows[3])) == rows[:25]


def test_before_the_oldest_row_is_the_first_page(page, rows):
    assert keys(page(before=rows[-1])) == rows[:25]


@pytest.mark.parametrize(
    "nonsense", ["", "abc", "-1", "1.5", "9" * 40, "١٢", "1 OR 1=1", "%00", "0x10", "1e3", "null", "\x00"]
)
@pytest.mark.parametrize("name", ["after", "before", "size"])
def test_nonsense_in_the_address_gives_a_page(page, rows, name, nonsense):
    assert keys(page(**{name: nonsense})) == rows[:25]


@pytest.mark.parametrize("name", ["after", "before"])
def test_the_largest_key_that_is_let_through_gives_a_page(page, rows, name):
    assert keys(page(**{name: "9" * 18})) == rows[:25]


def test_an_empty_list_is_an_empty_page():
    request = RequestFactory().get("/", {"before": "5"})
    request.session = {}

    empty = paginate(request, Group.objects.none())

    assert (empty.rows, empty.newer, empty.older) == ([], None, None)


@pytest.mark.parametrize("size", SIZES)
def test_the_size_is_one_of_a_few_and_remembered(page, size):
    session = {}

    assert page(session, size=size).size == size
    assert page(session).size == size


def test_a_size_that_is_not_offered_is_ignored(page):
    session = {"page_size": "100000"}

    assert page(session, size=5000).size == 25


def test_a_page_costs_one_query(page, django_assert_num_queries, rows):
    with django_assert_num_queries(1):
        page(before=rows[10])


@pytest.mark.parametrize("at_once", [1, 7, 60, 61])
def test_a_download_has_every_row_newest_first_however_many_are_read_at_once(rows, monkeypatch, at_once):
    monkeypatch.setattr(listing, "AT_ONCE", at_once)
    found = all_rows(Group.objects.filter(name__startswith="row "))

    assert next(found).pk == rows[0]
    Group.objects.create(name="row that came meanwhile")
    assert [row.pk for row in found] == rows[1:]


def test_a_download_of_nothing_is_empty(db):
    assert list(all_rows(Group.objects.filter(name="nobody"))) == []
