"""What people do in ``watching``: a locustfile, for Locust's own Python.

A tab is a page that stays open. Each part of it that names an interval is asked for at that rate, whatever the
answers take, as the page's script does it: with the version that the tab has, and as the newest answer says.
A reader opens one list after the other.
"""

import heapq
import html
import itertools
import json
import os
import random
import re
import time
from collections import Counter
from pathlib import Path

import gevent
from locust import FastHttpUser, constant_pacing, events, task
from locust.exception import StopUser

PLAN = json.loads(os.environ["PLAN"])
POLLED = re.compile(r'hx-get="([^"]+)" hx-trigger="every (\d+)s"')
POLLS = {"HX-Request": "true", "X-Poll": "1"}

tabs, readers, pages = (itertools.cycle(PLAN[name]) for name in ("tabs", "readers", "lists"))
asked_per_second, unchanged = Counter(), Counter()


def name_of(url: str) -> str:
    return re.sub(r"\d+", "N", url.partition("?")[0])


def polled_parts(text: str) -> list[tuple[str, int]]:
    return [(html.unescape(url), int(seconds)) for url, seconds in POLLED.findall(text)]


class Tab(FastHttpUser):
    fixed_count = len(PLAN["tabs"])

    def on_start(self) -> None:
        self.cookie, page = next(tabs)
        gevent.sleep(random.random())  # Locust begins all of a second at once, and they would ask together for ever
        answer = self.client.get(page, headers={"Cookie": self.cookie}, name="page")
        now = time.monotonic()
        self.parts = [(now + every, every, url) for url, every in polled_parts(answer.text)]
        heapq.heapify(self.parts)
        for _, every, url in self.parts:
            asked_per_second[name_of(url)] += 1 / every

    @task
    def ask(self) -> None:
        if not self.parts:
            raise StopUser
        due, every, url = heapq.heappop(self.parts)
        gevent.sleep(max(0, due - time.monotonic()))
        answer = self.client.get(url, headers=POLLS | {"Cookie": self.cookie}, name=name_of(url))
        unchanged[name_of(url)] += answer.status_code == 204
        going_on = polled_parts(answer.text or "") if answer.status_code == 200 else [(url, every)]
        for url, every in going_on[:1]:
            heapq.heappush(self.parts, (due + every, every, url))


class Reader(FastHttpUser):
    fixed_count = len(PLAN["readers"])
    wait_time = constant_pacing(PLAN["pages_every"] * len(PLAN["readers"]))

    def on_start(self) -> None:
        self.cookie = next(readers)
        asked_per_second["list"] = 1 / PLAN["pages_every"]

    @task
    def look(self) -> None:
        self.client.get(next(pages), headers={"Cookie": self.cookie}, name="list")


@events.spawning_complete.add_listener
def begin(**_) -> None:
    unchanged.clear()


@events.quitting.add_listener
def report(environment, **_) -> None:
    """Locust's own figures, by name."""
    figures = {
        entry.name: {
            "requests": entry.num_requests,
            "failures": entry.num_failures,
            "per_second": entry.total_rps,
            "asked_per_second": asked_per_second[entry.name],
            "p95": entry.get_response_time_percentile(0.95),
            "median": entry.median_response_time,
            "unchanged": unchanged[entry.name],
        }
        for entry in environment.stats.entries.values()
    }
    Path(os.environ["REPORT"]).write_text(json.dumps(figures))
