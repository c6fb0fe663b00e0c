"""``scene`` is the fake and the real Elasticsearch in turn."""

import pytest
from hypothesis import HealthCheck, settings

from tests.gateways.scenes import FakeScene, RealScene

# A busy machine is no error of the code under test.
settings.register_profile("console", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("console")


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
