"""A location, a tree worth keeping, and a profile of it."""

import gzip
import json
import os

import pytest
from django.conf import settings

from backups.archives import cybersift_restore as reader
from backups.archives.format import fast
from backups.archives.models import ArchiveLocation, ArchiveProfile

from . import restoring


@pytest.fixture(params=["portable", "fast"])
def hands(request, monkeypatch):
    """Both readers: whatever is refused, is refused by both."""
    chosen = reader.Hands() if request.param == "portable" else reader.Hands(fast.verify, fast.extract)
    monkeypatch.setattr(restoring, "HANDS", chosen)


@pytest.fixture
def tree(tmp_path):
    """Weights, hyperparameters and a flow."""
    root = tmp_path / "opt"
    (root / "models/detector").mkdir(parents=True)
    (root / "models/detector/weights.bin").write_bytes(os.urandom(3 << 20))
    (root / "models/cache").mkdir()
    (root / "models/cache/old.tmp").write_bytes(b"old")
    (root / "params").mkdir()
    for number in range(120):
        (root / f"params/p{number}.json").write_text(json.dumps({"rate": number}))
    (root / "nifi").mkdir()
    (root / "nifi/flow.json.gz").write_bytes(gzip.compress(b'{"rootGroup": {}}'))
    return root


@pytest.fixture
def location(tmp_path, db):
    folder = tmp_path / "archives"
    folder.mkdir()
    return ArchiveLocation.objects.create(name="local", host=settings.WORKER_HOST, path=str(folder))


@pytest.fixture
def profile(location, tree):
    sources = [
        {"name": "models", "path": str(tree / "models"), "include": [], "exclude": ["cache/"]},
        {"name": "params", "path": str(tree / "params"), "include": [], "exclude": []},
    ]
    return ArchiveProfile.objects.create(name="files", location=location, sources=sources)
