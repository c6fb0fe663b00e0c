"""The events are the same for the same day, and look like a day."""

import datetime as dt
import ipaddress
from collections import Counter

from deploy.sandbox import seed
from deploy.sandbox.events import events

DAY = dt.date(2026, 11, 21)


def test_a_day_is_always_the_same():
    assert list(events(DAY, 500)) == list(events(DAY, 500))


def test_days_differ():
    assert list(events(DAY, 5)) != list(events(DAY + dt.timedelta(days=1), 5))


def test_events_are_in_order_and_within_their_day():
    times = [event["@timestamp"] for event in events(DAY, 2000)]

    assert times == sorted(times)
    assert {time[:10] for time in times} == {"2026-11-21"}


def test_the_office_sleeps_at_night():
    hours = Counter(event["@timestamp"][11:13] for event in events(DAY, 5000))

    assert hours["10"] > 3 * hours["03"]


def test_every_field_is_in_the_mapping():
    for event in events(DAY, 2000):
        assert unmapped(event, seed.MAPPING) == []
        ipaddress.ip_address(event["source"]["ip"])


def test_all_kinds_occur():
    kinds = {event["event"]["category"] for event in events(DAY, 2000)}

    assert kinds == {"network", "authentication", "web", "intrusion_detection"}


def test_three_indices_have_some_fifty_thousand_documents():
    assert len(seed.PER_DAY) == seed.DAYS == 3
    assert sum(seed.PER_DAY) == 50_400
    assert seed.index_name(DAY) == "cybersift-events-2026.11.21"


def unmapped(event: dict, mapping: dict) -> list[str]:
    found = []
    for name, value in event.items():
        if name not in mapping:
            found.append(name)
        elif isinstance(value, dict):
            found += unmapped(value, mapping[name]["properties"])
    return found
