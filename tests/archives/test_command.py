"""manage.py backup_restore, run as people run it: a process with arguments, output and an exit status."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from backups.archives import cybersift_restore as reader
from backups.archives import restoring
from backups.archives.models import Archive, ArchiveState
from backups.audit.models import AuditEntry
from backups.runs import advance, long
from backups.runs.models import Effect, Run, RunState
from backups.worker.kinds import KINDS
from tests.archives.making import Item, Maker

pytestmark = [pytest.mark.db, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def command(settings):
    """Run it in the database and the home of the tests."""
    environ = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.settings_child",
        "CONSOLE_HOME": str(settings.CONSOLE_HOME),
        "CHILD_DATABASE": str(connection.settings_dict["NAME"]),
    }

    def run(*words: str, wait: bool = True, **options):
        line = [sys.executable, str(settings.BASE_DIR / "manage.py"), "backup_restore", *map(str, words)]
        process = subprocess.Popen(
            line, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        if not wait:
            return process
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    return run


def test_backup_list_verify_and_restore(command, profile, location, tmp_path):
    path = location.directory / "backup.tar.gz"

    code, out, err = command("-o", "backup", "-p", path)
    assert (code, err.count("Run ")) == (0, 1), err
    assert "121 files" in out and "verified" in out
    assert Archive.objects.get().state == ArchiveState.VERIFIED

    code, out, _ = command("-o", "list", "-p", path, "--only", "params/p7.json")
    assert (code, out.splitlines()) == (0, ["params/p7.json"])

    assert command("-o", "verify", "-p", path)[0] == 0
    assert Run.objects.filter(kind="verify_archive", state=RunState.SUCCEEDED).count() == 1

    code, out, err = command("-o", "restore", "-p", path, "--to", tmp_path / "new", "--reason", "a test")
    assert code == 0, err
    assert (tmp_path / "new/files/params/p7.json").read_text() == '{"rate": 7}'
    entries = AuditEntry.objects.filter(action__startswith="files.").order_by("seq")
    assert [entry.action for entry in entries] == ["files.restore_started", "files.restored"]
    run = Run.objects.get(kind="restore_archive")
    assert (run.state, run.effect) == (RunState.SUCCEEDED, Effect.APPLIED)
    assert {json.loads(entry.text)["run"] for entry in entries} == {run.pk}


def test_a_target_that_is_not_empty_is_left_alone(command, profile, location, tmp_path):
    command("-o", "backup", "-p", location.directory / "backup.tar.gz")
    (tmp_path / "live").mkdir()
    (tmp_path / "live/file").write_text("precious")

    code, _, err = command("-o", "restore", "-p", location.directory / "backup.tar.gz", "--to", tmp_path / "live")

    assert code == 4
    assert "The target is not empty" in err
    assert (tmp_path / "live/file").read_text() == "precious"


def test_an_archive_outside_every_location_is_not_kept_here(command, profile, tmp_path):
    (tmp_path / "elsewhere").mkdir()

    code, out, err = command("-o", "backup", "-p", tmp_path / "elsewhere/b.tar.gz", "--json")

    assert code == 0, err
    events = [json.loads(line) for line in out.splitlines()]
    assert events[-1]["event"] == "result" and events[-1]["verdict"] == "verified"
    archive = Archive.objects.get()
    assert (archive.location, archive.outside) == (None, str(tmp_path / "elsewhere"))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("-o", "backup", "-p", "/nowhere/b.tar.gz", "--profile", "none"), 2, "There is no profile none."),
        (("-o", "backup", "-p", "b.zip"), 2, "end in .tar.gz"),
        (("-o", "list", "-p", "/nowhere/b.tar.gz"), 3, "cannot be read"),
        (("-o", "restore", "-p", "b.tar.gz"), 2, "Say where to"),
        (("-o", "verify", "-p", "b\udcff.tar.gz"), 2, "not UTF-8"),
        (("-o", "shred", "-p", "b.tar.gz"), 2, "invalid choice"),
    ],
)
def test_wrong_use(command, profile, words, code, said):
    found, _, err = command(*words)

    assert found == code
    assert said in err


def test_several_profiles_have_to_be_chosen_from(command, profile):
    profile.pk, profile.name = None, "other"
    profile.save()

    code, _, err = command("-o", "backup", "-p", "b.tar.gz")

    assert code == 2
    assert "There are: files, other." in err


def test_an_interrupt_cancels_and_leaves_nothing(command, profile, location, tree):
    with (tree / "models/detector/big.bin").open("wb") as file:
        for _ in range(400):
            file.write(os.urandom(1 << 20))

    def names() -> list[str]:
        return [file.name for file in location.directory.iterdir()]

    process = command("-o", "backup", "-p", location.directory / "backup.tar.gz", wait=False)
    end = time.monotonic() + 60
    while not any(".partial-" in name for name in names()) and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)

    assert process.returncode == 130
    assert names() == []
    assert Archive.objects.get().state == ArchiveState.CANCELLED


def test_compare_names_what_differs(command, profile, location, tree):
    path = location.directory / "backup.tar.gz"
    command("-o", "backup", "-p", path)
    assert command("-o", "compare", "-p", path)[0] == 0
    (tree / "params/p7.json").write_text("changed")

    code, out, err = command("-o", "compare", "-p", path, "--full")

    assert code == 7
    assert "changed files/params/p7.json" in out
    assert "models: " in err and "0 changed" in err


def test_a_restore_that_was_killed_is_ended_by_a_worker_and_begun_again(command, profile, location, tmp_path):
    path, to = location.directory / "backup.tar.gz", tmp_path / "new"
    command("-o", "backup", "-p", path)
    with reader.open_archive(str(path)) as found:  # as far as the killed process came
        run = restoring.Restore(found, path, to).begin("", "")
    Run.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(minutes=1))

    advance(run.pk, KINDS, lambda run_id, fence: not long.run_step(run_id, fence, KINDS, lost=pytest.fail))

    run.refresh_from_db()
    assert (run.state, run.effect, run.error) == (RunState.FAILED, Effect.UNKNOWN, restoring.LEFT)
    assert not to.exists()
    assert command("-o", "restore", "-p", path, "--to", to)[0] == 0


def test_ctrl_c_leaves_nothing_of_a_restore(command, profile, location, tree, tmp_path):
    with (tree / "models/large.bin").open("wb") as file:
        for _ in range(150):
            file.write(os.urandom(1 << 20))
    path, to = location.directory / "backup.tar.gz", tmp_path / "new"
    command("-o", "backup", "-p", path)

    process = command("-o", "restore", "-p", path, "--to", to, wait=False)
    process.stderr.readline()  # Run 2: restore …
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)

    assert process.returncode in (0, 130), err  # it may have been faster
    run = Run.objects.get(kind="restore_archive")
    assert (to.exists(), run.state) == (
        (True, RunState.SUCCEEDED) if process.returncode == 0 else (False, "cancelled")
    )
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []


def test_an_archive_that_tells_odd_things_of_its_folders_is_not_compared(command, db, tmp_path):
    path = tmp_path / "odd.tar.gz"
    path.write_bytes(Maker(header={"sources": ["models", {"kind": "files"}]}).bytes_of([Item("files/a", data=b"x")]))

    code, _, err = command("-o", "compare", "-p", path)

    assert (code, "cannot be believed" in err) == (1, True), err
