"""Redis servers as sources: saved, tested, and read into an archive, against a real server."""

import json
import os
import subprocess
import time

import pytest
import redis
from django.conf import settings
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from backups.archives import cybersift_restore as reader
from backups.archives.models import Archive, ArchiveState, CheckState, RedisServer
from backups.archives.redis import addresses
from backups.archives.redis.services import MOVED, save_server
from backups.archives.services import ArchiveRefused, queue_archive, queue_compare
from backups.audit.models import AuditEntry
from backups.runs.models import CHECK, Run, RunState
from backups.runs.services import beat
from deploy.sandbox import packages, redis_data
from deploy.sandbox.redis import Redis
from tests.turns import work

SECRET = "sesame-open-7"

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def sandbox_redis(tmp_path_factory):
    """A server with data of every type, and a user who may read."""
    try:
        server = redis_data.Sandbox(tmp_path_factory.mktemp("redis"), print)
    except packages.Missing as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(f"Redis could not be had: {missing}", pytrace=False)
        pytest.skip(f"Redis: {missing}")
    yield server
    server.stop()


def saved(sandbox_redis, **options) -> RedisServer:
    given = {
        "name": "state",
        "host": settings.WORKER_HOST,
        "address": sandbox_redis.address,
        "username": sandbox_redis.user,
    }
    return save_server(actor=None, **given | {"password": sandbox_redis.password} | options)


def checked(server: RedisServer) -> dict:
    run = work(Run.objects.filter(kind=CHECK, params__server=server.pk).latest("pk"))
    server.refresh_from_db()
    return run.result


def test_a_good_test_puts_the_password_to_use(sandbox_redis):
    server = saved(sandbox_redis)
    assert (server.sealed, server.state) == ("", CheckState.UNCHECKED)
    assert sandbox_redis.password not in server.new_sealed

    result = checked(server)

    assert result["state"] == "good" and result["title"] == "Both ways work"
    assert "20,200 keys in 3 databases" in result["text"]
    assert (server.username, server.new_sealed, server.state) == (sandbox_redis.user, "", CheckState.GOOD)
    assert server.sealed and server.key_count == 20_200
    actions = list(AuditEntry.objects.order_by("seq").values_list("action", flat=True))
    assert actions == ["redis.added", "credential.saved", "credential.promoted"]


def test_a_wrong_password_is_refused_and_the_good_one_stays(sandbox_redis):
    server = saved(sandbox_redis)
    checked(server)
    good = server.sealed
    server = saved(sandbox_redis, server=server, password="wrong")

    result = checked(server)

    assert result["state"] == "bad"
    assert (server.sealed, server.new_sealed) == (good, "")
    assert AuditEntry.objects.filter(action="credential.refused").exists()


def test_the_rights_that_are_missing_are_named_with_the_line_that_gives_them(sandbox_redis):
    admin = redis.Redis(port=sandbox_redis.port)
    admin.execute_command("ACL", "SETUSER", "poor", "reset", "on", f">{SECRET}", "+ping", "+info")
    server = saved(sandbox_redis, username="poor", password=SECRET)

    result = checked(server)

    assert result["state"] == "bad"
    assert "+sync" in json.dumps(result["lines"])
    assert result["acl"].startswith("ACL SETUSER poor on >PASSWORD")
    admin.execute_command(*result["acl"].replace(">PASSWORD", f">{SECRET}").split())
    saved(sandbox_redis, server=server, username="poor", password=SECRET)
    assert checked(server)["title"] == "Both ways work"


def test_a_user_who_may_do_too_much_is_warned_of_and_nothing_is_flushed(sandbox_redis):
    server = saved(sandbox_redis, username="", password="")

    result = checked(server)

    assert result["state"] == "good"
    assert "FLUSHDB" in json.dumps(result["lines"]) and "No password is needed" in json.dumps(result["lines"])
    assert redis.Redis(port=sandbox_redis.port).dbsize() == 16_000


def test_nothing_listens(sandbox_redis):
    server = saved(sandbox_redis, address="127.0.0.1:1")

    assert "Nothing listens at 127.0.0.1:1" in checked(server)["text"]
    assert server.state == CheckState.BAD


@pytest.mark.parametrize(("mode", "consistent"), [("rdb", True), ("scan", False)])
def test_its_data_goes_into_an_archive_counted(sandbox_redis, profile, cast, mode, consistent, tmp_path):
    server = saved(sandbox_redis, mode=mode)
    checked(server)
    profile.redis.add(server)

    run = work(queue_archive(actor=cast["operator"], profile=profile))

    assert run.state == RunState.SUCCEEDED, run.error
    archive = Archive.objects.get()
    assert (archive.state, archive.keys) == (ArchiveState.VERIFIED, 20_200)
    (kept,) = archive.redis
    assert (kept["name"], kept["consistent"], kept["keys"]) == (
        "state",
        consistent,
        {"0": 16_000, "1": 4_000, "2": 200},
    )
    assert set(kept["types"]["0"]) == {"string", "list", "set", "sorted set", "hash", "stream"}
    with reader.open_archive(str(archive.path)) as opened:
        reader.extract(opened, str(tmp_path / "out"))
    again = Redis(options=["--dir", str(tmp_path / "out/redis/state"), "--dbfilename", "dump.rdb"])
    try:
        assert redis.Redis(port=again.port).dbsize() == 16_000
    finally:
        again.stop()


def test_a_user_without_sync_is_read_key_by_key_and_that_is_said(sandbox_redis, profile, cast):
    admin = redis.Redis(port=sandbox_redis.port)
    rights = ["+ping", "+info", "+select", "+scan", "+dump", "+pttl", "+pexpiretime", "+function|dump"]
    admin.execute_command("ACL", "SETUSER", "reader", "reset", "on", f">{SECRET}", "~*", *rights)
    server = saved(sandbox_redis, username="reader", password=SECRET)
    checked(server)
    profile.redis.add(server)

    run = work(queue_archive(actor=cast["operator"], profile=profile))

    assert run.state == RunState.SUCCEEDED, run.error
    assert "read key by key" in "\n".join(run.log.values_list("text", flat=True))
    assert Archive.objects.get().redis[0]["mode"] == "scan"


def test_a_server_that_is_away_leaves_no_archive(sandbox_redis, profile, cast, location):
    server = saved(sandbox_redis)
    checked(server)
    RedisServer.objects.filter(pk=server.pk).update(address="127.0.0.1:1")
    profile.redis.add(server)

    run = work(queue_archive(actor=cast["operator"], profile=profile))

    assert run.state == RunState.FAILED
    assert "Redis server state: Nothing listens" in run.error
    assert list(location.directory.iterdir()) == []


def test_a_group_of_sentinels_leads_to_a_replica(sandbox_redis, tmp_path):
    replica = Redis(folder=tmp_path, options=["--replicaof", "127.0.0.1", str(sandbox_redis.port)])
    configuration = tmp_path / "sentinel.conf"
    with_port = Redis(options=[])  # only for a free port
    with_port.stop()
    configuration.write_text(
        f"port {with_port.port}\nbind 127.0.0.1\nsentinel monitor soc 127.0.0.1 {sandbox_redis.port} 1\n"
    )
    sentinel = subprocess.Popen(
        [sandbox_redis.binary, str(configuration), "--sentinel"],
        stdout=subprocess.DEVNULL,
        cwd=tmp_path,
        env=os.environ,
    )
    try:
        server = saved(
            sandbox_redis, username="", password="", address=f"127.0.0.1:{with_port.port}", sentinel_master="soc"
        )
        end = time.monotonic() + 60
        while checked(server)["text"].find("replica") < 0 and time.monotonic() < end:
            saved(
                sandbox_redis, server=server, username="", password="", address=server.address, sentinel_master="soc"
            )
        assert server.state == CheckState.GOOD and server.facts["role"] == "replica"
    finally:
        sentinel.kill()
        sentinel.wait()
        replica.stop()


# --- without a server ---------------------------------------------------------------------------------------------


def test_a_moved_address_asks_for_the_password_again(db):
    server = save_server(
        actor=None, name="s", host=settings.WORKER_HOST, address="127.0.0.1:6379", username="u", password=SECRET
    )
    RedisServer.objects.filter(pk=server.pk).update(sealed=server.new_sealed, username="u", new_sealed="")

    with pytest.raises(ArchiveRefused) as refused:
        save_server(
            actor=None, server=server, name="s", host=settings.WORKER_HOST, address="10.0.0.9:6379", username="u"
        )
    assert str(refused.value) == MOVED


def test_the_password_is_nowhere(as_person, db):
    client = as_person("administrator")
    form = {"name": "s", "host": settings.WORKER_HOST, "address": "127.0.0.1:6379", "mode": "rdb", "username": "u"}

    beat(timezone.now())
    answer = client.post(reverse("archives:redis_add"), form | {"password": SECRET})
    server = RedisServer.objects.get()
    assert answer["Location"] == server.get_absolute_url()

    pages = [
        client.get(reverse(name, args=[server.pk])).content.decode()
        for name in ("archives:redis", "archives:redis_change")
    ]
    rows = [str(values) for model in (AuditEntry, Run, RedisServer) for values in model.objects.values_list()]
    assert not [text for text in pages + rows if SECRET in text]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("127.0.0.1", "127.0.0.1:6379"),
        (" redis-1.example.org:7000 ", "redis-1.example.org:7000"),
        ("[::1]:6380", "[::1]:6380"),
        ("/run/redis/redis.sock", "/run/redis/redis.sock"),
    ],
)
def test_addresses_are_kept_in_one_form(text, kept):
    assert addresses.clean(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a b",
        "http://x:6379",
        "169.254.169.254:6379",
        "host:99999",
        "host:x",
        "/run/../etc/x",
        "user@host:1",
        "[fe80::1]:6379",
    ],
)
def test_addresses_that_cannot_be_are_refused(text):
    with pytest.raises(addresses.BadAddress):
        addresses.clean(text)


def test_the_command_restores_it_into_a_server_without_keys_only(
    sandbox_redis, profile, cast, capsys, monkeypatch, tmp_path
):
    server = saved(sandbox_redis)
    checked(server)
    profile.redis.add(server)
    work(queue_archive(actor=cast["operator"], profile=profile))
    path, empty = Archive.objects.get().path, Redis(folder=tmp_path, options=["--requirepass", SECRET])
    monkeypatch.setenv("REDIS_PASSWORD", SECRET)
    words = ["-o", "restore", "-p", str(path), "--redis", f"redis://127.0.0.1:{empty.port}"]
    try:
        assert ended(*words) == 0
        assert "restored: 20,200 keys to 127.0.0.1" in capsys.readouterr().out
        assert redis.Redis(port=empty.port, password=SECRET).dbsize() == 16_000

        assert ended(*words, "--to", str(tmp_path / "files")) == 4
        assert "The target is not empty. Nothing was changed." in capsys.readouterr().err
        assert not (tmp_path / "files").exists()
        assert ended(*words, "--name", "other") == 3
        assert ended(*words, "--only", "a*") == 2
    finally:
        empty.stop()
    actions = list(
        AuditEntry.objects.filter(action__startswith="redis.re").order_by("seq").values_list("action", flat=True)
    )
    assert actions == [
        "redis.restore_started",
        "redis.restored",
        *["redis.restore_started", "redis.restore_failed"] * 2,
    ]
    assert not [row for row in AuditEntry.objects.values_list() if SECRET in str(row)]


def test_an_archive_is_compared_with_what_the_server_holds_now(sandbox_redis, profile, cast, as_person):
    server = saved(sandbox_redis)
    checked(server)
    profile.redis.add(server)
    work(queue_archive(actor=cast["operator"], profile=profile))
    archive, client = Archive.objects.get(), redis.Redis(port=sandbox_redis.port)
    client.set("new key", "new")
    try:
        run = work(queue_compare(archive, actor=cast["operator"]))
    finally:
        client.delete("new key")

    counts = next(each for each in run.result["sources"] if each["name"] == server.name)
    assert run.state == RunState.SUCCEEDED
    assert (counts["changed"], counts["only_archive"], counts["only_there"]) == (0, 0, 1)
    assert counts["same"] + counts["expired"] == 20_200
    assert f"Only there: redis/{server.name}/0/new key" in "\n".join(run.log.values_list("text", flat=True))
    assert "Only there" in as_person("operator").get(archive.get_absolute_url()).content.decode()

    server.delete()
    run = work(queue_compare(archive, actor=cast["operator"]))
    assert (run.state, run.error) == (RunState.PARTIAL, f"Not compared: {server.name}.")


def ended(*words: str) -> int:
    """The exit status of the command."""
    with pytest.raises(SystemExit) as left:
        call_command("backup_restore", *words)
    return left.value.code


def test_another_user_without_a_password_leaves_an_entry(db):
    given = {"actor": None, "name": "s", "host": settings.WORKER_HOST, "address": "127.0.0.1:6379"}
    server = save_server(**given, username="one", password="")

    save_server(**given, username="two", server=server)

    server.refresh_from_db()
    assert server.username == "two"
    change = json.loads(AuditEntry.objects.get(action="redis.changed").text)["change"]
    assert change["user"] == {"before": "one", "after": "two"}
