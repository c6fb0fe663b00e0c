"""The list of runs at 100,000 runs: answer time of the page through Django's own handler, and its queries."""

import statistics
import time

from tests.bench.console import set_up
from tests.bench.history import YEARS
from tests.bench.run import Row

RUNS = 100_000
REQUESTS = 200
P95_MS, QUERIES = 100, 12


def rows() -> list[Row]:
    set_up()
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from backups.access.models import User

    client = Client(HTTP_HOST="localhost")
    client.force_login(_viewer(User))
    make_runs()
    addresses = ["/runs/", "/runs/?state=failed", f"/runs/?before={RUNS // 2}", "/runs/?kind=snapshot"]
    for address in addresses:
        assert client.get(address).status_code == 200
    with CaptureQueriesContext(connection) as queries:
        client.get("/runs/")
    asked = len(queries)  # now: the next request empties the log
    times = []
    for number in range(REQUESTS):
        began = time.perf_counter()
        response = client.get(addresses[number % len(addresses)])
        times.append((time.perf_counter() - began) * 1000)
        assert response.status_code == 200
    p95 = statistics.quantiles(times, n=20)[-1]
    return [
        Row("run list at 100,000, p95", f"{p95:.0f} ms", "–", "–", f"under {P95_MS} ms", p95 < P95_MS),
        Row("run list, queries", str(asked), "–", "–", f"at most {QUERIES}", asked <= QUERIES),
    ]


def _viewer(user_model):
    from django.contrib.auth.models import Group

    person = user_model.objects.create_user("bench-viewer", name="Vera Camilleri")
    person.groups.add(Group.objects.get(name="viewer"))
    return person


def make_runs() -> None:
    """RUNS of them, over some years."""
    from django.db.models import F
    from django.utils import timezone

    from backups.runs.models import Run

    now, step = timezone.now(), YEARS / RUNS
    states = ["succeeded"] * 18 + ["failed", "partial"]
    for start in range(0, RUNS, 5000):
        Run.objects.bulk_create(
            Run(
                kind="snapshot",
                key=f"bench:{number}",
                state=states[number % 20],
                subject=f"snapshot nightly-{number}",
                started_at=now - step * (RUNS - number),
                ended_at=now - step * (RUNS - number - 1),
                effect="applied",
            )
            for number in range(start, start + 5000)
        )
    Run.objects.update(queued_at=F("started_at"))
