"""A console with something on every page: made by its own processes, read from its own database."""

import subprocess
import sys

from tests.browser.console import ROOT, Console
from tests.fakes.elasticsearch import FakeElasticsearch

SCRIPT = """
from backups.access.models import User
from backups.clusters.models import Cluster
from backups.repositories.services import request_registration
from backups.runs.models import Run
from backups.snapshots.models import SnapshotProfile
from backups.snapshots.services import queue_snapshot, save_profile
import time
def done(run):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        run.refresh_from_db()
        if run.is_over:
            return run
        time.sleep(0.1)
    raise SystemExit(f"{run} is still {run.state}")
admin, operator = User.objects.get(username="administrator"), User.objects.get(username="operator")
cluster = Cluster.objects.get(name="soc-lab")
end = time.monotonic() + 30
while cluster.state != "good" and time.monotonic() < end:
    time.sleep(0.1); cluster.refresh_from_db()
place = "/srv/backups/nightly"
run = request_registration(cluster=cluster, name="nightly", location=place, compress=True, actor=admin)
assert done(run).state == "succeeded", run.error
repository = cluster.repositories.get(name="nightly")
profile = save_profile(actor=admin, profile=SnapshotProfile(
    cluster=cluster, repository=repository, name="SOC indices", patterns=["events-*", "alerts-*"]))
good = done(queue_snapshot(actor=operator, repository=repository, profile=profile, name="soc-2026.11.22",
    patterns=profile.patterns, reason="Before the upgrade of the sensors"))
assert good.state == "succeeded", good.error
bad = done(queue_snapshot(actor=operator, repository=repository, name="typo", patterns=["evnts-*"]))
print("SCENE", cluster.pk, repository.pk, profile.pk, good.pk, good.snapshot.pk, bad.pk, operator.pk)
"""


def make(console: Console, fake: FakeElasticsearch) -> dict[str, int]:
    """Fill the console from the fake cluster; returns the keys of what the pages are about."""
    for number in range(1, 9):
        fake.add_index(f"events-2026.11.{14 + number}", 4_000 + 531 * number, primaries=2)
    fake.add_index("alerts-2026.11", 912)
    console.connect("soc-lab", fake)
    command = [sys.executable, str(ROOT / "manage.py"), "shell", "--no-imports", "-c", SCRIPT]
    done = subprocess.run(command, env=console.environ, capture_output=True, text=True, cwd=ROOT)
    assert "SCENE" in done.stdout, done.stdout + done.stderr
    keys = done.stdout.split("SCENE")[1].split()
    return dict(
        zip(
            ("cluster", "repository", "profile", "run", "snapshot", "failed_run", "person"),
            map(int, keys),
            strict=True,
        )
    )
