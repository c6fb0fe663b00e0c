"""Lists: pages by key, filters that live in the address, and CSV. No models.

A page is found by the key of the row beside it (``?before=``, ``?after=``), never by counting rows, so that the
last page of a million is as fast as the first, and rows that arrive do not push others onto the next page.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.http import StreamingHttpResponse

SIZES = (10, 25, 50, 100)
CSV_ROWS = 100_000
AT_ONCE = 2_000


@dataclass(frozen=True)
class Page:
    """Rows, newest first, and the keys that lead on: ``?after=newer`` and ``?before=older``; None at an end."""

    rows: list
    newer: int | None
    older: int | None
    size: int
    sizes: tuple[int, ...] = SIZES


def paginate(request, queryset, *, size: int = 25) -> Page:
    """The page of ``queryset`` that the address asks for, by primary key, highest first.

    Whatever stands in ``after``, ``before`` and ``size`` gives a page: what makes no sense is ignored.
    """
    size = page_size(request, size)
    after, before = key(request.GET.get("after")), key(request.GET.get("before"))
    if after is not None:
        rows = list(queryset.filter(pk__gt=after).order_by("pk")[: size + 1])
        if len(rows) > size:
            rows = rows[size - 1 :: -1]
            return Page(rows, newer=rows[0].pk, older=rows[-1].pk, size=size)
        before = None  # less than a page is newer: that is the first page
    rows = list((queryset if before is None else queryset.filter(pk__lt=before)).order_by("-pk")[: size + 1])
    if before is not None and not rows:  # nothing is older: the first page
        before, rows = None, list(queryset.order_by("-pk")[: size + 1])
    older = rows[size - 1].pk if len(rows) > size else None
    rows = rows[:size]
    return Page(rows, newer=rows[0].pk if rows and before is not None else None, older=older, size=size)


def all_rows(queryset) -> Iterator:
    """Every row, highest key first, AT_ONCE at a time: for a download, which may take an hour, nothing stays open in
    the database and little is held in memory."""
    rows = list(queryset.order_by("-pk")[:AT_ONCE])
    while rows:
        yield from rows
        rows = list(queryset.filter(pk__lt=rows[-1].pk).order_by("-pk")[:AT_ONCE])


def key(text: str | None) -> int | None:
    """A key from the address, or None. Short enough for every database's integers."""
    return int(text) if text and re.fullmatch(r"[0-9]{1,18}", text, re.ASCII) else None


def page_size(request, default: int) -> int:
    """One of SIZES: from the address, else as this person chose last time, else the default."""
    asked = key(request.GET.get("size"))
    if asked in SIZES:
        if request.session.get("page_size") != asked:
            request.session["page_size"] = asked
        return asked
    kept = request.session.get("page_size")
    return kept if kept in SIZES else default


@dataclass(frozen=True)
class Chip:
    """A filter that is set, and the address without it."""

    text: str
    url: str


class Filters(forms.Form):
    """A GET form above a list. Every field is optional; a value that makes no sense filters nothing.

    class RunFilters(Filters):
        q = forms.CharField(label="Search runs")
        state = forms.ChoiceField(choices=[("", "Any state"), *RunState.choices])

    filters = RunFilters(request)
    filters.chosen  -> {"state": "failed"}
    """

    use_required_attribute = False

    def __init__(self, request) -> None:
        super().__init__(request.GET, auto_id="filter_%s")
        self.address = request.GET
        for name, field in self.fields.items():
            field.required = False
            self._dress(name, field)

    def _dress(self, name: str, field: forms.Field) -> None:
        attrs = field.widget.attrs
        attrs.setdefault("aria-label", field.label or name)
        if isinstance(field, forms.DateField):
            field.input_formats = ["%Y-%m-%d"]
            attrs |= {"class": "iso", "inputmode": "numeric", "placeholder": "yyyy-mm-dd"}
        elif isinstance(field.widget, forms.TextInput):
            attrs.setdefault("placeholder", field.label or name)
            field.widget.input_type = "search"

    @property
    def chosen(self) -> dict[str, Any]:
        """What is set and makes sense, by name."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value not in (None, "", [])}

    @property
    def chips(self) -> list[Chip]:
        return [Chip(f"{self[name].label}: {self._word(name)}", self._without(name)) for name in self.chosen]

    def _word(self, name: str) -> str:
        field, value = self.fields[name], self.chosen[name]
        if isinstance(field, forms.ModelChoiceField):
            return field.label_from_instance(value)
        return str(dict(getattr(field, "choices", ())).get(value, value))

    def _without(self, name: str) -> str:
        rest = self.address.copy()
        for gone in (name, "after", "before"):
            rest.pop(gone, None)
        return f"?{rest.urlencode()}"


class _Echo:
    """What csv writes to: hands each line back instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def csv_response(filename: str, header: Iterable[str], rows: Iterable[Iterable]) -> StreamingHttpResponse:
    """A download that is written while it is read: UTF-8, ISO times in UTC, at most CSV_ROWS rows."""
    response = StreamingHttpResponse(_csv_lines(header, rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{re.sub(r"[^A-Za-z0-9._-]", "-", filename)}"'
    return response


def _csv_lines(header: Iterable[str], rows: Iterable[Iterable]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(header)
    for number, row in enumerate(rows):
        if number == CSV_ROWS:
            yield writer.writerow([f"cut after {CSV_ROWS} rows"])
            return
        yield writer.writerow([cell(value) for value in row])


def cell(value) -> Any:
    """A value as a spreadsheet may open it: text that would run as a formula is quoted, None is empty."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(value, (int, float)):
        return value
    text = str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
