"""manage.py audit_verify: what it prints and how it ends."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from backups.audit import checkpoints
from backups.audit.models import AuditEntry, Verification
from backups.templatetags import formats
from tests.audit.conftest import without_triggers

pytestmark = [pytest.mark.django_db, pytest.mark.db]


def test_an_intact_log_ends_well(write, capsys):
    write(3)
    signed = checkpoints.make_checkpoint()
    write(1)

    call_command("audit_verify")

    assert capsys.readouterr().out == (
        "Intact: 4 entries up to number 4, 1 checkpoints; provable up to entry 3, "
        f"not provable since {formats.stamp(signed.at)}.\n"
    )
    assert Verification.objects.get().problem == ""


def test_a_broken_log_ends_with_1(write, capsys):
    write(3)
    with without_triggers():
        AuditEntry.objects.filter(seq=2).update(reason="x")

    with pytest.raises(SystemExit) as ended:
        call_command("audit_verify")

    assert ended.value.code == 1
    assert "BROKEN. Entry 2: was changed: reason differ from its text." in capsys.readouterr().err
    assert Verification.objects.get().first_bad == 2
    assert AuditEntry.objects.filter(action="log.broken").count() == 1


def test_a_part_that_is_well_says_nothing_about_the_whole(write, capsys):
    write(3)
    with without_triggers():
        AuditEntry.objects.filter(seq=1).update(reason="x")

    call_command("audit_verify", since=2)

    assert "Intact: 1 entries up to number 3" in capsys.readouterr().out
    assert not Verification.objects.exists()


def test_an_empty_log_is_intact(capsys):
    call_command("audit_verify")

    out = capsys.readouterr().out
    assert "Intact: 0 entries" in out
    assert "No checkpoint file was found" in out


def test_a_copy_that_is_not_there_is_said():
    with pytest.raises(CommandError, match="There is no file /nowhere/copy.jsonl"):
        call_command("audit_verify", checkpoints=[Path("/nowhere/copy.jsonl")])


def test_a_copy_of_the_file_is_compared_and_stands_in_for_nothing(write, settings, tmp_path, capsys):
    write(3)
    checkpoints.make_checkpoint()
    file = next(settings.CHECKPOINTS_DIR.glob("*.jsonl"))
    copy = file.rename(tmp_path / "copy.jsonl")

    with pytest.raises(SystemExit):
        call_command("audit_verify", checkpoints=[copy])
    assert "Checkpoint lines are missing from the file" in capsys.readouterr().err


def test_a_cut_end_of_the_file_is_noted_and_mended(write, settings, capsys):
    for _ in range(2):
        write(3)
        row = checkpoints.make_checkpoint()
    file = next(settings.CHECKPOINTS_DIR.glob("*.jsonl"))
    whole = file.read_text()
    file.write_text(whole.splitlines(keepends=True)[0])

    call_command("audit_verify")
    out = capsys.readouterr().out
    assert f"Note: The file ends before checkpoint row {row.pk}; the next checkpoint brings its line." in out
    assert "provable up to entry 3, not provable since" in out

    checkpoints.make_checkpoint()
    assert file.read_text().startswith(whole)
