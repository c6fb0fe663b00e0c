"""50 tabs that watch while others open lists, over years of history: the product's own processes, asked by Locust.

The console runs as ``manage.py up`` starts it, on SQLite, with the history of ``lists``. One run takes a turn every
second, with a line and a new figure, another one every half minute: both by the product's own engine. Each tab asks
for the parts of its page at the rate that the page names, with the version that it has (``tabs.py``). A list is
opened every second: new or far back, with or without filters. Before that, every tab is opened; this does not count.
"""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.console import ROOT, console, set_up
from tests.bench.lists import ROLES, person, seed
from tests.bench.run import Row

SECONDS, OPENED_A_SECOND, PAGES_EVERY = 120, 5, 1
LIST_MS, FRAGMENT_MS = 200, 50
RATE_KEPT = 0.95  # of the requests that the tabs had to send; else it was the machine that was measured
READERS = ("auditor", "administrator")
BUSY, QUIET = 0, 30  # seconds that a run waits between its turns, of which there is one a second at most

LISTS = (
    "/runs/?size=50",
    "/audit/?size=50",
    "/snapshots/?size=50",
    "/runs/?state=failed&before=40000",
    "/audit/?action=run.queued&before=500000",
    "/snapshots/?q=nightly-7",
    "/audit/?q=run:500",
    "/audit/?outcome=denied",
)
PARTS = {
    "/runs/N/live/": "a run",
    "/runs/N/log/": "its log",
    "/snapshots/N/live/": "a snapshot",
    "/overview/live/": "the dashboard",
}


def rows() -> list[Row]:
    from deploy.sandbox import packages

    try:
        locust = packages.program("locust", "python3-locust", print)
    except packages.Missing as missing:
        print(missing)
        return [Row("50 tabs (Locust)", "–", "–", "–", str(FRAGMENT_MS), None)]
    os.environ["WORKER_HOST"] = "bench"  # works on the two runs; the worker of the console has a name of its own
    home = set_up()
    seed()
    busy, quiet = snapshot("busy", wait=BUSY), snapshot("quiet", wait=QUIET)
    pages = [*15 * [busy.run], *10 * [quiet.run], *10 * [busy], *15 * ["/"]]
    cookies = {role: cookie_of(role) for role in ROLES}
    plan = {
        "tabs": [(cookies[ROLES[n % len(ROLES)]], address_of(page)) for n, page in enumerate(pages)],
        "readers": [cookies[role] for role in READERS],
        "lists": LISTS,
        "pages_every": PAGES_EVERY,
    }
    with console(COOKIE_SUFFIX="", WORKER_HOST="console") as url, at_work(busy.run, quiet.run):
        return results(load(locust, url, plan, report=home / "watching.json"))


def snapshot(name: str, *, wait: float):
    """A snapshot of which the run has begun."""
    from backups.runs.services import queue_run
    from backups.snapshots.models import Snapshot, SnapshotProfile, SnapshotState

    profile = SnapshotProfile.objects.first()
    about = {"subject": f"snapshot {name}", "params": {"wait": wait}, "host": os.environ["WORKER_HOST"]}
    run = queue_run("snapshot", actor=None, **about)
    kept = {"profile": profile, "repository": profile.repository, "state": SnapshotState.RUNNING}
    return Snapshot.objects.create(name=f"{name}-{run.pk}", run=run, **kept)


def cookie_of(role: str) -> str:
    """Of a session of somebody who has this role."""
    from django.conf import settings
    from django.test import Client

    client = Client(HTTP_HOST="localhost")
    client.force_login(person(f"bench-{role}", role))
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


def address_of(page) -> str:
    return page if isinstance(page, str) else page.get_absolute_url()


@contextmanager
def at_work(*runs) -> Iterator[None]:
    """Meanwhile a worker takes the turns of these runs, by the product's engine. At the end they are cancelled."""
    from backups.runs.engine import Kind, Step, advance
    from backups.runs.services import request_cancel

    kinds = {"snapshot": Kind("snapshot", "Snapshot", (Step("Copy", take_turn), Step("Compare", take_turn)))}
    stop = threading.Event()
    worker = threading.Thread(target=work, args=(stop, [run.pk for run in runs], kinds))
    worker.start()
    try:
        yield
    finally:
        stop.set()
        worker.join()
        for run in runs:
            request_cancel(run, actor=person("bench-administrator", "administrator"))
            advance(run.pk, kinds)


def work(stop: threading.Event, runs: list[int], kinds: dict) -> None:
    from django.utils import timezone

    from backups.runs.engine import advance
    from backups.runs.services import beat

    started_at = timezone.now()
    while not stop.is_set():
        beat(started_at)
        for run in runs:
            advance(run, kinds)
        stop.wait(1)


def take_turn(turn):
    from backups.runs.engine import Done, Stay

    if turn.cancel_requested:
        return Done("cancelled")
    done = turn.run.lines
    since = turn.moment("since") or turn.began_at
    turn.remember(since=since)
    turn.progress = {
        **{"shards_done": done, "shards_total": 10_000, "bytes_done": done << 20, "bytes_total": 10_000 << 20},
        **{"since": since.isoformat(), "at": turn.began_at.isoformat()},
    }
    turn.log(f"{done} of 10,000 shards are copied.")
    return Stay(turn.run.params["wait"])


def load(locust: str, url: str, plan: dict, *, report: Path) -> dict:
    """What Locust measured, by the name of the part."""
    users = len(plan["tabs"]) + len(plan["readers"])
    seconds = SECONDS + users // OPENED_A_SECOND
    command = [locust, "-f", str(ROOT / "tests/bench/tabs.py"), "--headless", "--host", url, "--loglevel", "ERROR"]
    command += ["-u", str(users), "-r", str(OPENED_A_SECOND), "-t", f"{seconds}s", "--reset-stats", "--only-summary"]
    environ = os.environ | {"PLAN": json.dumps(plan), "REPORT": str(report)}
    with report.with_suffix(".log").open("w") as log:
        subprocess.run(command, env=environ, stdout=log, stderr=log, check=False)  # it ends with 1 where one failed
    return json.loads(report.read_text())


def results(figures: dict) -> list[Row]:
    parts = [row(f"50 tabs (Locust): {title}", figures[name], FRAGMENT_MS) for name, title in PARTS.items()]
    return [row("50 tabs (Locust): lists", figures["list"], LIST_MS), *parts]


def row(name: str, seen: dict, bar: int) -> Row:
    """Short as well where a request failed; not measured where the machine could not send what it had to."""
    asked, sent = seen["asked_per_second"], seen["per_second"]
    said = f"under {bar} ms; {sent:.1f}/s, {seen['unchanged'] / seen['requests']:.0%} 204"
    met = seen["p95"] < bar and not seen["failures"]
    return Row(name, f"p95 {seen['p95']} ms", "–", "–", said, met if sent >= RATE_KEPT * asked else None)
