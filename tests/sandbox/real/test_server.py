"""A real server: its users, its certificate, and that it ends with whoever started it."""

import base64
import datetime as dt
import json
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from deploy.sandbox import elasticsearch, seed
from tests.sandbox.eventually import eventually, running

PARENT = """
import sys, time
from pathlib import Path
from deploy.sandbox import elasticsearch
server = elasticsearch.start(Path(sys.argv[1]))
server.wait_ready()
print(server.url, flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Used by a server whose parent is killed, and then by the server of the other tests."""
    return tmp_path_factory.mktemp("elasticsearch")


@pytest.fixture(scope="module")
def killed(home):
    """The address of a server whose parent was killed, and the certificate that it had."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT, home], stdout=subprocess.PIPE, text=True)
    url = parent.stdout.readline().strip()
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    return url, (home / "config/certs/ca.pem").read_text()


@pytest.fixture(scope="module")
def server(home, killed):
    started = elasticsearch.start(home)
    try:
        started.wait_ready()
        yield started
    finally:
        started.stop()


def ask(server, user, method: str, path: str, body: dict | None = None, host: str = "127.0.0.1") -> int:
    """The status that the server answers with."""
    token = base64.b64encode(":".join(user).encode()).decode()
    headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
    data = json.dumps(body).encode() if body is not None else None
    url = server.url.replace("127.0.0.1", host) + path
    trusted = urllib.request.HTTPSHandler(context=ssl.create_default_context(cadata=server.ca_pem))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), trusted)
    call = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 https only
    try:
        with opener.open(call, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_a_killed_parent_leaves_no_server(home, killed):
    eventually(lambda: not running(str(home)))


def test_the_same_home_serves_again_with_what_it_had(server, killed):
    url, certificate = killed

    assert server.ca_pem == certificate
    assert server.url.startswith("https://127.0.0.1:")
    assert ask(server, server.everyday, "GET", "/_cluster/health") == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_certificate_is_good_for_both_names(server, host):
    assert ask(server, server.everyday, "GET", "/_cluster/health", host=host) == 200


def test_nobody_gets_in_without_a_password(server):
    assert ask(server, ("everyday", "wrong"), "GET", "/_cluster/health") == 401


def test_everyday_makes_snapshots_and_nothing_else(server):
    location = {"type": "fs", "settings": {"location": str(server.path_repo / "everyday")}}
    assert ask(server, server.everyday, "PUT", "/_snapshot/everyday", location) == 403
    assert ask(server, server.restricted, "PUT", "/_snapshot/everyday", location) == 200

    assert ask(server, server.everyday, "PUT", "/_snapshot/everyday/one?wait_for_completion=true", {}) == 200
    assert ask(server, server.everyday, "GET", "/_snapshot/everyday/one") == 200
    assert ask(server, server.everyday, "DELETE", "/_snapshot/everyday/one") == 403
    assert ask(server, server.everyday, "POST", "/_snapshot/everyday/one/_restore", {}) == 403
    assert ask(server, server.restricted, "DELETE", "/_snapshot/everyday/one") == 200


def test_the_events_are_filled_in_once_and_an_interrupted_try_is_gone_on_with(server, monkeypatch):
    today = dt.date(2026, 11, 24)
    said = []
    monkeypatch.setattr(seed, "PER_DAY", (40, 50, 60))
    with monkeypatch.context() as interrupted:
        interrupted.setattr(seed, "_fill", stop_after(seed._fill, 2))
        with pytest.raises(KeyboardInterrupt):
            seed.seed(server, today, said.append)

    seed.seed(server, today + dt.timedelta(days=1), said.append)
    seed.seed(server, today + dt.timedelta(days=1), said.append)

    assert len(said) == 2
    found = server.request("GET", f"/{seed.ALIAS}/_count")
    assert found["count"] == 150
    assert sorted(server.request("GET", f"/_alias/{seed.ALIAS}")) == [
        "cybersift-events-2026.11.21",
        "cybersift-events-2026.11.22",
        "cybersift-events-2026.11.23",
    ]


def stop_after(function, calls: int):
    left = iter(range(calls))

    def called(*args):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return function(*args)

    return called
