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
    ours.force_login(_person("bench-auditor", "auditor"))
    peer.force_login(_person("bench-admin", is_staff=True, is_superuser=True))
    return [row for name, page, changelist in LISTS for row in _measure(name, (ours, page), (peer, changelist))]


def seed() -> None:
    """The history, in the database of the settings. Some minutes."""
    from backups.access.models import User
    from tests.bench.history import seed_entries
    from tests.bench.run_list import _make_runs

    _make_runs()
    _make_snapshots()
    seed_entries(ENTRIES, people=list(User.objects.all()))


def _make_snapshots() -> None:
    from django.utils import timezone

    from backups.clusters.models import Cluster
    from backups.repositories.models import Repository
    from backups.snapshots.models import Snapshot, SnapshotIndex, SnapshotProfile

    cluster = Cluster.objects.create(name="bench")
    repository = Repository.objects.create(cluster=cluster, name="nightly", state="registered")
    profile = SnapshotProfile.objects.create(cluster=cluster, repository=repository, name="nightly")
    states = [*["verified"] * 16, "found", "partial", "failed", "missing"]
    now = timezone.now()
    fixed = {
        "repository": repository,
        "profile": profile,
        "started_at": now,
        "ended_at": now,
        "shards_total": INDICES,
    }
    for start in range(0, SNAPSHOTS, AT_ONCE):
        made = Snapshot.objects.bulk_create(
            Snapshot(name=f"nightly-{number}", uuid=f"u{number}", state=states[number % 20], **fixed)
            for number in range(start, start + AT_ONCE)
        )
        SnapshotIndex.objects.bulk_create(
            SnapshotIndex(snapshot=one, name=f"logs-{number}", state="open")
            for one in made
            for number in range(INDICES)
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


def _person(name: str, *roles: str, **columns):
    from django.contrib.auth.models import Group

    from backups.access.models import User

    person = User.objects.create_user(name, **columns)
    person.groups.set(Group.objects.filter(name__in=roles))
    return person
