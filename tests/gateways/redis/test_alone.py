"""The one file alone restores Redis data to running servers: the same keys as the console, under the same rules."""

import contextlib
import json
import random
from pathlib import Path

import pytest

from backups.archives import cybersift_restore as reader
from backups.gateways.redis.crc64 import crc64
from backups.gateways.redis.rdb import keys_of, survey_of
from backups.gateways.redis.sync import rdb_by_sync
from deploy.sandbox import certificates
from deploy.sandbox.packages import Missing
from deploy.sandbox.redis_wheels import redis_server as other_version

from .alone import archive_of, restore, restored, run, url
from .samples import STRING, rdb, records
from .servers import DEBUG, KEYS, Server

PLAIN = rdb(b"\xfe\x00" + b"".join(b"\x00\x01%c" % name + STRING for name in b"abc"), b"REDIS0009")
TWO = rdb(b"\xfe\x00\x00\x01a" + STRING + b"\xfe\x01\x00\x01b" + STRING, b"REDIS0009")
TEXT = b"some text"


@pytest.fixture
def plain(tmp_path) -> str:
    return archive_of(tmp_path, PLAIN)


@pytest.fixture(scope="session", params=["6.2.5", "7.0.15", "8.2.3"])
def any_version(request, redis_server) -> Server:
    try:
        binary = "" if request.param == "7.0.15" else other_version(request.param)
    except Missing as missing:
        pytest.skip(str(missing))
    server = redis_server(*(DEBUG if request.param >= "7" else ()), binary=binary)
    server.version = request.param
    return server


@pytest.mark.parametrize("step", [1, 3, 50_000, 1 << 22])
def test_it_cuts_every_kind_of_value_as_the_console_does(step):
    data = rdb(records())
    pieces = (data[at : at + step] for at in range(0, len(data), step))
    alone = reader.Rdb(pieces)
    found = [(key.database, key.name, key.type, key.expires, bytes(key.value)) for key in alone]

    assert found == [(*key[:4], bytes(key.value)) for key in keys_of([data])]
    survey = survey_of([data])
    assert (alone.functions, alone.module_notes) == (survey.functions, survey.module_records)
    assert (alone.memory, alone.biggest) == (survey.memory, survey.biggest)


@pytest.mark.parametrize("size", [0, 1, 2, 9, 4096, 8192, 8193, 9000, 100_001, (1 << 20) + 5])
@pytest.mark.parametrize("before", [0, 0x123456789ABCDEF0])
def test_its_checksum_is_that_of_redis(size, before):
    data = random.Random(size).randbytes(size)

    assert reader.crc64(data, before) == crc64(data, before)


@pytest.mark.parametrize("cut", [3, 8, 20, 2000, -1, -9])
def test_data_that_ends_too_early_is_damaged(cut):
    with pytest.raises(reader.Damaged):
        list(reader.Rdb([rdb(records())[:cut]]))


def test_whatever_the_data_is_it_is_read_or_damaged():
    chance, whole = random.Random(5), rdb(records())[:2500]
    for _ in range(2000):
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(9, len(data))] = chance.choice(
                (0, 0x40, 0x80, 0x81, 0xC3, 0xFF, chance.randrange(256))
            )
        with contextlib.suppress(reader.Damaged):
            for key in reader.Rdb([bytes(data)]):
                assert key.type in reader.RDB_KINDS


def test_all_types_databases_expiries_and_functions(any_version, source, dump, tmp_path):
    """7.0 knows kinds that 6.2 does not: they are named before anything is written."""
    any_version.call("FLUSHALL")
    path, total = archive_of(tmp_path, dump), sum(KEYS.values())
    if any_version.version >= "7":
        done = restored(path, url(any_version))
        assert (sum(done["written"].values()), done["functions"]) == (total, 1)
        assert any_version.version > "8" or any_version.digest() == source.digest()
        assert any_version.call("FCALL", "one", 0) == 1
    else:
        refused = run(path, url(any_version))
        assert refused.returncode == 3 and "does not know this kind: hash (listpack)" in refused.stderr
        assert any_version.call("DBSIZE") == 0
        done = restored(path, url(any_version), "--partial")
        assert sum(done["written"].values()) + sum(done["unfit"].values()) == total
        assert "libraries of functions are left out" in done["notes"][0]
    compare(source, any_version)


def compare(source: Server, target: Server) -> None:
    """Every key that is there is that of the source, to the value and the expiry."""
    for database in KEYS:
        names = target.call("KEYS", "*", database=database)
        assert names
        for name in names:
            assert value_of(target, database, name) == value_of(source, database, name)
        left = target.call("PTTL", "expires", database=database)
        assert abs(left - source.call("PTTL", "expires", database=database)) < 60_000


def value_of(server: Server, database: int, name: bytes) -> tuple:
    """Its type and its digest; 8.2 writes scores into the digest with fewer digits, so of those the numbers."""
    kind = server.call("TYPE", name, database=database)
    if kind != b"zset":
        return kind, server.call("DEBUG", "DIGEST-VALUE", name, database=database)
    pairs = server.call("ZRANGE", name, 0, -1, "WITHSCORES", database=database)
    return kind, pairs[::2], [float(score) for score in pairs[1::2]]


@pytest.mark.parametrize("mode", ["--merge", "--replace"])
def test_a_newer_server_s_data_comes_back_to_one_of_its_kind(other, redis_server, tmp_path, mode):
    twin = redis_server(*(DEBUG if other.version >= "7" else ()), binary=other_version(other.version))
    path = archive_of(tmp_path, b"".join(rdb_by_sync(other.access)))
    restored(path, url(twin), mode)
    first = twin.digest()
    again = restored(path, url(twin), mode)

    assert first == twin.digest() == other.digest()
    assert again["existing"] == (sum(KEYS.values()) if mode == "--merge" else 0)


def test_only_an_empty_server_unless_asked_otherwise(plain, target):
    target.call("SET", "z", "mine", database=3)
    done = run(plain, url(target), "--json")

    assert done.returncode == 4
    assert "1 keys in database 3" in json.loads(done.stdout)["error"]
    assert target.call("DBSIZE") == 0


def test_merge_leaves_and_replace_overwrites(plain, target):
    target.call("MSET", "a", "live", "z", "other")

    assert restored(plain, url(target), "--merge")["existing"] == 1
    assert target.call("MGET", "a", "b", "z") == [b"live", TEXT, b"other"]
    assert restored(plain, url(target), "--replace")["written"] == {"0": 3}
    assert target.call("MGET", "a", "b", "z") == [TEXT, TEXT, b"other"]


def test_databases_and_names_can_be_chosen(tmp_path, target):
    path = archive_of(tmp_path, TWO)

    assert restored(path, url(target), "--db", "1")["left_out"] == 1
    assert restored(path, url(target), "--merge", "--only", "[a]")["written"] == {"0": 1}


def test_databases_are_exchanged_at_one_stroke(tmp_path, target):
    path = archive_of(tmp_path, TWO)
    for database in (0, 1):
        target.call("SET", "z", "live", database=database)
    done = restored(path, url(target), "--spare", "0=8", "--spare", "1=9")

    assert done["swapped"] == {"0": 8, "1": 9}
    assert [target.call("KEYS", "*", database=number) for number in (0, 1, 8, 9)] == [[b"a"], [b"b"], [b"z"], [b"z"]]
    refused = run(path, url(target), "--spare", "0=8")
    assert refused.returncode == 4 and "Database 8 is not empty" in refused.stderr


@pytest.mark.parametrize("spare", [["0=0"], ["0=8", "1=8"], ["0=1", "1=0"]])
def test_databases_that_are_not_spare(spare, plain, target):
    done = run(plain, url(target), *(word for each in spare for word in ("--spare", each)))

    assert (done.returncode, target.call("DBSIZE")) == (3, 0)


def test_nothing_is_exchanged_when_a_key_could_not_be_written(tmp_path, target):
    target.call("SET", "a", "live")
    path = archive_of(tmp_path, rdb(b"\x10\x01x" + STRING + b"\x00\x01b" + STRING, b"REDIS0010"))
    done = run(path, url(target), "--spare", "0=9")

    assert done.returncode == 3 and "nothing was swapped" in done.stderr
    assert target.call("KEYS", "*") == [b"a"]


def test_a_dry_run_writes_nothing(plain, target):
    done = run(plain, url(target), "--dry-run")

    assert (done.returncode, done.stdout) == (0, "3 keys would be written\n")
    assert target.call("DBSIZE") == 0


def test_a_key_whose_time_is_over_does_not_delete_the_live_one(tmp_path, target):
    path = archive_of(tmp_path, rdb(b"\xfc\x01" + bytes(7) + b"\x00\x01a" + STRING))
    target.call("SET", "a", "live")

    assert restored(path, url(target), "--replace")["expired"] == 1
    assert target.call("GET", "a") == b"live"


def test_a_value_that_the_server_cannot_read_is_named_and_the_rest_goes_on(tmp_path, target):
    path = archive_of(tmp_path, rdb(b"\x10\x01x" + STRING + b"\x00\x01a" + STRING, b"REDIS0010"))
    done = run(path, url(target))

    assert done.returncode == 3 and "left out: database 0, x: the server cannot read it" in done.stderr
    assert done.stdout == "1 keys written, 1 could not be taken\n"


@pytest.mark.parametrize("place", [9 + 5, -3, -20])
def test_damaged_data_is_not_written_at_all(place, tmp_path, target):
    """The archive's own checksums are right here: it holds what was damaged before."""
    data = bytearray(PLAIN)
    data[place] ^= 4

    with pytest.raises(reader.Damaged):
        restore(archive_of(tmp_path, bytes(data)), target)
    assert target.call("DBSIZE") == 0


def test_a_damaged_archive_is_not_written_at_all(tmp_path, target, dump):
    path = archive_of(tmp_path, dump)
    with Path(path).open("r+b") as file:
        file.seek(2 << 20)
        file.write(b"damage")

    assert run(path, url(target)).returncode == 1
    assert target.call("DBSIZE") == 0


def test_a_password_is_used_and_never_shown(plain, target, user, tmp_path):
    user("+@all", "~*")
    where = url(target, "backup@")
    (tmp_path / "password").write_text("secret word\n")

    assert run(plain, where, "--password-file", str(tmp_path / "password")).returncode == 0
    assert run(plain, where, "--merge", password="secret word").returncode == 0
    assert run(plain, url(target, "backup:secret%20word@"), "--merge").returncode == 0
    for done in (
        run(plain, where, "--merge", password="wrong word"),
        run(plain, url(target, "backup:wrong%20word@").replace("redis:", "http:")),
        run(plain, "redis://backup:wrong%20word@127.0.0.1:1"),
    ):
        assert done.returncode == 3 and "wrong" not in done.stdout + done.stderr


def test_a_user_who_may_not(plain, target, user):
    user("+info", "+select", "+ping", "~*")
    done = run(plain, url(target, "backup@"), password="secret word")

    assert (done.returncode, done.stderr) == (3, "The Redis user may not use RESTORE.\n")


def test_by_a_socket(plain, redis_server, tmp_path):
    server = redis_server("--unixsocket", str(tmp_path / "s"), "--requirepass", "secret")

    assert run(plain, f"unix://{tmp_path}/s", password="secret").stdout == "3 keys written\n"
    assert run(plain, url(server)).stderr.startswith("Redis wants a password")


def test_with_tls(plain, redis_server, tmp_path):
    authority = certificates.make()
    server = redis_server("--requirepass", "secret", tls=authority)
    (tmp_path / "ca.pem").write_text(authority.ca, encoding="ascii")
    where = url(server).replace("redis:", "rediss:")

    assert run(plain, where, "--tls-ca", str(tmp_path / "ca.pem"), password="secret").stdout == "3 keys written\n"
    assert "certificate" in run(plain, where, password="secret").stderr.lower()
    assert run(plain, url(server), password="secret").returncode == 3


def test_a_password_where_none_is_set(plain, target):
    assert run(plain, url(target), password="secret").stderr.startswith("A password was given")


def test_a_replica_takes_no_writes(plain, redis_server, target):
    replica = redis_server("--replicaof", "127.0.0.1", str(target.process.port)).wait()

    assert run(plain, url(replica)).stderr.startswith("This server is a replica")


def test_too_big_for_the_server_is_said_before(dump, target, tmp_path):
    target.call("CONFIG", "SET", "proto-max-bulk-len", str(2 << 20))
    done = run(archive_of(tmp_path, dump), url(target))

    assert done.returncode == 3 and "proto-max-bulk-len" in done.stderr
    assert target.call("DBSIZE") == 0


def test_a_server_that_would_throw_keys_away(tmp_path, target):
    path = archive_of(
        tmp_path, rdb(b"\xfa\x08used-mem\xc2" + (1 << 30).to_bytes(4, "little") + b"\x00\x01a" + STRING)
    )
    target.call("CONFIG", "SET", "maxmemory", "500mb")
    assert "may not fit" in run(path, url(target), "--dry-run").stderr
    target.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")

    assert run(path, url(target)).returncode == 3
    assert target.call("DBSIZE") == 0


def test_what_is_no_redis(plain, tmp_path, target):
    tar = tmp_path / "foreign.tar"
    tar.write_bytes(bytes(10240))
    empty = archive_of(tmp_path, PLAIN, "other.tar.gz", codec="gz")

    assert "connection" in run(plain, "redis://127.0.0.1:1").stderr.lower()
    assert "Say with --name" in run(empty, url(target), "--name", "other").stderr
    assert "not the console's" in run(str(tar), url(target)).stderr
    for bad in ("127.0.0.1:6379", "redis://host/5", "unix://socket", "redis://host:many"):
        assert run(plain, bad).stderr == reader.NO_URL + "\n"
