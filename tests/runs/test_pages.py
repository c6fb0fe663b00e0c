"""The pages of runs: what everybody sees, what only some see, and what a reader who polls is sent."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from backups.audit.models import AuditEntry
from backups.runs import advance, queue_run, request_cancel
from backups.runs import log as run_log
from backups.runs.models import CHECK, Effect, Run, RunLogLine, RunState, WorkerHost
from backups.runs.services import beat
from backups.runs.words import name_of

from .fakes import World, one_step, succeed


@pytest.fixture
def worker(db):
    beat(timezone.now())


@pytest.fixture
def run(cast, worker):
    """A run of the operator's that has two lines in its log, one of them a call, and goes on."""
    run = queue_run("snapshot", actor=cast["operator"], subject="snapshot nightly", reason="before the upgrade")
    advance(run.pk, {"snapshot": World().kind()})
    add_lines(run, [("call", "PUT /_snapshot/nfs/nightly"), ("info", "accepted <b>")])
    return run


def add_lines(run: Run, lines: list[tuple[str, str]]) -> None:
    run.refresh_from_db()
    run_log.append(run, lines)
    Run.objects.filter(pk=run.pk).update(lines=run.lines + len(lines))
    run.refresh_from_db()


def end(run: Run, state: str = RunState.FAILED, **columns) -> Run:
    Run.objects.filter(pk=run.pk).update(state=state, ended_at=timezone.now(), version=99, **columns)
    run.refresh_from_db()
    return run


def text_of(response) -> str:
    assert response.status_code == 200, response
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def page(client, run: Run, query: str = "") -> str:
    return text_of(client.get(reverse("runs:detail", args=[run.pk]) + query))


# --- the list ---------------------------------------------------------------------------------------------


def test_the_list_shows_runs_and_no_checks(as_person, run, cast):
    queue_run(CHECK, actor=cast["viewer"], subject="clusters:add")
    text = text_of(as_person("viewer").get(reverse("runs:list")))
    assert "snapshot nightly" in text
    assert "Maria Zammit" in text
    assert "before the upgrade" in text
    assert "1 runs now." in text
    assert "clusters:add" not in text


def test_an_empty_list_says_what_a_run_is(as_person, db):
    assert "A run is one execution of anything" in text_of(as_person("viewer").get(reverse("runs:list")))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"snapshot nightly", "repository nfs", "snapshot weekly"}),
        ("q=snapshot", {"snapshot nightly", "snapshot weekly"}),
        ("q=nightly", set()),
        ("kind=register_repository", {"repository nfs"}),
        ("kind=nonsense", {"snapshot nightly", "repository nfs", "snapshot weekly"}),
        ("state=running", {"snapshot nightly"}),
        ("state=queued&who=system", {"snapshot weekly"}),
        ("who=999999", {"snapshot nightly", "repository nfs", "snapshot weekly"}),
        ("before=0", {"snapshot nightly", "repository nfs", "snapshot weekly"}),
    ],
)
def test_filters(as_person, run, cast, query, found):
    queue_run("register_repository", actor=cast["administrator"], subject="repository nfs")
    queue_run("snapshot", actor=None, subject="snapshot weekly")
    response = as_person("viewer").get(f"{reverse('runs:list')}?{query}")
    assert {row.subject for row in response.context["page"].rows} == found


def test_runs_of_a_person(as_person, run, cast):
    queue_run("snapshot", actor=None, subject="snapshot weekly")
    response = as_person("viewer").get(reverse("runs:list"), {"who": cast["operator"].pk})
    assert [row.subject for row in response.context["page"].rows] == ["snapshot nightly"]


def test_the_list_asks_little_of_the_database(as_person, run, cast, django_assert_max_num_queries):
    for number in range(60):
        queue_run("snapshot", actor=cast["operator"], subject=f"snapshot {number}")
    client = as_person("operator")
    with django_assert_max_num_queries(12):
        client.get(reverse("runs:list"), {"who": cast["operator"].pk, "state": "queued", "size": "100"})


# --- one run ----------------------------------------------------------------------------------------------


def test_the_page_asks_little_of_the_database(as_person, run, django_assert_max_num_queries):
    client = as_person("administrator")
    page(client, run)  # the first request of a session writes down when it began
    with django_assert_max_num_queries(12):
        page(client, run)


def test_a_viewer_sees_the_run_but_no_calls_entries_or_buttons(as_person, run):
    end(run, error="The cluster refused.", error_detail="index_not_found_exception")
    text = page(as_person("viewer"), run)
    assert "Snapshot nightly" in text
    assert "before the upgrade" in text
    assert "accepted &lt;b&gt;" in text
    assert "The cluster refused." in text
    for hidden in (
        "PUT /_snapshot/nfs/nightly",
        "index_not_found_exception",
        "Calls sent",
        "In the audit log",
        "Cancel run",
    ):
        assert hidden not in text


@pytest.mark.parametrize("who", ["operator", "auditor", "administrator"])
def test_those_who_may_see_calls_raw_errors_and_entries(as_person, run, who):
    end(run, error="The cluster refused.", error_detail="index_not_found_exception")
    text = page(as_person(who), run)
    assert text.count("PUT /_snapshot/nfs/nightly") == 2  # in its card and in the log
    assert "Technical details index_not_found_exception" in text
    assert "Maria Zammit started run" in text


def test_an_operator_sees_only_their_own_entries(as_person, run):
    assert "Work began on run" not in page(as_person("operator"), run)
    assert "Work began on run" in page(as_person("auditor"), run)


def test_an_approver_sees_no_calls(as_person, run):
    assert "PUT /_snapshot" not in page(as_person("approver"), run)


@pytest.mark.parametrize(
    ("state", "effect", "said"),
    [
        (RunState.SUCCEEDED, Effect.APPLIED, "Done and checked"),
        (RunState.FAILED, Effect.NONE, "Nothing was changed"),
        (RunState.CANCELLED, Effect.NONE, "Nothing was changed"),
        (RunState.PARTIAL, Effect.APPLIED, "A part of it is there"),
        (RunState.FAILED, Effect.ROLLED_BACK, "No snapshot was left behind Earlier snapshots are not touched."),
        (RunState.CANCELLED, Effect.ROLLED_BACK, "No snapshot was left behind Earlier snapshots are not touched."),
        (RunState.FAILED, Effect.UNKNOWN, "Unknown: somebody must look Look whether the repository has a snapshot"),
    ],
)
def test_the_end_in_words(as_person, run, state, effect, said):
    assert said in page(as_person("viewer"), end(run, state, effect=effect))


def test_an_unknown_kind_is_shown_by_its_name(as_person, cast, worker):
    run = queue_run("move_mountain", actor=None, subject="the mountain")
    assert "Move mountain, asked for by system." in page(as_person("viewer"), run)


@pytest.mark.parametrize("name", ["detail", "live", "log", "log_text"])
def test_checks_have_no_page(as_person, cast, name):
    check = queue_run(CHECK, actor=cast["viewer"], subject="clusters:add")
    assert as_person("viewer").get(reverse(f"runs:{name}", args=[check.pk])).status_code == 404


def test_a_queued_run_says_how_many_are_before_it(as_person, cast, worker):
    runs = [queue_run("snapshot", actor=None, subject=f"snapshot {number}") for number in range(3)]
    client = as_person("viewer")
    assert "It is the next one, or a worker has it" in page(client, runs[0])
    assert "2 before this one." in page(client, runs[2])


def test_without_a_worker_the_page_says_how_to_start_one(as_person, cast):
    run = queue_run("snapshot", actor=None, subject="snapshot nightly")
    client = as_person("viewer")
    assert "No worker is running" in page(client, run)
    assert "manage.py worker" in page(client, run)
    assert "No worker is running" in text_of(client.get(reverse("runs:list")))


def test_progress_has_rate_and_time_left(as_person, run):
    mib = 1024 * 1024
    progress = {
        "shards_done": 4,
        "shards_total": 10,
        "bytes_done": 60 * mib,
        "bytes_total": 480 * mib,
        "since": "2026-11-22T09:30:00+00:00",
        "at": "2026-11-22T09:31:00+00:00",
    }
    Run.objects.filter(pk=run.pk).update(progress=progress)
    text = page(as_person("viewer"), run).replace("\N{NO-BREAK SPACE}", " ")
    assert "40% · 4 of 10 shards" in text
    assert "about 7 min left" in text
    assert "60.0 MiB of at least 480 MiB" in text
    assert "1.00 MiB/s" in text


# --- live -------------------------------------------------------------------------------------------------


def live(client, run: Run, version: str = ""):
    return client.get(reverse("runs:live", args=[run.pk]), {"v": version}, headers={"HX-Request": "true"})


def test_a_reader_who_has_the_newest_is_sent_nothing(as_person, run, django_assert_num_queries):
    client = as_person("viewer")
    version = live(client, run).context["version"]
    with django_assert_num_queries(5):  # session, person, roles; the run and whether a worker works
        assert live(client, run, version).status_code == 204


def test_a_change_is_sent(as_person, run, cast):
    client = as_person("viewer")
    version = live(client, run).context["version"]
    request_cancel(run, actor=cast["operator"])
    assert "A cancel was asked for" in text_of(live(client, run, version))


def test_a_worker_that_dies_is_a_change(as_person, run):
    client = as_person("viewer")
    version = live(client, run).context["version"]
    WorkerHost.objects.update(beat_at="2000-01-01T00:00:00Z")
    assert "No worker is running" in text_of(live(client, run, version))


def test_a_heartbeat_from_the_future_proves_nothing(as_person, run):
    WorkerHost.objects.update(beat_at="2999-01-01T00:00:00Z")
    assert "No worker is running" in text_of(live(as_person("viewer"), run))


def test_a_run_of_a_host_that_is_away_says_so(as_person, run):
    client = as_person("viewer")
    version = live(client, run).context["version"]
    Run.objects.filter(pk=run.pk).update(host="nifi-2")
    page = text_of(live(client, run, version))
    assert "Waiting for host nifi-2" in page
    assert "No worker is running" not in page
    WorkerHost.objects.update(name="nifi-2")
    assert "Waiting for host" not in text_of(live(client, run))


def test_the_last_fragment_polls_no_more(as_person, run):
    client = as_person("operator")
    running = live(client, run).content.decode()
    assert f'hx-get="{reverse("runs:live", args=[run.pk])}?v=' in running
    assert 'hx-trigger="every 2s"' in running

    last = live(client, end(run, RunState.SUCCEEDED), "1.0").content.decode()
    assert "hx-get" not in last
    assert 'data-say="snapshot nightly: Success"' in last
    assert "Cancel run" not in last
    for part in ("run-head", "run-actions", "run-calls", "run-entries"):
        assert f'id="{part}" hx-swap-oob="true"' in last


def test_what_is_spoken_changes_with_quarters_only(as_person, run):
    client = as_person("viewer")
    said = []
    for done in (10, 11, 26, 27, 51, 99):
        Run.objects.filter(pk=run.pk).update(progress={"shards_done": done, "shards_total": 100})
        said.append(re.search('data-say="([^"]*)"', live(client, run).content.decode())[1])
    running = "snapshot nightly: Running"
    assert said == [running, running, f"{running} 25%", f"{running} 25%", f"{running} 50%", f"{running} 75%"]


# --- log --------------------------------------------------------------------------------------------------


def lines_of(response) -> list[int]:
    assert response.status_code == 200
    return [int(number) for number in re.findall(r'<li id="L(\d+)"', response.content.decode())]


def log(client, run: Run, after: int):
    return client.get(reverse("runs:log", args=[run.pk]), {"after": after})


def test_new_lines_are_appended_and_the_last_li_fetches_the_next(as_person, run):
    client = as_person("operator")
    response = log(client, run, 1)
    assert lines_of(response) == [2, 3]
    assert response.content.decode().rstrip().endswith("Waiting for new lines.</li>")
    assert f'hx-get="{reverse("runs:log", args=[run.pk])}?after=3"' in response.content.decode()


def test_no_new_lines_are_an_empty_answer_after_one_query(as_person, run, django_assert_num_queries):
    client = as_person("viewer")
    log(client, run, 3)
    with django_assert_num_queries(4):  # session, person, roles; the run
        assert log(client, run, 3).status_code == 204


def test_hidden_calls_are_not_asked_for_again_and_again(as_person, run):
    add_lines(run, [("call", "DELETE /_snapshot/nfs/nightly")])
    client = as_person("viewer")
    response = log(client, run, 3)
    assert lines_of(response) == []
    assert "?after=4" in response.content.decode()
    assert log(client, run, 4).status_code == 204


def test_the_last_lines_of_a_run_that_is_over_fetch_nothing(as_person, run):
    response = log(as_person("viewer"), end(run), 1)
    assert lines_of(response) == [3]
    assert "hx-get" not in response.content.decode()


def test_five_hundred_lines_at_most_are_in_the_page(as_person, run):
    add_lines(run, [("info", f"line {number}") for number in range(4, 1204)])
    client = as_person("viewer")
    address = reverse("runs:detail", args=[run.pk])

    last = client.get(address)
    assert lines_of(last) == list(range(704, 1204))
    assert '?before=704#log">Load earlier' in last.content.decode()
    earlier = client.get(address, {"before": 704})
    assert lines_of(earlier) == list(range(204, 704))
    assert "Back to the last lines" in earlier.content.decode()
    assert "Waiting for new lines" not in earlier.content.decode()
    first = client.get(address, {"before": 204})
    assert lines_of(first) == [1, *range(3, 204)]
    assert "Load earlier" not in first.content.decode()


def test_many_new_lines_come_in_several_answers_even_after_the_end(as_person, run):
    add_lines(run, [("info", f"line {number}") for number in range(4, 604)])
    end(run)
    client = as_person("viewer")
    first = log(client, run, 3)
    assert lines_of(first) == list(range(4, 504))
    assert "?after=503" in first.content.decode()
    second = log(client, run, 503)
    assert lines_of(second) == list(range(504, 604))
    assert "hx-get" not in second.content.decode()


def test_lines_above_the_rows_are_only_in_the_text(as_person, run, monkeypatch, settings, tmp_path):
    settings.RUN_LOGS_DIR = tmp_path
    monkeypatch.setattr(run_log, "MAX_ROWS", 4)
    add_lines(run, [("info", "in a row"), ("info", "in the file")])
    client = as_person("viewer")
    assert RunLogLine.objects.filter(run=run, number__lte=4).count() == 4
    assert log(client, run, 4).status_code == 204
    response = client.get(reverse("runs:log_text", args=[run.pk]))
    text = b"".join(response.streaming_content).decode()
    assert response["Content-Disposition"] == f'attachment; filename="run-{run.pk}.log"'
    assert [line.split(" ", 2)[2] for line in text.splitlines()] == [
        "looked",
        "accepted <b>",
        "in a row",
        "in the file",
    ]


def test_the_text_has_the_calls_for_those_who_may_see_them(as_person, run):
    response = as_person("auditor").get(reverse("runs:log_text", args=[run.pk]))
    assert "CALL PUT /_snapshot/nfs/nightly" in b"".join(response.streaming_content).decode()


# --- cancel -----------------------------------------------------------------------------------------------


def cancel(client, run: Run, typed: str = "nightly"):
    return client.post(reverse("runs:cancel", args=[run.pk]), {"typed_name": typed}, follow=True)


def test_cancel_says_what_stays_and_asks_the_run(as_person, run, cast):
    client = as_person("operator")
    assert "The indices, earlier snapshots and the repository stay as they are." in page(client, run)
    assert "Asked to cancel" in text_of(cancel(client, run))
    run.refresh_from_db()
    assert run.cancel_requested_by == cast["operator"]
    assert AuditEntry.objects.filter(action="run.cancel_requested", run=run.pk).count() == 1


def test_cancel_needs_the_name(as_person, run):
    assert "Not cancelled: the name that was typed" in text_of(cancel(as_person("operator"), run, "nightl"))
    run.refresh_from_db()
    assert run.cancel_requested_at is None


def test_the_name_alone_is_typed_and_the_question_goes_when_the_run_is_over(as_person, run):
    client = as_person("operator")
    asked = client.get(run.get_absolute_url()).content.decode()
    assert 'data-typed-name="nightly"' in asked and '<div id="run-cancel">' in asked

    end(run)

    gone = client.get(reverse("runs:live", args=[run.pk])).content.decode()
    assert '<div id="run-cancel" hx-swap-oob="true"></div>' in gone


@pytest.mark.parametrize(
    ("kind", "subject", "name"),
    [
        ("snapshot", "snapshot nightly-1", "nightly-1"),
        ("register_repository", "register repository nightly on soc-prod", "nightly on soc-prod"),
        ("move_mountain", "the mountain", "the mountain"),
    ],
)
def test_what_is_typed_is_the_subject_without_its_verb(kind, subject, name):
    assert name_of(Run(kind=kind, subject=subject)) == name


def test_a_run_without_a_reason_says_so_when_it_is_over(as_person, run):
    Run.objects.filter(pk=run.pk).update(reason="", progress={"shards_done": 1, "shards_total": 1})
    end(run)

    row = re.search(r'<td data-l="Why".*?</td>', as_person("viewer").get("/runs/").content.decode(), re.DOTALL)[0]

    assert '<span class="muted">–</span>' in row


def test_who_sees_no_calls_hears_that_lines_are_left_out(as_person, run):
    said = "Lines with exact calls are not shown to your roles"

    assert said in page(as_person("viewer"), run)
    assert said not in page(as_person("operator"), run)


def test_cancel_twice_is_one_cancel(as_person, run):
    client = as_person("operator")
    cancel(client, run)
    assert "somebody asked to cancel it before" in text_of(cancel(client, run))
    assert AuditEntry.objects.filter(action="run.cancel_requested").count() == 1


def test_cancel_of_a_run_that_is_over_is_refused(as_person, run):
    assert "This run is over" in text_of(cancel(as_person("operator"), end(run)))


def test_cancel_that_cannot_be_done_is_disabled_with_the_reason(as_person, cast, worker):
    why = "That needs the restricted credential."
    run = queue_run("snapshot", actor=None, subject="snapshot nightly", params={"no_cancel": why})
    client = as_person("operator")
    response = client.get(reverse("runs:detail", args=[run.pk]))
    assert re.search(r"<button[^>]*disabled[^>]*>.*?Cancel run</button>", response.content.decode())
    assert why in text_of(response)
    assert why in text_of(cancel(client, run))
    run.refresh_from_db()
    assert run.cancel_requested_at is None


@pytest.mark.parametrize("who", ["viewer", "approver", "auditor"])
def test_cancel_is_not_for_everybody(as_person, run, who):
    client = as_person(who)
    assert "Cancel run" not in page(client, run)
    assert client.post(reverse("runs:cancel", args=[run.pk]), {"typed_name": "nightly"}).status_code == 403


def test_a_cancel_is_no_link(as_person, run):
    assert as_person("operator").get(reverse("runs:cancel", args=[run.pk])).status_code == 405


def test_a_run_that_ended_before_its_first_turn_is_shown(as_person, cast, worker):
    run = queue_run("ends", actor=None, subject="a thing")
    advance(run.pk, one_step("ends", succeed))
    assert "Done" in page(as_person("viewer"), run)
