"""Exports: who may, what is in them, and the entry that each one leaves."""

import csv
import hashlib
import io
import json

import pytest

from backups import listing
from backups.audit.models import AuditEntry
from backups.evidence import views

CSV, LINES = "/audit/export.csv", "/audit/export.jsonl"


def text_of(answer) -> str:
    return b"".join(answer.streaming_content).decode()


@pytest.mark.parametrize("url", [CSV, LINES])
@pytest.mark.parametrize("role", ["viewer", "operator", "approver", "administrator"])
def test_only_auditors_export(as_person, url, role):
    assert as_person(role).get(url).status_code == 403


def test_csv_has_a_row_for_each_entry(cast, auditor, write):
    write(cast["administrator"], obj=("cluster", 7, "sandbox"))
    write(None, "run.failed", ("run", 3, "run 3: nightly"), outcome="failure", run=3)

    rows = list(csv.DictReader(io.StringIO(text_of(auditor.get(CSV)))))

    assert [row["action"] for row in rows] == ["log.exported", "run.failed", "cluster.changed"]
    assert rows[2]["what happened"] == "Daniel Farrugia changed cluster sandbox"
    assert rows[2]["roles"] == "administrator"
    assert rows[1]["run"] == "3"
    assert len(rows[0]["digest"]) == 64


def test_cells_cannot_run_in_a_spreadsheet(cast, auditor, write):
    write(cast["administrator"], reason="=HYPERLINK(1)", obj=("cluster", 1, "x"))

    assert "'=HYPERLINK(1)" in text_of(auditor.get(CSV))


def test_json_lines_have_the_text_as_it_was_hashed(cast, auditor, write):
    for _ in range(3):
        write(cast["administrator"])

    lines = [json.loads(line) for line in text_of(auditor.get(LINES)).splitlines()]

    assert [line["seq"] for line in lines] == [4, 3, 2, 1]
    for line, older in zip(lines, [*lines[1:], None], strict=True):
        assert hashlib.sha256(line["text"].encode()).hexdigest() == line["digest"]
        assert json.loads(line["text"])["prev"] == (older["digest"] if older else "0" * 64)


def test_exports_obey_the_filters(cast, auditor, write):
    write(cast["administrator"])
    wanted = write(cast["operator"], "run.failed", ("run", 3, "run 3"), outcome="failure")

    lines = text_of(auditor.get(LINES, {"outcome": "failure"})).splitlines()

    assert [json.loads(line)["seq"] for line in lines] == [wanted.seq]


def test_every_export_leaves_an_entry(cast, auditor, write):
    write(cast["administrator"])
    for _ in range(2):
        auditor.get(CSV, {"action": "Runs", "person": cast["operator"].pk})
    auditor.get(LINES)

    exports = AuditEntry.objects.filter(action="log.exported", actor=cast["auditor"]).order_by("seq")
    changes = [json.loads(entry.text)["change"] for entry in exports]
    assert [change["form"] for change in changes] == ["csv", "csv", "json lines"]
    assert changes[0]["filters"] == {"action": "Runs", "person": "Maria Zammit"}


@pytest.mark.parametrize("url", [CSV, LINES])
def test_an_export_is_cut_and_says_so(cast, auditor, write, monkeypatch, url):
    for module in (listing, views):
        monkeypatch.setattr(module, "CSV_ROWS", 2)
    for _ in range(4):
        write(cast["administrator"])

    lines = text_of(auditor.get(url)).splitlines()

    assert "cut after 2" in lines[-1]
    assert len(lines) == (4 if url == CSV else 3)
