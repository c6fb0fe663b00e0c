"""Registering a repository: the act, and the run through the real gateway."""

from datetime import timedelta

import pytest

from backups.access import Denied
from backups.audit.models import AuditEntry
from backups.repositories import steps
from backups.repositories.models import Repository
from backups.repositories.services import AlreadySent, RepositoryError
from backups.runs import advance, request_cancel
from backups.runs.models import Run, RunLogLine
from backups.worker.kinds import KINDS
from tests.factories import connected_cluster
from tests.fakes.es_dialects import EVERY

pytestmark = pytest.mark.django_db

PUT = "PUT /_snapshot/nightly"
VERIFY = "POST /_snapshot/nightly/_verify"


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("seq").values_list("action", flat=True))


def the_repository() -> Repository:
    return Repository.objects.get()


@pytest.fixture
def impatient(monkeypatch):
    """Nothing is waited for."""
    for patience in ("LOST_FOR", "PATIENCE_BEFORE", "PATIENCE_AFTER"):
        monkeypatch.setattr(steps, patience, timedelta(0))


def turns(run: Run, number: int) -> None:
    for _ in range(number):
        Run.objects.filter(pk=run.pk).update(next_at=None)
        advance(run.pk, KINDS)


# --- asking


def test_asking_takes_the_name_and_queues_a_run(ask, fake_elasticsearch):
    run = ask()

    assert (run.kind, run.subject) == ("register_repository", "register repository nightly on soc-prod")
    assert run.subject_url == the_repository().get_absolute_url()
    assert (the_repository().state, the_repository().location) == ("wanted", "/srv/backups/nightly")
    assert actions() == ["run.queued", "repository.requested"]
    assert fake_elasticsearch.requests == []


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"name": "Nightly"}, "name", "upper-case letters. Use lower case only: nightly"),
        ({"name": "a b"}, "name", "not allowed"),
        ({"name": "_all"}, "name", "not allowed"),
        ({"name": ""}, "name", "empty"),
        ({"location": ""}, "location", "Enter the folder"),
        ({"location": "/srv/../etc"}, "location", "contains .."),
    ],
)
def test_it_refuses_in_plain_words_and_writes_nothing(ask, changes, field, words):
    with pytest.raises(RepositoryError, match=words) as refused:
        ask(**changes)

    assert refused.value.field == field
    assert not Repository.objects.exists()
    assert actions() == []


@pytest.mark.parametrize("person", ["viewer", "operator", "approver", "auditor"])
def test_only_administrators_may(ask, cast, person):
    with pytest.raises(Denied):
        ask(actor=cast[person])


def test_without_the_restricted_credential_it_is_refused(ask, cluster):
    cluster.restricted.delete()
    cluster.refresh_from_db()

    with pytest.raises(RepositoryError, match="needs the restricted credential of soc-prod, which is not set"):
        ask()


def test_a_form_sent_twice_registers_once(ask):
    first = ask(form_key="abc")

    with pytest.raises(AlreadySent) as sent:
        ask(form_key="abc")

    assert sent.value.run == first
    assert Run.objects.count() == 1


def test_a_name_is_taken_once(ask):
    ask()

    with pytest.raises(RepositoryError, match="has a repository nightly already") as refused:
        ask(location="/srv/backups/other")

    assert refused.value.field == "name"
    assert Run.objects.count() == 1


def test_a_folder_is_taken_once(ask):
    ask()

    with pytest.raises(RepositoryError, match="is the repository nightly already") as refused:
        ask(name="other")

    assert refused.value.field == "location"


def test_another_cluster_may_use_the_same_name(ask, fake_elasticsearch):
    ask()
    ask(cluster=connected_cluster(fake_elasticsearch, "other"))

    assert Repository.objects.count() == 2


# --- the run


def test_it_is_registered_and_verified(ask, run_until_over, fake_elasticsearch):
    run = run_until_over(ask())
    repository = the_repository()

    assert (run.state, run.effect, run.error) == ("succeeded", "applied", "")
    assert [(step.title, step.state) for step in run.steps.all()] == [
        ("Check name and location", "succeeded"),
        ("Register", "succeeded"),
        ("Verify on every node", "succeeded"),
    ]
    assert run.steps.last().note == "1 of 1 nodes can write"
    assert (repository.state, repository.message) == ("registered", "")
    assert repository.is_verified
    assert [(node["name"], node["state"]) for node in repository.nodes] == [("fake-1", "good")]
    assert fake_elasticsearch.repositories["nightly"].settings == {
        "location": "/srv/backups/nightly",
        "compress": True,
    }
    assert actions() == [
        *("run.queued", "repository.requested", "run.running", "credential.used"),
        *("repository.registered", "repository.verified", "run.succeeded"),
    ]


def test_every_request_is_made_with_the_restricted_credential_and_after_its_entry(ask, fake_elasticsearch):
    run = ask()
    turns(run, 1)
    assert actions()[-1] == "credential.used"
    assert fake_elasticsearch.requests == []

    turns(run, 5)
    assert {user for _, _, user, _ in fake_elasticsearch.requests} == {"restricted"}
    assert fake_elasticsearch.writes() == [PUT, VERIFY]
    assert {opaque for method, *_, opaque in fake_elasticsearch.requests if method == "PUT"} == {
        f"console-run-{run.pk}"
    }


def test_the_log_holds_the_exact_calls(ask, run_until_over):
    run = run_until_over(ask())
    calls = RunLogLine.objects.filter(run=run, level="call").values_list("text", flat=True)

    assert [text.splitlines()[0] for text in calls] == [PUT, VERIFY]
    assert '"location": "/srv/backups/nightly"' in calls[0]


def test_a_location_outside_path_repo(ask, run_until_over, fake_elasticsearch):
    run = run_until_over(ask(location="/elsewhere/nightly"))
    repository = the_repository()

    assert (run.state, run.effect) == ("failed", "none")
    assert "/elsewhere/nightly lies outside path.repo of fake-1" in run.error
    assert 'path.repo: ["/srv/backups", "/elsewhere/nightly"]' in run.error
    assert (repository.state, repository.message) == ("failed", run.error)
    assert fake_elasticsearch.writes() == []
    assert actions()[-2:] == ["repository.refused", "run.failed"]


def test_a_failed_one_says_nothing_of_later_and_leads_to_another_try(ask, as_person, run_until_over):
    run = run_until_over(ask(location="/elsewhere/nightly"))

    page = as_person("administrator").get(run.get_absolute_url()).content.decode()
    denied = as_person("operator").get(run.get_absolute_url()).content.decode()

    assert "every node can write" not in "".join(run.log.values_list("text", flat=True)).lower()
    cluster = the_repository().cluster_id
    again = f"/repositories/register/?cluster={cluster}&amp;name=nightly&amp;location=%2Felsewhere%2Fnightly"
    assert again in page and "Register again" in page
    assert "Register again" not in denied


def test_a_directory_that_is_not_writable(ask, run_until_over, fake_elasticsearch):
    fake_elasticsearch.unwritable.add("/srv/backups/nightly")
    run = run_until_over(ask())

    assert (run.state, run.effect) == ("failed", "none")
    assert "fake-1 cannot write to /srv/backups/nightly" in run.error
    assert "account that runs Elasticsearch on fake-1 must be able to write" in run.error
    assert run.error_detail.startswith("/srv/backups/nightly/tests-")
    assert the_repository().state == "failed"
    assert the_repository().failing == ["fake-1"]
    assert fake_elasticsearch.writes() == [PUT]


def test_it_can_be_asked_again_after_a_refusal(ask, run_until_over, fake_elasticsearch):
    fake_elasticsearch.unwritable.add("/srv/backups/nightly")
    run_until_over(ask())
    fake_elasticsearch.unwritable.clear()
    run = run_until_over(ask())

    assert run.state == "succeeded"
    assert the_repository().is_verified


def test_a_name_that_the_cluster_has_already(ask, run_until_over, fake_elasticsearch):
    fake_elasticsearch.add_repository("nightly", "/srv/backups/other")
    run = run_until_over(ask())

    assert (run.state, run.effect) == ("failed", "none")
    assert "has a repository nightly already, at /srv/backups/other" in run.error
    assert fake_elasticsearch.repositories["nightly"].settings["location"] == "/srv/backups/other"
    assert fake_elasticsearch.writes() == []


def test_a_folder_that_another_repository_of_the_cluster_uses(ask, run_until_over, fake_elasticsearch):
    fake_elasticsearch.add_repository("by-hand", "nightly")
    run = run_until_over(ask())

    assert "is the repository by-hand of this cluster already" in run.error
    assert fake_elasticsearch.writes() == []


def test_the_same_repository_made_by_hand_is_adopted(ask, run_until_over, fake_elasticsearch):
    fake_elasticsearch.add_repository("nightly", "/srv/backups/nightly")
    run = run_until_over(ask())

    assert run.state == "succeeded"
    assert fake_elasticsearch.writes() == [VERIFY]


def test_a_cluster_that_is_away(ask, run_until_over, fake_elasticsearch, impatient):
    run = ask()
    fake_elasticsearch.go_away()
    run = run_until_over(run)

    assert (run.state, run.effect) == ("failed", "none")
    assert fake_elasticsearch.url in run.error
    assert the_repository().state == "failed"


def test_a_wrong_password(ask, run_until_over, fake_elasticsearch):
    fake_elasticsearch.set_password("restricted", "changed-there")
    run = run_until_over(ask())

    assert "password of user restricted was refused" in run.error
    assert run.effect == "none"


def test_something_else_answers(ask, run_until_over, fake_elasticsearch):
    run = ask()
    fake_elasticsearch.answer_html()
    run = run_until_over(run)

    assert "is not Elasticsearch" in run.error
    assert run.effect == "none"


def test_a_lost_answer_is_looked_up_and_never_sent_again(ask, run_until_over, fake_elasticsearch):
    fake_elasticsearch.drop_next_write()
    run = run_until_over(ask())

    assert (run.state, run.effect) == ("succeeded", "applied")
    assert fake_elasticsearch.writes() == [PUT, VERIFY]


def test_a_lost_call_is_not_sent_again_either(ask, run_until_over, fake_elasticsearch, impatient):
    """Absent is not proof: the call may still lie in a queue."""
    fake_elasticsearch.drop_next_write(done=False)
    run = run_until_over(ask())

    assert (run.state, run.effect) == ("failed", "unknown")
    assert "No answer to the registration came back" in run.error
    assert "Look at the cluster" in run.error
    assert fake_elasticsearch.writes() == []
    assert fake_elasticsearch.repositories == {}


def test_killed_between_call_and_answer_the_next_turn_adopts(ask, run_until_over, fake_elasticsearch):
    """The effect is there, the commit is not: as after kill -9."""
    run = ask()
    turns(run, 3)
    fake_elasticsearch.add_repository("nightly", "/srv/backups/nightly")
    run = run_until_over(run)

    assert run.state == "succeeded"
    assert fake_elasticsearch.writes() == [VERIFY]
    assert actions().count("repository.registered") == 1


def test_somebody_registers_another_one_meanwhile(ask, run_until_over, fake_elasticsearch):
    run = ask()
    turns(run, 3)
    fake_elasticsearch.add_repository("nightly", "/srv/backups/theirs")
    run = run_until_over(run)

    assert "It was not touched" in run.error
    assert fake_elasticsearch.writes() == []


@pytest.mark.parametrize("fake_elasticsearch", EVERY, indirect=True)
def test_a_refusal_that_registers_all_the_same(ask, run_until_over, fake_elasticsearch):
    """Servers before 8 and OpenSearch keep what they could not verify: only reading says so."""
    kept = fake_elasticsearch.dialect.keeps_unverified
    fake_elasticsearch.unwritable.add("/srv/backups/nightly")

    run = run_until_over(ask())

    assert (run.state, run.effect) == ("failed", "applied" if kept else "none")
    assert the_repository().state == ("registered" if kept else "failed")
    assert not the_repository().is_verified
    assert the_repository().failing == ["fake-1"]


# --- what is not known is never called "nothing"


def died_in_this_turn(run: Run) -> None:
    """As after kill -9 in the turn that is next: claimed, and never committed."""
    Run.objects.filter(pk=run.pk).update(claims=1)


def announced(ask) -> Run:
    """A run whose next turn would send the call."""
    run = ask()
    turns(run, 3)
    return run


def test_killed_after_the_call_and_the_cluster_away_is_waited_out(ask, run_until_over, fake_elasticsearch):
    run = announced(ask)
    fake_elasticsearch.add_repository("nightly", "/srv/backups/nightly")
    died_in_this_turn(run)
    fake_elasticsearch.go_away()
    turns(run, 2)
    run.refresh_from_db()
    assert (run.state, the_repository().state) == ("running", "wanted")

    fake_elasticsearch.come_back()
    run = run_until_over(run)
    assert (run.state, run.effect) == ("succeeded", "applied")
    assert fake_elasticsearch.writes() == [VERIFY]


def test_killed_after_the_call_and_the_cluster_away_for_good(ask, run_until_over, fake_elasticsearch, impatient):
    run = announced(ask)
    died_in_this_turn(run)
    fake_elasticsearch.go_away()
    run = run_until_over(run)

    assert (run.state, run.effect) == ("failed", "unknown")
    assert "may have been sent" in run.error
    assert "Look at the cluster" in the_repository().message


def test_killed_in_that_turn_it_is_not_sent_again(ask, run_until_over, fake_elasticsearch, impatient):
    run = announced(ask)
    died_in_this_turn(run)
    run = run_until_over(run)

    assert (run.state, run.effect) == ("failed", "unknown")
    assert fake_elasticsearch.writes() == []


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, {"error": {"type": "security_exception", "reason": "no"}, "status": 401}),
        (403, {"error": {"type": "security_exception", "reason": "no"}, "status": 403}),
        (429, {"error": {"type": "es_rejected_execution_exception", "reason": "busy"}, "status": 429}),
        (503, {"error": {"type": "master_not_discovered_exception", "reason": None}, "status": 503}),
        (200, b"<html>Sign in</html>"),
        (200, {"surprise": 1}),
    ],
)
def test_after_a_lost_answer_no_failed_read_proves_anything(ask, run_until_over, fake_elasticsearch, status, body):
    fake_elasticsearch.drop_next_write()
    run = announced(ask)
    turns(run, 1)
    for _ in range(3):
        fake_elasticsearch.answer_next(status, body)
    turns(run, 1)
    run.refresh_from_db()
    assert run.state == "running"

    run = run_until_over(run)
    assert (run.state, run.effect) == ("succeeded", "applied")
    assert fake_elasticsearch.writes() == [PUT, VERIFY]


def test_an_answer_that_is_not_understood_is_looked_up(ask, run_until_over, fake_elasticsearch, monkeypatch):
    """Carried out, and answered with 200 and another body: no refusal."""
    true_answer = fake_elasticsearch.answer

    def other_body(method, target, headers, body):
        status, answer, product = true_answer(method, target, headers, body)
        return status, ({"ok": 1} if method == "PUT" else answer), product

    monkeypatch.setattr(fake_elasticsearch, "answer", other_body)
    run = run_until_over(ask())

    assert (run.state, run.effect) == ("succeeded", "applied")
    assert fake_elasticsearch.writes() == [PUT, VERIFY]


def test_a_refusal_is_kept_until_it_can_be_read(ask, run_until_over, fake_elasticsearch):
    fake_elasticsearch.unwritable.add("/srv/backups/nightly")
    run = announced(ask)
    turns(run, 1)
    fake_elasticsearch.go_away()
    turns(run, 1)
    fake_elasticsearch.come_back()
    run = run_until_over(run)

    assert (run.state, run.effect) == ("failed", "none")
    assert "fake-1 cannot write to /srv/backups/nightly" in run.error
    assert the_repository().failing == ["fake-1"]


def test_a_refusal_that_can_never_be_read_is_unknown(ask, run_until_over, fake_elasticsearch, impatient):
    fake_elasticsearch.unwritable.add("/srv/backups/nightly")
    run = announced(ask)
    turns(run, 1)
    fake_elasticsearch.go_away()
    run = run_until_over(run)

    assert (run.state, run.effect) == ("failed", "unknown")
    assert "could not be read" in run.error


def test_another_one_after_a_lost_call_is_not_called_untouched(ask, run_until_over, fake_elasticsearch):
    fake_elasticsearch.drop_next_write(done=False)
    run = announced(ask)
    turns(run, 1)
    fake_elasticsearch.add_repository("nightly", "/srv/backups/theirs")
    run = run_until_over(run)

    assert (run.state, run.effect) == ("failed", "unknown")
    assert "not touched" not in run.error


@pytest.mark.parametrize("before", [1, 3])
def test_a_cluster_that_is_away_for_a_moment_before_the_call(ask, run_until_over, fake_elasticsearch, before):
    run = ask()
    turns(run, before)
    fake_elasticsearch.go_away()
    turns(run, 2)
    run.refresh_from_db()
    assert run.state == "running"

    fake_elasticsearch.come_back()
    run = run_until_over(run)
    assert run.state == "succeeded"
    assert fake_elasticsearch.writes() == [PUT, VERIFY]


# --- cancelled


@pytest.mark.parametrize("before", [1, 2, 3])
def test_cancelled_at_any_time_before_the_call(ask, cast, run_until_over, fake_elasticsearch, before):
    run = ask()
    turns(run, before)
    request_cancel(run, actor=cast["operator"])
    run = run_until_over(run)

    assert (run.state, run.effect) == ("cancelled", "none")
    assert fake_elasticsearch.writes() == []
    assert the_repository().state == "failed"


def test_cancelled_after_the_call_the_registration_stays(ask, cast, run_until_over, fake_elasticsearch):
    run = announced(ask)
    turns(run, 1)
    request_cancel(run, actor=cast["operator"])
    run = run_until_over(run)

    assert (run.state, run.effect) == ("cancelled", "applied")
    assert fake_elasticsearch.writes() == [PUT]
    assert (the_repository().state, the_repository().is_verified) == ("registered", False)


def test_a_cancel_after_an_attempt_that_died_still_looks(ask, cast, run_until_over, fake_elasticsearch):
    run = announced(ask)
    fake_elasticsearch.add_repository("nightly", "/srv/backups/nightly")
    died_in_this_turn(run)
    request_cancel(run, actor=cast["operator"])
    run = run_until_over(run)

    assert (run.state, run.effect) == ("cancelled", "applied")


def test_cancelled_before_anything_is_sent(ask, cast, run_until_over, fake_elasticsearch):
    run = ask()
    request_cancel(run, actor=cast["operator"])
    run = run_until_over(run)

    assert (run.state, run.effect) == ("cancelled", "none")
    assert fake_elasticsearch.requests == []
    assert the_repository().state == "failed"


def test_when_every_attempt_dies_the_row_does_not_wait_for_ever(ask, run_until_over):
    run = ask()
    turns(run, 1)
    Run.objects.filter(pk=run.pk).update(claims=20)
    run = run_until_over(run)

    assert (run.state, run.effect) == ("failed", "unknown")
    assert the_repository().state == "failed"
    assert "found and adopted" in the_repository().message
