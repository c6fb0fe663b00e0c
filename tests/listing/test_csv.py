import csv
import io
from datetime import datetime, timedelta, timezone

import pytest

from backups import listing
from backups.listing import cell, csv_response


def read(response) -> list[list[str]]:
    return list(csv.reader(io.StringIO(b"".join(response.streaming_content).decode())))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("=1+1", "'=1+1"),
        ("+49 170", "'+49 170"),
        ("-cmd", "'-cmd"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("a=b", "a=b"),
        (-5, -5),
        (2.5, 2.5),
        (None, ""),
        (datetime(2026, 11, 22, 10, 30, tzinfo=timezone(timedelta(hours=1))), "2026-11-22T09:30:00Z"),
    ],
)
def test_no_cell_runs_as_a_formula(value, text):
    assert cell(value) == text


def test_it_is_a_download_with_a_header_row():
    response = csv_response('runs "of" today.csv', ["Run", "State"], [["nightly, 2", "succeeded"], ["ħ", None]])

    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="runs--of--today.csv"'
    assert read(response) == [["Run", "State"], ["nightly, 2", "succeeded"], ["ħ", ""]]


def test_rows_are_read_while_the_answer_is_sent():
    asked = []

    def rows():
        for number in range(3):
            asked.append(number)
            yield [number]

    lines = iter(csv_response("x.csv", ["n"], rows()).streaming_content)

    next(lines)
    assert asked == []
    next(lines)
    assert asked == [0]


def test_a_long_list_is_cut_and_says_so(monkeypatch):
    monkeypatch.setattr(listing, "CSV_ROWS", 2)

    assert read(csv_response("x.csv", ["n"], ([n] for n in range(5)))) == [
        ["n"], ["0"], ["1"], ["cut after 2 rows"],
    ]  # fmt: skip
