"""List pages over years of history, beside Django admin's changelist of the same rows: 50 a page, newest first,
in the same process, one request after the other in turn.

The history: 100,000 runs, 1,000,000 entries of a true chain, 100,000 snapshots of 10 indices each.
"""

import os
import statistics
import time

from tests.bench.run import Row

RUNS, ENTRIES, SNAPSHOTS, INDICES = 100_000, 1_000_000, 100_000, 10
REPETITIONS, BAR, P95_MS = 15, 0.2, 200
AT_ONCE = 2_000

LISTS = (
    ("runs", "/runs/?size=50", "/admin/backups/run/"),
    ("audit log", "/audit/?size=50", "/admin/backups/auditentry/"),
    ("snapshots", "/snapshots/?size=50", "/admin/backups/snapshot/"),
)


def rows() -> list[Row]:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.bench.with_admin"
    from tests.bench.console import set_up

    set_up()
    from django.test import Client

    seed()
    ours, peer = Client(HTTP_HOST="localhost"), Client(HTTP_HOST="localhost")
    ours.force_login(person("bench-auditor", "auditor"))
    peer.force_login(person("bench-admin", is_staff=True, is_superuser=True))
    return [row for name, page, changelist in LISTS for row in _measure(name, (ours, page), (peer, changelist))]


def seed() -> None:
    """The history, in the database of the settings. Some minutes; nothing to do where CONSOLE_HOME has one already."""
    from backups.access.models import User
    from backups.runs.models import Run
    from tests.bench.history import seed_entries
    from tests.bench.run_list import make_runs

    if Run.objects.exists():
        return
    make_runs()
    _make_snapshots()
    seed_entries(ENTRIES, people=list(User.objects.all()))


def _make_snapshots() -> None:
    """One of each run."""
    from backups.clusters.models import Cluster
    from backups.repositories.models import Repository
    from backups.runs.models import Run
    from backups.snapshots.models import Snapshot, SnapshotProfile

    cluster = Cluster.objects.create(name="bench")
    repository = Repository.objects.create(cluster=cluster, name="nightly", state="registered")
    profile = SnapshotProfile.objects.create(cluster=cluster, repository=repository, name="nightly")
    states = [*["verified"] * 16, "found", "partial", "failed", "missing"]
    fixed = {"repository": repository, "profile": profile, "shards_total": INDICES}
    for start in range(0, SNAPSHOTS, AT_ONCE):
        runs = Run.objects.order_by("pk")[start : start + AT_ONCE].values_list("pk", "started_at", "ended_at")
        Snapshot.objects.bulk_create(
            Snapshot(
                name=f"nightly-{number}",
                uuid=f"u{number}",
                state=states[number % 20],
                run_id=run,
                started_at=started_at,
                ended_at=ended_at,
                **fixed,
            )
            for number, (run, started_at, ended_at) in enumerate(runs, start)
        )
    _make_indices()


def _make_indices() -> None:
    """INDICES in each snapshot. In one statement, because a million objects take minutes."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO backups_snapshotindex (snapshot_id, name, uuid, state, counted, aliases, settings)
            WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < {INDICES - 1})
            SELECT id, 'logs-' || n, '', 'open', 'not_counted', '{{}}', '{{}}' FROM backups_snapshot, numbers
            ORDER BY id, n"""  # noqa: S608
        )


def _measure(name: str, ours: tuple, peer: tuple) -> list[Row]:
    times: dict[str, list[float]] = {"ours": [], "peer": []}
    for _ in range(REPETITIONS + 1):
        for who, (client, address) in (("ours", ours), ("peer", peer)):
            began = time.perf_counter()
            response = client.get(address)
            times[who].append((time.perf_counter() - began) * 1000)
            assert response.status_code == 200, address
    a, b = (statistics.median(times[who][1:]) for who in ("ours", "peer"))
    p95 = statistics.quantiles(times["ours"][1:], n=20)[-1]
    return [
        Row(f"list: {name}", f"{a:.0f} ms", f"{b:.0f} ms", f"{a / b:.2f}", f"at most {BAR}", a / b <= BAR),
        Row(f"list: {name}, p95", f"{p95:.0f} ms", "–", "–", f"under {P95_MS} ms", p95 < P95_MS),
    ]


def person(name: str, *roles: str, **columns):
    from django.contrib.auth.models import Group

    from backups.access.models import User

    person, _ = User.objects.get_or_create(username=name, defaults=columns)
    person.groups.set(Group.objects.filter(name__in=roles))
    return person
