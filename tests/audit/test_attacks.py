"""What shows in the log, its head and its checkpoint file when single things were changed, one by one.

Whole attacks are in ``attack_table``.
"""

import json
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from backups.audit import act, chain, checkpoints
from backups.audit.models import AuditEntry, AuditHead, Checkpoint
from backups.audit.verify import Verdict, checking, verify
from tests.audit.attacker import MAC_KEY, Attacker, files
from tests.audit.conftest import without_constraint, without_triggers

pytestmark = [pytest.mark.django_db, pytest.mark.db]


@pytest.fixture
def log(write):
    """Thirty entries with a checkpoint after every ten."""
    for _ in range(3):
        write(10)
        checkpoints.make_checkpoint()
    assert verify().proven_until == 30
    return list(AuditEntry.objects.order_by("seq"))


def checkpoint_lines() -> list[str]:
    return [line for file in files() for line in file.read_text().splitlines()]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("reason", "another reason"),
        ("action", "run.failed"),
        ("outcome", "failure"),
        ("severity", 3),
        ("actor_name", "somebody else"),
        ("object_type", "run"),
        ("object_id", "99"),
        ("object_name", "another cluster"),
        ("run", 12),
        ("text", '{"v":1}'),
        ("text", "ġ"),
        ("prev", "0" * 64),
        ("digest", "f" * 64),
        ("mac", "f" * 64),
    ],
)
def test_one_changed_column_is_found(log, column, value):
    with without_triggers():
        AuditEntry.objects.filter(seq=5).update(**{column: value})

    assert verify().first_bad == 5


def test_another_person_is_found(log, cast):
    with without_triggers():
        AuditEntry.objects.filter(seq=5).update(actor=cast["operator"])

    assert "actor_id differ" in verify().problem


def test_a_moved_time_is_found(log):
    with without_triggers():
        AuditEntry.objects.filter(seq=5).update(at=log[4].at - timedelta(days=1))

    assert verify().first_bad == 5


@pytest.mark.parametrize("seq", [1, 5, 30])
def test_a_deleted_entry_is_found(log, seq):
    with without_triggers():
        AuditEntry.objects.filter(seq=seq).delete()

    assert verify().first_bad == seq


@pytest.mark.parametrize("field", ["at", "seq", "digest", "host", "signature"])
def test_a_changed_statement_is_found(log, field):
    statement = json.loads(checkpoint_lines()[1])
    other = {
        "at": "2020-01-01T00:00:00.000000+00:00",
        "seq": 12,
        "digest": "0" * 64,
        "host": "x",
        "signature": "AA==",
    }
    lines = [checkpoint_lines()[0], chain.canonical(statement | {field: other[field]}), checkpoint_lines()[2]]
    files()[0].write_text("\n".join(lines) + "\n")

    verdict = verify()
    assert "line 2 was not signed with this console's key" in verdict.problem


def test_a_cut_tail_that_has_grown_again_is_found_by_the_file(log, write):
    with Attacker() as attacker:
        attacker.cut(after=25)
        Checkpoint.objects.all().delete()
    write(10)

    assert verify().problem.startswith("Entry 30 is not the one that")


@pytest.mark.parametrize("remains", [0, 29, 31])
def test_a_head_that_is_gone_or_moved_is_found(log, remains):
    with without_triggers():
        AuditHead.objects.update(seq=remains)

    assert "head" in verify().problem


def test_a_line_cut_short_by_a_crash_is_noted_and_does_not_swallow_the_next(log, write):
    file = files()[0]
    whole = file.read_text()
    write(1)
    checkpoints.make_checkpoint()
    with without_triggers():  # a crash comes before the row
        Checkpoint.objects.filter(seq=31).delete()
    file.write_text(file.read_text().rstrip("\n")[:-40])
    checkpoints.make_checkpoint()

    verdict = verify()
    assert file.read_text().startswith(whole)
    assert verdict.intact
    assert verdict.notes == [f"{file.name} line 4 cannot be read."]
    assert verdict.proven_until == 31


@pytest.mark.parametrize(
    "line", ["", "null", "[1]", "[" * 100_000, '{"seq": "1"}', '{"seq": -1}', '{"seq": 1e400}', "\udcff"]
)
def test_lines_that_are_no_statements_are_noted(log, line):
    with files()[0].open("a", errors="surrogateescape") as file:
        file.write(line + "\n")

    verdict = verify()
    assert verdict.intact
    assert len(verdict.notes) == 1


def test_a_number_that_no_database_can_hold_is_no_statement(log):
    with files()[0].open("a") as file:
        file.write('{"seq": 99999999999999999999999999}\n')

    assert verify().intact


def test_without_checkpoint_files_a_cut_would_not_show_and_that_is_said(log):
    files()[0].unlink()
    with without_triggers():
        Checkpoint.objects.all().delete()

    assert verify().notes == ["No checkpoint file was found: a cut at the end would not show."]


def test_a_partial_check_finds_what_happened_before_it_by_the_newest_checkpoint(log, write):
    """Entries up to 25 are trusted, but the checkpoint at 20 must still agree with what is there now."""
    with Attacker(MAC_KEY) as attacker:
        attacker.edit(5, reason="another reason")
        attacker.hash_again(5)
    write(1)

    assert verify(since=25).problem.startswith(("Entry 20 is not the one", "Entry 30 is not the one"))
    assert verify(since=30).problem.startswith("Entry 30 is not the one")


def test_every_statement_is_checked_once_in_a_check_by_slices(log):
    """Three rows and their three lines; each slice adds the newest before it."""
    assert [verify(since, 10).checkpoints for since in (0, 10, 20)] == [1, 2, 2]
    assert verify().checkpoints == 3


@pytest.mark.parametrize("garbled", [[0], [1], [2], [1, 2], [0, 1, 2]])
def test_garbled_lines_are_found_by_their_rows(log, garbled):
    lines = ["~" * 40 if number in garbled else line for number, line in enumerate(checkpoint_lines())]
    files()[0].write_text("\n".join(lines) + "\n")

    row = Checkpoint.objects.get(seq=10 * (garbled[0] + 1))
    assert verify().problem == (
        f"Checkpoint lines are missing from the file: the first is that of checkpoint row {row.pk}."
    )


@pytest.mark.parametrize("gone", [0, 1])
def test_a_line_that_was_taken_out_is_found(log, gone):
    lines = [line for number, line in enumerate(checkpoint_lines()) if number != gone]
    files()[0].write_text("\n".join(lines) + "\n")

    assert "Checkpoint lines are missing" in verify().problem


def test_a_deleted_checkpoint_file_is_found_also_when_it_was_begun_anew(log, write):
    files()[0].unlink()
    assert "Checkpoint lines are missing" in verify().problem
    assert "Checkpoint lines are missing" in verify(since=30).problem

    write(1)
    checkpoints.make_checkpoint()
    assert "Checkpoint lines are missing" in verify().problem


def test_rows_of_other_hosts_need_no_line_here(log, settings):
    files()[0].unlink()
    settings.WORKER_HOST = "another-host"

    assert verify().intact


def test_a_file_that_was_copied_before_its_database_gets_its_lines_back(log, write):
    """The restored console knows the newest rows, its file does not; they are signed, so the lines can be written."""
    copy = files()[0].read_text()
    for _ in range(2):
        write(1)
        checkpoints.make_checkpoint()
    whole = files()[0].read_text()
    files()[0].write_text(copy)

    row = Checkpoint.objects.get(seq=31)
    assert verify().intact
    assert verify().notes == [f"The file ends before checkpoint row {row.pk}; the next checkpoint brings its line."]

    checkpoints.make_checkpoint()
    assert files()[0].read_text().startswith(whole)
    assert verify().notes == []
    assert len(checkpoint_lines()) == 6


@pytest.mark.parametrize("seq", [0, -7])
def test_entries_in_front_of_the_first_one_are_found_and_never_shown(log, cast, seq):
    with without_triggers(), without_constraint():
        forged = AuditEntry.objects.get(seq=1)
        forged.seq = seq
        forged.save(force_insert=True)

    assert verify().problem == f"There is an entry {seq}, but the log begins with entry 1."
    assert verify().first_bad is None
    assert verify(since=20).problem
    assert not AuditEntry.objects.visible_to(cast["auditor"]).filter(seq__lt=1).exists()


def test_the_database_takes_no_entry_in_front_of_the_first_one(write):
    first = write(1)[0]
    first.seq = 0
    with without_triggers(), pytest.raises(IntegrityError, match="entry_numbers_begin_with_1"), transaction.atomic():
        first.save(force_insert=True)


def test_a_statement_is_checked_once_however_often_it_is_there(log):
    text = files()[0].read_text()
    files()[0].with_name("copy.jsonl").write_text(text + text)

    assert verify().checkpoints == 3


def test_a_line_like_another_but_with_a_wrong_signature_is_another(log):
    statement = json.loads(checkpoint_lines()[1])
    wrong = chain.canonical(statement | {"signature": json.loads(checkpoint_lines()[0])["signature"]})
    with files()[0].open("a") as file:
        file.write(wrong + "\n")

    assert "line 4 was not signed" in verify().problem


def test_a_check_comes_back_between_its_parts(log, monkeypatch):
    monkeypatch.setattr("backups.audit.entries.CHUNK", 10)
    monkeypatch.setattr("backups.audit.verify.PART", 1)
    verdict = Verdict(since=0)
    parts = sum(1 for _ in checking(verdict))

    assert (verdict.seq, verdict.checkpoints, verdict.intact) == (30, 3, True)
    assert parts >= 6


def test_a_statement_about_the_empty_log_is_checked_too(write, settings):
    checkpoints.make_checkpoint()
    write(1)
    line = json.loads(checkpoint_lines()[0])
    files()[0].write_text(chain.canonical(line | {"host": "another"}) + "\n")

    assert "was not signed with this console's key" in verify().problem


def test_every_write_after_an_attack_still_works(log):
    with without_triggers():
        AuditEntry.objects.filter(seq=5).update(reason="another reason")
    with act(None) as a:
        a.record("cluster.changed")

    assert verify().first_bad == 5
