"""ONE table: every address by name, method and role. A new address fails here until it has its lines.

For each role: ``in`` must sign in first, ``ok`` answers, ``bad`` the form comes back (422), ``go`` leads on,
``no`` denied (403), ``gone`` not found (404), ``not`` not with this method (405), ``odd`` not understood (400),
``word`` asks for the password again (when it was not given lately).
"""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse
from django.utils import timezone

from backups.access.gate import STEPPED_UP_AT
from backups.approvals.services import file_request
from backups.archives.models import (
    Archive,
    ArchiveLocation,
    ArchiveProfile,
    ArchiveRecipient,
    ArchiveState,
    RedisServer,
)
from backups.audit import act
from backups.audit.models import AuditEntry
from backups.clusters.models import Cluster, ClusterState
from backups.repositories.models import Repository, RepositoryState
from backups.restores import services as restores
from backups.restores.indices.plan import make_plan
from backups.retention.models import Hold
from backups.runs.models import CHECK, Run, RunState
from backups.snapshots.models import Snapshot, SnapshotProfile, SnapshotState
from tests.restores import situations

ROLES = ("anonymous", "viewer", "operator", "approver", "auditor", "administrator")

# name                         | GET: anonymous viewer operator approver auditor administrator | POST: the same
TABLE = """
dashboard:home                 | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
dashboard:live                 | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
accounts:sign_in               | ok   go   go   go   go   go   | bad  bad  bad  bad  bad  bad
accounts:sign_out              | in   not  not  not  not  not  | in   in   in   in   in   in
accounts:step_up               | in   ok   ok   ok   ok   ok   | in   bad  bad  bad  bad  bad
accounts:profile               | in   ok   ok   ok   ok   ok   | in   go   go   go   go   go
accounts:password              | in   ok   ok   ok   ok   ok   | in   bad  bad  bad  bad  bad
accounts:theme                 | in   not  not  not  not  not  | in   odd  odd  odd  odd  odd
accounts:people                | in   no   ok   ok   ok   ok   | in   not  not  not  not  not
accounts:person_add            | in   no   no   no   no   ok   | in   no   no   no   no   bad
accounts:person                | in   no   ok   ok   ok   ok   | in   not  not  not  not  not
accounts:roles                 | in   no   no   no   no   ok   | in   no   no   no   no   bad
accounts:email                 | in   no   no   no   no   ok   | in   no   no   no   no   go
accounts:one_time_password     | in   no   no   no   no   ok   | in   no   no   no   no   ok
accounts:deactivate            | in   no   no   no   no   ok   | in   no   no   no   no   go
accounts:reactivate            | in   no   no   no   no   ok   | in   no   no   no   no   bad
evidence:list                  | in   no   ok   ok   ok   ok   | in   not  not  not  not  not
evidence:entry                 | in   no   ok   gone ok   ok   | in   not  not  not  not  not
evidence:export_csv            | in   no   no   no   ok   no   | in   not  not  not  not  not
evidence:export_json_lines     | in   no   no   no   ok   no   | in   not  not  not  not  not
clusters:list                  | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
clusters:add                   | in   no   no   no   no   ok   | in   no   no   no   no   bad
clusters:detail                | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
clusters:edit                  | in   no   no   no   no   ok   | in   no   no   no   no   bad
clusters:test                  | in   not  not  not  not  not  | in   no   no   no   no   go
repositories:list              | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
repositories:register          | in   no   no   no   no   ok   | in   no   no   no   no   bad
repositories:check             | in   not  not  not  not  not  | in   no   no   no   no   ok
repositories:detail            | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
repositories:verify            | in   not  not  not  not  not  | in   no   go   no   no   go
approvals:list                 | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
approvals:detail               | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
approvals:approve              | in   not  not  not  not  not  | in   no   no   bad  no   no
approvals:reject               | in   not  not  not  not  not  | in   no   no   bad  no   no
approvals:comment              | in   not  not  not  not  not  | in   no   bad  bad  no   bad
approvals:withdraw             | in   not  not  not  not  not  | in   no   go   no   no   go
approvals:review               | in   not  not  not  not  not  | in   no   no   bad  bad  no
archives:list                  | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
archives:start                 | in   no   go   no   no   go   | in   no   bad  no   no   bad
archives:detail                | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
archives:live                  | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
archives:verify                | in   not  not  not  not  not  | in   no   go   no   no   go
archives:compare               | in   not  not  not  not  not  | in   no   go   go   go   go
archives:contents              | in   not  not  not  not  not  | in   no   ok   ok   ok   ok
archives:take_out              | in   not  not  not  not  not  | in   no   go   no   no   go
archives:file                  | in   no   ok   no   no   gone | in   not  not  not  not  not
archives:download              | in   no   gone no   no   gone | in   not  not  not  not  not
archives:profiles              | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
archives:profile               | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
archives:profile_add           | in   no   no   no   no   ok   | in   no   no   no   no   bad
archives:profile_change        | in   no   no   no   no   ok   | in   no   no   no   no   bad
archives:profile_preview       | in   not  not  not  not  not  | in   no   no   no   no   ok
archives:profile_sum           | in   not  not  not  not  not  | in   no   no   no   no   ok
archives:locations             | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
archives:location              | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
archives:location_add          | in   no   no   no   no   ok   | in   no   no   no   no   bad
archives:location_change       | in   no   no   no   no   ok   | in   no   no   no   no   bad
archives:redis_servers         | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
archives:redis                 | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
archives:redis_add             | in   no   no   no   no   ok   | in   no   no   no   no   bad
archives:redis_change          | in   no   no   no   no   ok   | in   no   no   no   no   bad
archives:redis_test            | in   not  not  not  not  not  | in   no   no   no   no   go
archives:recipients            | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
archives:recipient_add         | in   no   no   no   no   ok   | in   no   no   no   no   bad
archives:recipient_probe       | in   not  not  not  not  not  | in   no   no   no   no   ok
archives:recipient_prove       | in   not  not  not  not  not  | in   no   no   no   no   bad
archives:recipient_remove      | in   not  not  not  not  not  | in   no   no   no   no   go
archives:recipient             | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
restores:list                  | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
restores:new                   | in   no   ok   no   no   ok   | in   no   bad  no   no   bad
restores:checking              | in   no   ok   no   no   gone | in   not  not  not  not  not
restores:new_archive           | in   no   ok   no   no   ok   | in   no   bad  no   no   bad
restores:planning              | in   no   ok   no   no   ok   | in   not  not  not  not  not
restores:plan                  | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
restores:plan_json             | in   no   ok   ok   ok   ok   | in   not  not  not  not  not
restores:ask                   | in   not  not  not  not  not  | in   no   bad  no   no   bad
restores:break_glass           | in   no   no   no   no   go  | in   no   no   no   no   bad
restores:compare               | in   not  not  not  not  not  | in   no   go   go   go   go
restores:again                 | in   not  not  not  not  not  | in   no   go   no   no   go
restores:clear_locks           | in   not  not  not  not  not  | in   no   no   no   no   go
restores:undo                  | in   not  not  not  not  not  | in   no   go   no   no   go
retention:overview             | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
retention:release              | in   no   no   ok   no   no   | in   no   no   bad  no   no
retention:snapshot             | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
retention:snapshot_hold        | in   no   ok   ok   no   ok   | in   no   bad  bad  no   bad
retention:snapshot_delete      | in   no   no   no   no   ok   | in   no   no   no   no   bad
retention:snapshot_ask         | in   no   ok   no   no   ok   | in   no   bad  no   no   bad
retention:archive              | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
retention:archive_hold         | in   no   ok   ok   no   ok   | in   no   bad  bad  no   bad
retention:archive_delete       | in   no   no   no   no   ok   | in   no   no   no   no   bad
retention:archive_ask          | in   no   ok   no   no   ok   | in   no   bad  no   no   bad
runs:list                      | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
runs:detail                    | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
runs:live                      | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
runs:log                       | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
runs:log_text                  | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
runs:cancel                    | in   not  not  not  not  not  | in   no   go   no   no   go
runs:check                     | in   gone ok   gone gone gone | in   not  not  not  not  not
snapshots:list                 | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
snapshots:start                | in   no   go   no   no   go   | in   no   bad  no   no   bad
snapshots:preview              | in   not  not  not  not  not  | in   no   ok   no   no   ok
snapshots:profiles             | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
snapshots:profile_add          | in   no   no   no   no   ok   | in   no   no   no   no   bad
snapshots:profile              | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
snapshots:profile_change       | in   no   no   no   no   ok   | in   no   no   no   no   bad
snapshots:detail               | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
snapshots:live                 | in   ok   ok   ok   ok   ok   | in   not  not  not  not  not
"""


def rows() -> dict[tuple[str, str], list[str]]:
    found = {}
    for line in TABLE.strip().splitlines():
        name, get, post = (part.strip() for part in line.split("|"))
        found[name, "get"], found[name, "post"] = get.split(), post.split()
    return found


def addresses(resolver=None, namespace: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every address of the console by its full name."""
    for pattern in (resolver or get_resolver()).url_patterns:
        if hasattr(pattern, "url_patterns"):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from addresses(pattern, inner)
        else:
            yield f"{namespace}{pattern.name}", pattern


PATTERNS = dict(addresses())


@pytest.fixture
def things(cast) -> dict[str, int]:
    """One of everything, by the beginning of the names that need its key."""
    cluster = Cluster.objects.create(name="soc-prod", addresses=["https://127.0.0.1:9200"], state=ClusterState.GOOD)
    repository = Repository.objects.create(cluster=cluster, name="nightly", state=RepositoryState.REGISTERED)
    profile = SnapshotProfile.objects.create(cluster=cluster, repository=repository, name="everything")
    run = Run.objects.create(kind="snapshot", key="1", subject="nightly", actor=cast["operator"])
    over = {"state": RunState.SUCCEEDED, "ended_at": timezone.now()}
    check = Run.objects.create(kind=CHECK, key="2", subject="form", actor=cast["operator"], **over)
    snapshot = Snapshot.objects.create(
        repository=repository, profile=profile, run=run, name="s-1", state=SnapshotState.RUNNING
    )
    location = ArchiveLocation.objects.create(name="local", host="node-01", path="/srv/archives")
    archive_profile = ArchiveProfile.objects.create(
        name="files", location=location, sources=[{"name": "models", "path": "/opt/models"}]
    )
    server = RedisServer.objects.create(name="state", host="node-01", address="127.0.0.1:6379")
    recipient = ArchiveRecipient.objects.create(
        name="Recovery safe", key="age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg"
    )
    archive = Archive.objects.create(
        location=location, profile=archive_profile, name="a.tar.gz", codec="gz", state=ArchiveState.VERIFIED
    )
    hold = Hold.objects.create(
        archive=archive,
        placed_by=cast["operator"],
        placed_at=timezone.now(),
        reason="Legal hold, case INC-4402.",
        until=timezone.now() + timedelta(days=1),
    )
    taken = Run.objects.create(
        kind="take_out",
        key="3",
        subject="take a out",
        params={"path": "a", "archive": archive.pk},
        actor=cast["operator"],
    )
    whole = Snapshot.objects.create(
        repository=repository, name="s-2", uuid="u", state=SnapshotState.VERIFIED, started_at=timezone.now()
    )
    whole.indices.create(name="logs-1", state="open")
    checking = Run.objects.create(kind=CHECK, key="4", subject=restores.FORM, actor=cast["operator"])
    planning = Run.objects.create(kind="plan_restore_files", key="5", subject="plan", actor=cast["operator"])
    made = make_plan(situations.asked(), situations.found())
    plan = restores.keep_plan(made, actor=cast["operator"], snapshot=whole, cluster=cluster)
    with act(cast["operator"]) as a:
        a.record("run.cancel_requested", run)
    entry = AuditEntry.objects.get()
    asked = file_request(
        **{
            "actor": cast["operator"],
            "kind": "make",
            "title": "Restore",
            "risk": "R1",
            "risk_reason": "Adds",
            "key": "1",
        },
        **{"text": "{}", "template": "none", "summary": {}, "subject": "s-1", "reason": "A reason of some length"},
    )
    return {
        "accounts:": cast["approver2"].pk,
        "clusters:": cluster.pk,
        "repositories:": repository.pk,
        "runs:": run.pk,
        "runs:check": check.pk,
        "approvals:": asked.pk,
        "archives:": archive.pk,
        "archives:file": taken.pk,
        "archives:download": taken.pk,
        "archives:profile": archive_profile.pk,
        "archives:location": location.pk,
        "archives:redis": server.pk,
        "archives:recipient": recipient.pk,
        "restores:": plan.pk,
        "restores:new": whole.pk,
        "restores:checking": checking.pk,
        "restores:new_archive": archive.pk,
        "restores:planning": planning.pk,
        "retention:release": hold.pk,
        "retention:snapshot": snapshot.pk,
        "retention:archive": archive.pk,
        "snapshots:": snapshot.pk,
        "snapshots:profile": profile.pk,
        "evidence:": entry.pk,
    }


def url_of(name: str, things: dict[str, int]) -> str:
    """The address, with the key of the thing whose name fits best."""
    wanted = PATTERNS[name].pattern.converters
    fitting = [beginning for beginning in things if name.startswith(beginning)]
    return reverse(name, kwargs={key: things[max(fitting, key=len)] for key in wanted})


def ask(browser: Client, method: str, url: str):
    """A form that was sent without an answer is not empty: it carries its token."""
    return browser.post(url, {"sent": "yes"}) if method == "post" else browser.get(url)


def word_for(answer) -> str:
    if answer.status_code == 302:
        target = answer["Location"].split("?")[0]
        return {"/sign-in/": "in", "/step-up/": "word"}.get(target, "go")
    known = {400: "odd", 403: "no", 404: "gone", 405: "not", 422: "bad"}
    return "ok" if answer.status_code in (200, 204) else known.get(answer.status_code, str(answer.status_code))


def test_the_table_names_every_address_and_no_other():
    assert {name for name, _ in rows()} == set(PATTERNS)


def test_every_address_has_a_name_of_its_own():
    names = [name for name, _ in addresses()]

    assert sorted(names) == sorted(set(names))
    assert not [name for name in names if name.endswith("None")]


@pytest.mark.parametrize(("name", "method"), rows())
def test_who_gets_what(cast, as_person, things, name, method):
    if name not in PATTERNS:
        pytest.fail(f"{name} is gone; take its line out of the table")
    found = []
    for role in ROLES:
        with transaction.atomic():
            browser = Client() if role == "anonymous" else as_person(role)
            found.append(word_for(ask(browser, method, url_of(name, things))))
            transaction.set_rollback(True)

    assert dict(zip(ROLES, found, strict=True)) == dict(zip(ROLES, rows()[name, method], strict=True))


# What asks for the password again, with every method it takes.
CAREFUL = {
    "accounts:person_add",
    "accounts:roles",
    "accounts:email",
    "accounts:one_time_password",
    "accounts:deactivate",
    "accounts:reactivate",
    "clusters:add",
    "clusters:edit",
    "archives:location_add",
    "archives:redis_add",
    "archives:recipient_add",
    "archives:recipient_remove",
    "archives:redis_change",
    "archives:location_change",
    "restores:break_glass",
    "retention:snapshot_delete",
    "retention:archive_delete",
}


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_what_asks_for_the_password_again(cast, as_person, things, name):
    browser = as_person("administrator")
    session = browser.session
    session[STEPPED_UP_AT] = 0
    session.save()

    words = [word_for(ask(browser, method, url_of(name, things))) for method in ("get", "post")]

    assert ("word" in words) is (name in CAREFUL)
