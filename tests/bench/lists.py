"""List pages over years of history, beside Django admin's changelist of the same rows: 50 a page, newest first,
in the same process, one request after the other in turn. The newest page, and one in the middle of history. The peer
offers the filters and the search of our page; what a changelist without them takes is told besides, without a bar.

The history: 100,000 runs, 1,000,000 entries of a true chain, 100,000 snapshots of 10 indices each. Pages that are
filtered, and the export, have no peer.
"""

import os
import statistics
import time
from pathlib import Path

from tests.bench.run import Row

RUNS, ENTRIES, SNAPSHOTS, INDICES = 100_000, 1_000_000, 100_000, 10
REPETITIONS, BAR, P95_MS, EXPORT_MB = 15, 0.2, 200, 10
AT_ONCE = 2_000
ROLES = ("viewer", "operator", "approver", "auditor", "administrator")

LISTS = (
    ("runs", "/runs/?size=50", "/admin/backups/run/"),
    ("runs, middle", f"/runs/?size=50&before={RUNS // 2 + 1}", f"/admin/backups/run/?p={RUNS // 100 + 1}"),
    ("audit log", "/audit/?size=50", "/admin/backups/auditentry/"),
    (
        "audit log, middle",
        f"/audit/?size=50&before={ENTRIES // 2 + 1}",
        f"/admin/backups/auditentry/?p={ENTRIES // 100 + 1}",
    ),
    ("snapshots", "/snapshots/?size=50", "/admin/backups/snapshot/"),
    (
        "snapshots, middle",
        f"/snapshots/?size=50&before={SNAPSHOTS // 2 + 1}",
        f"/admin/backups/snapshot/?p={SNAPSHOTS // 100 + 1}",
    ),
)
# With what is common, rare, or nowhere; each page as far back as its filters lead.
FILTERED = {
    "runs": (
        *(
            "/runs/?state=failed",
            "/runs/?state=failed&kind=snapshot&before=50000",
            "/runs/?state=cancelled&who=system",
        ),
        *("/runs/?kind=verify_repository&state=succeeded", "/runs/?q=snapshot+nightly-7", "/runs/?q=nothing"),
    ),
    "audit log": (
        *("/audit/?person=1", "/audit/?action=Runs&before=500000", "/audit/?action=run.cancelled&outcome=success"),
        *("/audit/?person=1&action=run.failed", "/audit/?outcome=denied", "/audit/?q=run:500", "/audit/?q=nightly-7"),
        *(
            "/audit/?since=2025-01-01&until=2025-02-01",
            "/audit/?q=nothing",
            "/audit/?since=2025-01-01&outcome=denied",
        ),
    ),
    "snapshots": (
        *("/snapshots/?state=failed", "/snapshots/?state=verified&before=50000", "/snapshots/?q=nightly-7"),
        *("/snapshots/?q=nothing", "/snapshots/?repository=1&state=damaged", "/snapshots/?profile=1&state=damaged"),
    ),
}


def rows() -> list[Row]:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.bench.with_admin"
    from tests.bench.console import set_up

    set_up()
    from django.test import Client

    seed()
    ours, peer = Client(HTTP_HOST="localhost"), Client(HTTP_HOST="localhost")
    ours.force_login(person("bench-auditor", "auditor"))
    peer.force_login(person("bench-admin", is_staff=True, is_superuser=True))
    beside = [row for name, page, changelist in LISTS for row in _measure(name, (ours, page), (peer, changelist))]
    return [*beside, *(_filtered(name, ours, pages) for name, pages in FILTERED.items()), _export(ours)]


def seed() -> None:
    """The history, in the database of the settings. Some minutes; nothing to do where CONSOLE_HOME has it already."""
    from backups.audit.models import AuditEntry
    from tests.bench.history import seed_entries
    from tests.bench.run_list import make_runs

    if AuditEntry.objects.count() >= ENTRIES:
        return
    make_runs()
    _make_snapshots()
    seed_entries(ENTRIES, people=[person(f"bench-{role}", role) for role in ROLES])


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
    client, changelist = peer
    asked = {"ours": ours, "peer": peer, "bare": (client, changelist.replace("/admin/", "/bare-admin/"))}
    times: dict[str, list[float]] = {who: [] for who in asked}
    for _ in range(REPETITIONS + 1):
        for who, (client, address) in asked.items():
            times[who].append(_timed(client, address))
    a, b, bare = (statistics.median(times[who][1:]) for who in asked)
    return [
        Row(f"list: {name}", f"{a:.0f} ms", f"{b:.0f} ms", f"{a / b:.2f}", f"at most {BAR}", a / b <= BAR),
        Row(f"list: {name}, bare", f"{a:.0f} ms", f"{bare:.0f} ms", f"{a / bare:.2f}", "told only", True),
        _p95(f"list: {name}, p95", times["ours"][1:]),
    ]


def _filtered(name: str, client, addresses: tuple) -> Row:
    times = [_timed(client, address) for _ in range(REPETITIONS + 1) for address in addresses]
    return _p95(f"list: {name}, filtered, p95", times[len(addresses) :])


def _timed(client, address: str) -> float:
    began = time.perf_counter()
    response = client.get(address)
    took = (time.perf_counter() - began) * 1000
    assert response.status_code == 200, address
    return took


def _p95(name: str, times: list[float]) -> Row:
    p95 = statistics.quantiles(times, n=20)[-1]
    return Row(name, f"{p95:.0f} ms", "–", "–", f"under {P95_MS} ms", p95 < P95_MS)


def _export(client) -> Row:
    """The memory that grows while CSV_ROWS rows are downloaded, after the first thousands."""
    before = after = lines = 0
    began = time.perf_counter()
    for lines, _ in enumerate(client.get("/audit/export.csv").streaming_content, 1):
        if lines == 5_000:
            before = _memory()
    after, took = _memory(), time.perf_counter() - began
    bar = f"at most {EXPORT_MB} MB more; {took:.0f} s"
    return Row(
        f"export of {lines - 2:,} entries", f"{after - before:+.0f} MB", "–", "–", bar, after - before <= EXPORT_MB
    )


def _memory() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 2**20


def person(name: str, *roles: str, **columns):
    from django.contrib.auth.models import Group

    from backups.access.models import User

    person, _ = User.objects.get_or_create(username=name, defaults=columns)
    person.groups.set(Group.objects.filter(name__in=roles))
    return person
