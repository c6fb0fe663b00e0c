"""One entry whole: what it says, and how anybody can check it."""

import json
import shutil
import subprocess

import pytest

from backups.audit import checkpoints
from backups.audit.models import AuditEntry
from tests.audit.conftest import without_triggers


def page_of(browser, seq: int) -> str:
    return browser.get(f"/audit/{seq}/").content.decode()


def test_the_page_shows_text_digest_and_neighbours(cast, auditor, write):
    first, second, third = (write(cast["administrator"]).seq for _ in range(3))

    answer = auditor.get(f"/audit/{second}/")

    shown = answer.context["entry"]
    assert shown.digest in answer.content.decode()
    assert (answer.context["older"], answer.context["newer"]) == (first, third)
    assert answer.context["text_matches"]
    assert answer.context["mac_matches"]
    assert answer.context["links"]


def test_the_first_entry_links_to_nothing(cast, auditor, write):
    seq = write(cast["administrator"]).seq
    assert seq == 1

    answer = auditor.get("/audit/1/")

    assert answer.context["links"]
    assert answer.context["older"] is False


def test_reason_change_and_origin_are_shown(cast, auditor, write):
    seq = write(
        cast["administrator"],
        "roles.changed",
        cast["viewer"],
        reason="Moves to the second shift from Monday on",
        change={"roles": {"before": ["viewer"], "after": ["operator", "viewer"]}, "note": "by mail"},
    ).seq

    page = page_of(auditor, seq)

    assert "Moves to the second shift" in page
    assert '<span class="text-fail">viewer</span> → <span class="text-ok">operator, viewer</span>' in page
    assert "by mail" in page
    assert "then administrator" in page


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="sha256sum is not installed")
@pytest.mark.parametrize("name", ["plain", 'it\'s a "test" of $(quoting) `here` %s \\n', "Ġorġ 'Borg'"])
def test_the_command_on_the_page_prints_the_digest(cast, auditor, write, name):
    entry = write(cast["administrator"], obj=("cluster", 1, name))

    command = auditor.get(f"/audit/{entry.seq}/").context["command"]
    printed = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True).stdout

    assert printed.split()[0] == entry.digest


def test_a_changed_entry_is_called_changed(cast, auditor, write):
    entry = write(cast["administrator"])
    with without_triggers():
        AuditEntry.objects.filter(seq=entry.seq).update(text=entry.text.replace("sandbox", "another"), mac="0" * 64)

    answer = auditor.get(f"/audit/{entry.seq}/")

    assert not answer.context["text_matches"]
    assert not answer.context["mac_matches"]
    assert "it was changed" in answer.content.decode()


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"actor": 1}', "ġ"])
def test_a_text_that_cannot_be_read_does_not_blank_the_pages(cast, auditor, write, text):
    entry = write(cast["administrator"])
    with without_triggers():
        AuditEntry.objects.filter(seq=entry.seq).update(text=text)

    assert auditor.get(f"/audit/{entry.seq}/").status_code == 200
    assert auditor.get("/audit/").status_code == 200


def test_it_says_whether_a_checkpoint_covers_the_entry(cast, auditor, write, settings, tmp_path):
    settings.CHECKPOINTS_DIR = tmp_path
    covered = write(cast["administrator"]).seq
    checkpoints.make_checkpoint()
    later = write(cast["administrator"]).seq

    assert "A signed checkpoint covers it" in page_of(auditor, covered)
    assert "No signed checkpoint covers it yet" in page_of(auditor, later)


def test_looking_at_an_entry_leaves_one(cast, auditor, write):
    seq = write(cast["administrator"]).seq
    page_of(auditor, seq)
    page_of(auditor, seq)

    view = AuditEntry.objects.get(action="log.viewed")
    assert json.loads(view.text)["object"] == {
        "type": "auditentry",
        "id": str(seq),
        "name": f"entry {seq} of the log",
    }


def test_an_entry_that_is_not_there_is_not_found(auditor):
    assert auditor.get("/audit/999/").status_code == 404
    assert auditor.get("/audit/99999999999999999999999/").status_code == 404


@pytest.mark.parametrize(
    ("obj", "query"),
    [
        (("cluster", 7, "sandbox"), "cluster%3A7"),
        (("address", "10.0.0.9", "operator from 10.0.0.9"), "10.0.0.9"),
        (("page", "", "/people/"), ""),
    ],
)
def test_it_leads_to_all_entries_on_the_same_object(cast, auditor, write, obj, query):
    seq = write(cast["administrator"], obj=obj).seq

    page = page_of(auditor, seq)

    assert (f'?q={query}">All entries on it' in page) is bool(query)
    if query:
        found = auditor.get("/audit/", {"q": query.replace("%3A", ":")}).context["readings"]
        assert [reading.entry.seq for reading in found] == [seq]


def test_a_failed_sign_in_was_by_nobody(cast, auditor, client, write):
    client.post("/sign-in/", {"name": "operator", "password": "wrong"})
    seq = AuditEntry.objects.get().seq

    assert "not signed in" in page_of(auditor, seq)
