"""Believable security events: three daily indices of about 17,000 documents each, behind one alias.

The same day always gets the same documents with the same ids, so that a half-filled index of a killed run is
simply filled again. The alias comes last: where it exists, the data are complete and are left alone.
"""

import datetime as dt
import json
import re
import urllib.error
from collections.abc import Iterator
from itertools import islice

from deploy.sandbox.elasticsearch import Server
from deploy.sandbox.events import events
from deploy.sandbox.packages import Say

ALIAS = "cybersift-events"
DAYS = 3
PER_DAY = (15800, 18100, 16500)  # Mondays are not like Sundays
PER_REQUEST = 3000

KEYWORD, IP = {"type": "keyword"}, {"type": "ip"}
MAPPING = {
    "@timestamp": {"type": "date"},
    "message": {"type": "text"},
    "event": {
        "properties": {
            "category": KEYWORD,
            "action": KEYWORD,
            "outcome": KEYWORD,
            "severity": {"type": "integer"},
        }
    },
    "source": {"properties": {"ip": IP, "port": {"type": "integer"}, "geo": {"properties": {"country": KEYWORD}}}},
    "destination": {"properties": {"ip": IP, "port": {"type": "integer"}, "bytes": {"type": "long"}}},
    "host": {"properties": {"name": KEYWORD}},
    "user": {"properties": {"name": KEYWORD}},
    "rule": {"properties": {"name": KEYWORD}},
    "anomaly": {"properties": {"score": {"type": "float"}}},
}
SETTINGS = {"number_of_shards": 1, "number_of_replicas": 0}


def seed(server: Server, today: dt.date, say: Say) -> None:
    if _exists(server, f"/_alias/{ALIAS}"):
        return
    last = _last_day(server) or today - dt.timedelta(days=1)
    days = [last - dt.timedelta(days=back) for back in reversed(range(DAYS))]
    say(f"Filling the sandbox with {sum(PER_DAY):,} security events of {DAYS} days")
    for day in reversed(days):  # the newest one first: _last_day() goes by it
        _create(server, index_name(day))
    for day, number in zip(days, PER_DAY, strict=True):
        _fill(server, day, number)
    add = [{"add": {"index": index_name(day), "alias": ALIAS}} for day in days]
    server.request("POST", "/_aliases", json.dumps({"actions": add}).encode())


def index_name(day: dt.date) -> str:
    return f"{ALIAS}-{day:%Y.%m.%d}"


def _last_day(server: Server) -> dt.date | None:
    """The newest day that an interrupted earlier try began with: go on with its days, also after midnight."""
    found = server.request("GET", f"/{ALIAS}-*?filter_path=*.settings.index.uuid")
    days = [re.search(r"(\d{4})\.(\d\d)\.(\d\d)$", name) for name in found]
    return max((dt.date(*map(int, day.groups())) for day in days if day), default=None)


def _create(server: Server, name: str) -> None:
    if not _exists(server, f"/{name}"):
        body = {"settings": SETTINGS, "mappings": {"properties": MAPPING}}
        server.request("PUT", f"/{name}", json.dumps(body).encode())


def _fill(server: Server, day: dt.date, number: int) -> None:
    name = index_name(day)
    lines = _bulk_lines(day, number)
    while part := list(islice(lines, 2 * PER_REQUEST)):
        answer = server.request("POST", f"/{name}/_bulk?filter_path=errors", "".join(part).encode())
        if answer.get("errors"):
            raise OSError(f"Elasticsearch refused some of the events of {name}.")
    server.request("POST", f"/{name}/_refresh")
    server.request("POST", f"/{name}/_flush")


def _exists(server: Server, path: str) -> bool:
    try:
        server.request("GET", path)
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return False
        raise
    return True


def _bulk_lines(day: dt.date, number: int) -> Iterator[str]:
    for position, event in enumerate(events(day, number)):
        yield json.dumps({"index": {"_id": f"{day:%Y%m%d}-{position:05d}"}}) + "\n"
        yield json.dumps(event) + "\n"
