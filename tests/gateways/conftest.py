"""``scene`` is the fake and the real Elasticsearch in turn."""

import pytest

from tests.gateways.scenes import FakeScene, RealScene


@pytest.fixture
def fake_scene(fake_elasticsearch):
    return FakeScene(fake_elasticsearch)


@pytest.fixture
def real_scene(real_elasticsearch):
    scene = RealScene(real_elasticsearch)
    yield scene
    scene.clear()


@pytest.fixture(params=["fake", "real"])
def scene(request):
    return request.getfixturevalue(f"{request.param}_scene")
