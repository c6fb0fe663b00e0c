"""The fake of a server answers as that server does; the servers answer as they were recorded.

``RECORD_CONTRACT=1 pytest tests/gateways/test_contract.py -k real`` records them anew.
"""

import os

import pytest

from deploy.sandbox.kinds import DEFAULT, KINDS
from tests.contract import exchanges, restore_exchanges, stream_exchanges
from tests.fakes.elasticsearch import FakeElasticsearch
from tests.gateways.scenes import FakeScene, RealScene

SLUGS = [kind.slug for kind in KINDS]
# The one that most tests run on belongs to every run.
REAL = [pytest.param(slug, marks=pytest.mark.short if slug == DEFAULT.slug else ()) for slug in SLUGS]


@pytest.mark.parametrize("any_server", REAL, indirect=True, scope="session")
def test_the_real_one_answers_as_recorded(any_server):
    slug = any_server.kind.slug
    check(slug, answers_of(any_server, exchanges.run))


@pytest.mark.parametrize("any_server", REAL, indirect=True, scope="session")
def test_the_real_one_answers_a_restore_as_recorded(any_server):
    check(restore_exchanges.recording_of(any_server.kind.slug), answers_of(any_server, restore_exchanges.run))


@pytest.mark.parametrize("any_server", REAL, indirect=True, scope="session")
def test_the_real_one_answers_about_streams_as_recorded(any_server):
    check(stream_exchanges.recording_of(any_server.kind.slug), answers_of(any_server, stream_exchanges.run))


@pytest.mark.parametrize("slug", SLUGS)
def test_the_fake_cannot_lie(slug):
    compare(slug, exchanges.run, exchanges.read(slug))


@pytest.mark.parametrize("slug", SLUGS)
def test_the_fake_cannot_lie_about_a_restore(slug):
    compare(slug, restore_exchanges.run, exchanges.read(restore_exchanges.recording_of(slug)))


@pytest.mark.parametrize("slug", SLUGS)
def test_the_fake_cannot_lie_about_streams(slug):
    compare(slug, stream_exchanges.run, exchanges.read(stream_exchanges.recording_of(slug)))


def answers_of(server, run) -> list[dict]:
    scene = RealScene(server, exchanges.PREFIX)
    try:
        return run(scene)
    finally:
        scene.clear()


def check(recording: str, found: list[dict]) -> None:
    if os.environ.get("RECORD_CONTRACT"):
        exchanges.write(recording, found)
    assert found == exchanges.read(recording)


def compare(slug: str, run, recorded: list[dict]) -> None:
    fake = FakeElasticsearch(slug).start()
    try:
        found = run(FakeScene(fake, exchanges.PREFIX))
    finally:
        fake.stop()
    assert [one["request"] for one in found] == [one["request"] for one in recorded]
    assert [pair for pair in zip(found, recorded, strict=True) if pair[0] != pair[1]] == []
