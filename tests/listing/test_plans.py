"""How the database finds what lists show: by an index in the order of the page, whatever the length of history.

SQLite is asked for the plan of a page's own queries; it chooses the same one for any number of rows. PostgreSQL
chooses by size, so it is only asked whether an index serves at all: sequential scans are switched off.
"""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backups.audit import act
from backups.clusters.models import Cluster
from backups.repositories.models import Repository
from backups.runs.models import Run, RunState
from backups.snapshots.models import Snapshot, SnapshotIndex, SnapshotProfile, SnapshotState

pytestmark = pytest.mark.db

ROWS = 60
LONG = {"backups_run", "backups_auditentry", "backups_snapshot", "backups_snapshotindex"}
# Of what is sorted there are few: runs that are queued or at work, entries about a thing with this name.
FEW = re.compile(r""""backups_run"\."state" IN \('queued', 'running'\)|"object_id" (=|IN)""")
# The entries of each action come in the order of the page: SQLite leaves an action once they are too old for it.
IN_TURN = "SEARCH backups_auditentry USING INDEX entry_by_action (action=?"
RARE = re.compile(r'WHERE .*"(state|outcome|action|actor_id|profile_id|repository_id|object_type|name)" (=|IN)')
EXPLAIN = {"sqlite": "EXPLAIN QUERY PLAN ", "postgresql": "EXPLAIN "}

PAGES = [
    "/runs/?size=50",
    "/runs/?size=50&before=55",
    "/runs/?state=failed",
    "/runs/?kind=snapshot",
    "/runs/?who=system",
    "/runs/?who={person}",
    "/runs/?state=failed&kind=snapshot&who={person}",
    "/runs/?state=succeeded&kind=verify_repository",
    "/runs/?state=failed&who=system&before=55",
    "/runs/?state=failed&after=5",
    "/runs/?q=snap",
    "/runs/?q=snap&state=failed",
    "/snapshots/?size=50",
    "/snapshots/?size=50&before=55",
    "/snapshots/?state=verified",
    "/snapshots/?repository={repository}",
    "/snapshots/?profile={profile}",
    "/snapshots/?state=damaged&repository={repository}&profile={profile}",
    "/snapshots/?state=damaged&repository={repository}",
    "/snapshots/?state=verified&profile={profile}&before=55",
    "/snapshots/?q=s1",
    "/snapshots/?q=s1&state=damaged",
    "/snapshots/profiles/",
    "/snapshots/profiles/{profile}/",
    "/snapshots/{snapshot}/",
    "/repositories/",
    "/clusters/",
    "/audit/?size=50",
    "/audit/?size=50&before=55",
    "/audit/?outcome=denied",
    "/audit/?action=run.queued",
    "/audit/?person={person}",
    "/audit/?outcome=success&action=run.cancelled",
    "/audit/?outcome=success&person={person}",
    "/audit/?outcome=denied&person={person}&action=run.queued",
    "/audit/?action=Runs",
    "/audit/?action=Runs&outcome=denied&before=55",
    "/audit/?q=run:12",
    "/audit/?q=run:12&outcome=success&action=Runs",
    "/audit/?q=nightly",
    "/audit/?q=nobody",
    "/audit/?since=2026-01-01&outcome=denied",
    "/audit/?until=2026-02-01&person={person}",
    "/audit/?since=2026-01-01&until=2026-02-01",
    "/people/",
    "/",
]


@pytest.fixture
def history(cast):
    """A page and a bit of everything; returns the names that addresses use."""
    cluster = Cluster.objects.create(name="soc-prod")
    repository = Repository.objects.create(cluster=cluster, name="nightly", state="registered")
    profile = SnapshotProfile.objects.create(cluster=cluster, repository=repository, name="nightly")
    now = timezone.now()
    ended = {"kind": "snapshot", "subject": "snapshot", "state": RunState.SUCCEEDED, "ended_at": now}
    Run.objects.bulk_create(Run(key=f"k{n}", **ended) for n in range(ROWS))
    kept = {"repository": repository, "profile": profile, "state": SnapshotState.VERIFIED, "started_at": now}
    snapshots = Snapshot.objects.bulk_create(Snapshot(name=f"s{n}", **kept) for n in range(ROWS))
    SnapshotIndex.objects.bulk_create(SnapshotIndex(snapshot=one, name="logs", state="open") for one in snapshots)
    with act(None) as a:
        for number in range(ROWS):
            a.record("run.queued", ("run", number, "snapshot"))
    keys = {"repository": repository, "profile": profile, "snapshot": snapshots[0], "person": cast["operator"]}
    return {name: row.pk for name, row in keys.items()}


@pytest.mark.parametrize("address", PAGES)
def test_no_list_reads_or_sorts_all_of_history(as_person, history, address):
    client = as_person("auditor")
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address.format(**history)).status_code == 200

    found = [trouble for query in queries.captured_queries for trouble in troubles(query["sql"])]
    assert found == []


def troubles(sql: str) -> list[str]:
    """What in the plan of a query would grow with history."""
    if not sql.startswith("SELECT") or not any(f'"{table}"' in sql for table in LONG):
        return []
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute(EXPLAIN[connection.vendor] + sql)
        plan = [str(row[-1]).strip() for row in cursor.fetchall()]
    return [f"{line} in {sql[:1500]}" for line in plan if grows(line, sql, plan)]


def grows(line: str, sql: str, plan: list[str]) -> bool:
    if connection.vendor == "postgresql":
        return any(f"Seq Scan on {table} " in line for table in LONG)
    if line.startswith("USE TEMP B-TREE"):
        outer = re.findall(r'FROM "(\w+)"', sql)[-1]
        few = FEW.search(sql) or any(step.startswith(IN_TURN) for step in plan)
        return outer in LONG and not few
    by_key = re.match(r"SCAN (\w+)|SEARCH (\w+) USING .*\((?:rowid|seq)[<>]", line)
    if not by_key or (by_key[1] or by_key[2]) not in LONG:
        return False
    # In the order of the key it stops after a page, unless it looks for rows that are rare.
    return bool(RARE.search(sql.rpartition(" FROM ")[2])) or not re.search(r"ORDER BY .* (ASC|DESC) LIMIT \d+$", sql)


@pytest.mark.db(only="sqlite")  # PostgreSQL knows how often a value occurs
def test_what_nearly_every_entry_is_does_not_lead_to_a_rare_one(as_person, history):
    with CaptureQueriesContext(connection) as queries:
        as_person("auditor").get("/audit/?outcome=success&action=run.cancelled")

    (sql,) = [query["sql"] for query in queries.captured_queries if "'run.cancelled'" in query["sql"]]
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN QUERY PLAN " + sql)
        assert "entry_by_action" in cursor.fetchone()[-1]
