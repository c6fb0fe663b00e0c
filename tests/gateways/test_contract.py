"""The fake of a server answers as that server does; the servers answer as they were recorded.

``RECORD_CONTRACT=1 pytest tests/gateways/test_contract.py -k real`` records them anew.
"""

import os

import pytest

from deploy.sandbox.kinds import DEFAULT, KINDS
from tests.contract import exchanges
from tests.fakes.elasticsearch import FakeElasticsearch
from tests.gateways.scenes import FakeScene, RealScene

SLUGS = [kind.slug for kind in KINDS]
# The one that most tests run on belongs to every run.
REAL = [pytest.param(slug, marks=pytest.mark.short if slug == DEFAULT.slug else ()) for slug in SLUGS]


@pytest.mark.parametrize("any_server", REAL, indirect=True, scope="session")
def test_the_real_one_answers_as_recorded(any_server):
    scene = RealScene(any_server, exchanges.PREFIX)
    try:
        found = exchanges.run(scene)
    finally:
        scene.clear()
    slug = any_server.kind.slug
    if os.environ.get("RECORD_CONTRACT"):
        exchanges.write(slug, found)
    assert found == exchanges.read(slug)


@pytest.mark.parametrize("slug", SLUGS)
def test_the_fake_cannot_lie(slug):
    fake = FakeElasticsearch(slug).start()
    try:
        found = exchanges.run(FakeScene(fake, exchanges.PREFIX))
    finally:
        fake.stop()
    recorded = exchanges.read(slug)
    assert [one["request"] for one in found] == [one["request"] for one in recorded]
    assert [pair for pair in zip(found, recorded, strict=True) if pair[0] != pair[1]] == []
