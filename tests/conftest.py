"""Fixtures of every test: the cast, signed-in browsers, and runs worked on in-process."""

import time
from dataclasses import replace

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.core.management.commands import flush
from django.test import Client
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from backups.access.gate import STEPPED_UP_AT
from backups.access.models import User
from backups.accounts.cast import CAST
from backups.audit import triggers
from backups.clusters import connection
from backups.clusters.models import Cluster
from tests.fakes.proxy import Proxy

pytest_plugins = ["tests.conftest_elasticsearch", "tests.conftest_postgres"]

# A machine that is busy fails no test.
hypothesis_settings.register_profile("console", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("console")

PASSWORD = "correct horse battery 9"


@pytest.fixture(autouse=True, scope="session")
def _flush_with_triggers():
    """Transactional tests end with a flush, which the triggers rightly refuse: take them off around it, the only
    place where that is done. Roles and the head of the chain come back by post_migrate."""
    original = flush.Command.handle

    def handle(self, **options):
        triggers.remove()
        try:
            return original(self, **options)
        finally:
            triggers.install()

    flush.Command.handle = handle
    yield
    flush.Command.handle = original


@pytest.fixture(autouse=True)
def _checkpoints_of_its_own(settings, tmp_path):
    """A checkpoint vouches for entries of one database; each test begins with an empty one."""
    settings.CHECKPOINTS_DIR = tmp_path / "checkpoints"


@pytest.fixture
def cast(db) -> dict[str, User]:
    """One person for every role and a second approver, by name."""
    people = User.objects.bulk_create(
        User(username=username, password=make_password(PASSWORD), name=name) for username, name, _ in CAST
    )
    groups, has = {group.name: group for group in Group.objects.all()}, User.groups.through
    has.objects.bulk_create(
        has(user=person, group=groups[role])
        for person, (_, _, roles) in zip(people, CAST, strict=True)
        for role in roles
    )
    return {person.username: person for person in people}


@pytest.fixture
def as_person(cast):
    """``as_person("operator")`` is a browser in which that person signed in a moment ago."""

    def sign_in(username: str) -> Client:
        client = Client()
        client.force_login(cast[username])
        session = client.session
        session[STEPPED_UP_AT] = time.time()
        session.save()
        return client

    return sign_in


@pytest.fixture
def run_until_over():
    """Do every turn of a run in this process, without waiting for what the turns would like to wait for."""
    from backups.runs import advance
    from backups.runs.models import Run
    from backups.worker.kinds import KINDS

    def work(run: Run, turns: int = 60) -> Run:
        for _ in range(turns):
            Run.objects.filter(pk=run.pk).update(next_at=None)
            advance(run.pk, KINDS)
            run.refresh_from_db()
            if run.is_over:
                return run
        raise AssertionError(f"{run} is still {run.state} after {turns} turns, at step {run.step}")

    return work


@pytest.fixture
def proxy(fake, cluster, settings, tmp_path, monkeypatch):
    """Between the console, which waits a second for an answer, and the fake that the test's package connects to."""
    settings.CA_DIR = tmp_path
    opened = connection._access
    monkeypatch.setattr(connection, "_access", lambda *given, **more: replace(opened(*given, **more), patience=1.0))
    with Proxy(fake.url, "") as proxy:
        (tmp_path / "proxy.pem").write_text(proxy.ca_pem)
        Cluster.objects.filter(pk=cluster.pk).update(addresses=[proxy.url], ca_file="proxy.pem")
        yield proxy
