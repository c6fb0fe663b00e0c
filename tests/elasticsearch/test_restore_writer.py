"""A writer that never pauses while its index is swapped, made an alias, and put back, on a real 8.19: what was
acknowledged is in the live index or in the safety copy, and the name was never made anew by writing to it."""

import itertools
import json
import threading
import time
import urllib.error

import pytest

from backups.restores.indices.asked import Mode
from tests.elasticsearch.restoring import Restoring
from tests.elasticsearch.scene import Scene
from tests.turns import work

NUMBERS = itertools.count()


class Writer:
    """``with Writer(server, index) as writer:``. Notes which documents were acknowledged, and how long none was."""

    def __init__(self, server, index: str) -> None:
        self.server, self.index = server, index
        self.acknowledged: set[int] = set()
        self.refused: list[str] = []
        self.longest, self._last, self._stop = 0.0, time.monotonic(), threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)

    def __enter__(self) -> "Writer":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join(30)

    def _write(self) -> None:
        while not self._stop.is_set():
            number = next(NUMBERS)
            try:
                self._send(number)
            except urllib.error.HTTPError as error:
                self.refused.append(f"{error.code}")
                continue
            now = time.monotonic()
            self.longest, self._last = max(self.longest, now - self._last), now
            self.acknowledged.add(number)

    def _send(self, number: int) -> None:
        body = json.dumps({"number": number}).encode()
        self.server.request("PUT", f"/{self.index}/_doc/w{number}", body)


def written(restoring: Restoring, name: str) -> set[int]:
    restoring.server.request("POST", f"/{name}/_refresh")
    query = json.dumps({"size": 10_000, "_source": ["number"], "query": {"exists": {"field": "number"}}}).encode()
    hits = restoring.server.request("POST", f"/{name}/_search", query)["hits"]["hits"]
    return {hit["_source"]["number"] for hit in hits}


@pytest.mark.parametrize("mode", [Mode.SWAP, Mode.ALIAS])
def test_no_acknowledged_write_is_lost(real_elasticsearch, cast, mode, record_property):
    restoring = Restoring(Scene(real_elasticsearch), cast)
    run = restoring.agreed(mode)

    with_a_writer(restoring, run, record_property)
    back = restoring.agree(restoring.plan_back(run))
    with_a_writer(restoring, back, record_property)


def with_a_writer(restoring: Restoring, run, record_property) -> None:
    """Everything that was acknowledged is somewhere, and both places are what the restore made of them."""
    with Writer(restoring.server, restoring.index) as writer:
        work(run)
    assert (run.state, run.error) == ("succeeded", ""), run.error
    record_property(f"{run.kind} refused", len(writer.refused))
    record_property(f"{run.kind} longest", round(writer.longest, 2))
    print(f"{run.kind}: {len(writer.acknowledged)} written, {len(writer.refused)} refused, {writer.longest:.2f} s")
    copy = run.safety_copies.get().name
    live, kept = written(restoring, restoring.index), written(restoring, copy)
    assert writer.acknowledged <= live | kept
    assert restoring.server.request("GET", f"/{restoring.index}/_count")["count"] >= 50
    assert restoring.auto_create() is None
