"""The fake answers as the real node does; the real node answers as it was recorded.

``RECORD_CONTRACT=1 pytest tests/gateways/test_contract.py -k real`` records it anew.
"""

import json
import os
from pathlib import Path

import pytest

from tests.contract import exchanges
from tests.gateways.scenes import FakeScene, RealScene

RECORDED = Path(exchanges.__file__).with_name("8.19.0.json")


def recorded() -> list[dict]:
    return json.loads(RECORDED.read_text())


def test_the_real_node_answers_as_recorded(real_elasticsearch):
    scene = RealScene(real_elasticsearch, exchanges.PREFIX)
    try:
        found = exchanges.run(scene)
    finally:
        scene.clear()
    if os.environ.get("RECORD_CONTRACT"):
        RECORDED.write_text(json.dumps(found, indent=1) + "\n")
    assert found == recorded()


@pytest.fixture(scope="module")
def of_the_fake():
    from tests.fakes.elasticsearch import FakeElasticsearch

    fake = FakeElasticsearch().start()
    yield exchanges.run(FakeScene(fake, exchanges.PREFIX))
    fake.stop()


def test_the_fake_is_asked_the_same(of_the_fake):
    assert [found["request"] for found in of_the_fake] == [wanted["request"] for wanted in recorded()]


@pytest.mark.parametrize("number", range(len(recorded()) if RECORDED.exists() else 0))
def test_the_fake_cannot_lie(of_the_fake, number):
    assert of_the_fake[number] == recorded()[number]
