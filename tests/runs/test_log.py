"""A run's log: rows up to a limit, then a file, and never a line twice."""

import hashlib
import json

import pytest
from django.conf import settings

from backups.runs import Done, Stay, advance
from backups.runs import log as run_log
from backups.runs.models import RunLogLine, RunState

from .fakes import one_step


@pytest.fixture(autouse=True)
def few_rows(monkeypatch, settings, tmp_path):
    monkeypatch.setattr(run_log, "MAX_ROWS", 5)
    settings.RUN_LOGS_DIR = tmp_path / "run-logs"


def talk(turn):
    """Three lines a turn, four turns."""
    turns = turn.run.progress.get("turns", 0) + 1
    turn.progress = {"turns": turns}
    for number in range(3):
        turn.log(f"line {turn.run.lines + number + 1}")
    return Stay() if turns < 4 else Done(RunState.SUCCEEDED)


def numbers_in_file(run) -> list[int]:
    return [json.loads(line)["n"] for line in run_log.file_of(run, settings.WORKER_HOST).read_text().splitlines()]


def test_the_limit_of_rows_is_five_thousand(queue, monkeypatch):
    monkeypatch.undo()
    assert run_log.MAX_ROWS == 5000


def test_lines_above_the_limit_go_to_a_file_whose_hash_is_kept(queue):
    run = queue("talks")
    while advance(run.pk, one_step("talks", talk)) is not None:
        pass
    run.refresh_from_db()

    assert run.lines == 12
    assert list(run.log.values_list("number", flat=True)) == [1, 2, 3, 4, 5, 6]
    assert run.log.get(number=6).text == f"The lines from here on are in a file on host {settings.WORKER_HOST}"
    assert numbers_in_file(run) == [6, 7, 8, 9, 10, 11, 12]
    file = run_log.file_of(run, settings.WORKER_HOST)
    assert run.log_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_commit_that_failed_leaves_no_line_twice(queue, comes_due):
    faults = [False, False, True, False, False]

    def stumble(turn):
        if faults.pop(0):
            turn.write(lambda a: run_log.append(turn.run, [("info", "will be rolled back")] * 9))
            turn.write(lambda a: 1 / 0)
        return talk(turn)

    run = queue("talks")
    for _ in range(5):
        advance(run.pk, one_step("talks", stumble))
        comes_due(run)
    run.refresh_from_db()

    assert run.state == RunState.SUCCEEDED
    texts = list(run_log.as_text(run, ()))
    assert len(texts) == run.lines == 13  # and one line about the attempt that failed
    assert numbers_in_file(run) == list(range(6, 14))
    assert not any("rolled back" in text for text in texts)


def test_half_a_line_of_a_process_that_died_is_replaced(queue):
    run = queue("talks")
    kinds = one_step("talks", talk)
    advance(run.pk, kinds)
    advance(run.pk, kinds)
    with run_log.file_of(run, settings.WORKER_HOST).open("a") as file:
        file.write('{"n": 7, "at": "2026-')
    advance(run.pk, kinds)

    assert numbers_in_file(run) == [6, 7, 8, 9]


def test_a_run_without_a_file_has_no_hash(queue):
    run = queue("short")
    advance(run.pk, one_step("short", lambda turn: Done(RunState.SUCCEEDED)))
    run.refresh_from_db()
    assert run.log_sha256 == ""
    assert not run_log.file_of(run, settings.WORKER_HOST).exists()


def test_text_is_every_line_in_order_and_calls_for_those_who_may(queue):
    def call(turn):
        for number in range(4):
            turn.log(f"PUT /_snapshot/{number}", "call")
            turn.log(f"answered {number}", "done")
        return Done(RunState.SUCCEEDED)

    run = queue("calls")
    advance(run.pk, one_step("calls", call))
    run.refresh_from_db()

    everything = list(run_log.as_text(run, ()))
    assert [text.split(" ", 2)[1] for text in everything] == ["CALL", "DONE"] * 4
    assert everything[0].endswith("Z CALL PUT /_snapshot/0\n")
    assert [text.split()[-1] for text in run_log.as_text(run, {"call"})] == ["0", "1", "2", "3"]
    assert RunLogLine.objects.filter(run=run, number__lte=5).count() == 5


@pytest.fixture
def moved(queue, settings):
    """A run of twelve lines: 1 to 5 in rows, 6 on host one, 7 to 9 on host two, 10 to 12 on host one again."""
    run, kinds = queue("talks"), one_step("talks", talk)
    for host in ("one", "one", "two", "one"):
        settings.WORKER_HOST = host
        advance(run.pk, kinds)
    run.refresh_from_db()
    return run


def elsewhere(run, first: int, last: int, host: str) -> str:
    file = f"run-{run.pk}-{host}.log"
    return f"Lines {first} to {last} are not here: they were written on host {host}, to {file}.\n"


def numbers_in_text(run) -> list[str]:
    return [text.split(maxsplit=2)[-1].strip() for text in run_log.as_text(run, ())]


def test_a_run_that_moved_says_which_lines_are_on_another_host(moved):
    assert numbers_in_text(moved) == [f"line {number}" for number in range(1, 13)]

    run_log.file_of(moved, "two").unlink()
    text = list(run_log.as_text(moved, ()))
    assert text[6] == elsewhere(moved, 7, 9, "two")
    assert len(text) == 10

    run_log.file_of(moved, "one").unlink()
    text = list(run_log.as_text(moved, ()))
    assert text[5:] == [
        elsewhere(moved, 6, 6, "one"),
        elsewhere(moved, 7, 9, "two"),
        elsewhere(moved, 10, 12, "one"),
    ]


def test_a_hash_of_a_part_of_the_lines_is_not_kept(moved):
    assert moved.state == RunState.SUCCEEDED
    assert moved.log_sha256 == ""


def test_lines_that_a_dead_turn_left_on_another_host_are_not_shown(moved):
    """Host one wrote lines 7 to 9 as well, and died before the commit."""
    file = run_log.file_of(moved, "one")
    entries = file.read_text().splitlines(keepends=True)
    left = [json.dumps({"n": n, "at": "x", "level": "info", "text": f"lost {n}"}) + "\n" for n in (7, 8, 9)]
    file.write_text("".join([entries[0], *left, *entries[1:]]))

    assert numbers_in_text(moved) == [f"line {number}" for number in range(1, 13)]


def test_a_file_that_was_removed_keeps_no_run_from_ending(queue):
    run, kinds = queue("talks"), one_step("talks", talk)
    for _ in range(3):
        advance(run.pk, kinds)
    run_log.file_of(run, settings.WORKER_HOST).unlink()
    advance(run.pk, kinds)
    run.refresh_from_db()

    assert run.state == RunState.SUCCEEDED
    text = list(run_log.as_text(run, ()))
    assert text[5] == elsewhere(run, 6, 9, settings.WORKER_HOST)
    assert len(text) == 5 + 1 + 3


def test_a_folder_without_room_keeps_the_turn_from_its_commit(queue, lease_ends, settings, tmp_path):
    """Nothing is half written, and all lines are there when it can be written again."""
    good, settings.RUN_LOGS_DIR = settings.RUN_LOGS_DIR, tmp_path / "a file"
    settings.RUN_LOGS_DIR.write_text("")
    run, kinds = queue("talks"), one_step("talks", talk)
    for _ in range(3):
        advance(run.pk, kinds)
        lease_ends(run)
    run.refresh_from_db()
    assert (run.lines, run.log.count(), run.state) == (3, 3, RunState.RUNNING)

    settings.RUN_LOGS_DIR = good
    while advance(run.pk, kinds) is not None:
        pass
    run.refresh_from_db()
    assert (run.lines, run.state) == (12, RunState.SUCCEEDED)
    assert numbers_in_file(run) == [6, 7, 8, 9, 10, 11, 12]
