"""A server's data as an RDB file, and into another server: real ones."""

import io
import shutil
import subprocess

import pytest

from backups.gateways.redis.about import about
from backups.gateways.redis.connection import connect
from backups.gateways.redis.errors import Forbidden
from backups.gateways.redis.preflight import preflight
from backups.gateways.redis.rdb import keys_of, survey_of
from backups.gateways.redis.restore import REPLACE, Restore
from backups.gateways.redis.scan import Scan
from backups.gateways.redis.sync import rdb_by_sync
from tests.gateways.redis.servers import BIG, KEYS, fill

WAYS = {"sync": rdb_by_sync, "scan": lambda access: Scan(access).pieces()}


@pytest.fixture(params=WAYS)
def way(request):
    return WAYS[request.param]


def test_a_restored_server_has_the_same_data(source, target, way):
    content = b"".join(way(source.access))
    outcome = Restore(target.access).run(io.BytesIO(content))

    assert outcome.complete and outcome.functions == 1
    assert target.digest() == source.digest()
    assert dict(outcome.written) == KEYS
    assert target.call("PEXPIRETIME", "expires") == source.call("PEXPIRETIME", "expires")
    assert target.call("FCALL", "one", 0) == 1


def test_redis_itself_finds_the_file_sound(source, way, tmp_path):
    if not shutil.which("redis-check-rdb"):
        pytest.skip("redis-check-rdb is not installed")
    file = tmp_path / "dump.rdb"
    file.write_bytes(b"".join(way(source.access)))
    done = subprocess.run(["redis-check-rdb", file], capture_output=True, text=True)

    assert "RDB looks OK" in done.stdout and "Checksum OK" in done.stdout, done.stdout


def test_a_server_started_on_the_file_has_the_same_data(source, way, redis_server, tmp_path):
    content = b"".join(way(source.access))
    file = tmp_path / "dump.rdb"
    file.write_bytes(content)
    started = redis_server("--enable-debug-command", "local", "--dir", str(tmp_path)).wait()

    assert started.digest() == source.digest()


def test_slices_are_what_dump_answers(source, dump):
    """Strings, listpacks and so on byte for byte; of tables the order may differ."""
    with connect(source.access) as connection:
        for key in keys_of([dump]):
            connection.call("SELECT", key.database)
            answer = connection.call("DUMP", key.name)
            assert (answer[0], len(answer)) == (key.type, len(key.value) + 11), key.name
            if ":" not in key.name.decode(errors="replace") and key.name != b"stream":
                assert answer[1:-10] == key.value, key.name


def test_what_a_file_holds_is_counted(source, dump):
    survey = survey_of([dump])

    assert {number: content.keys for number, content in survey.databases.items()} == KEYS
    assert [content.expires for content in survey.databases.values()] == [1, 1, 1]
    assert survey.biggest > BIG and len(survey.functions) == 1 and survey.memory > BIG


def test_some_databases_and_a_pattern(source):
    survey = survey_of(Scan(source.access, databases=(1, 5), pattern="int:*").pieces())

    assert {number: content.keys for number, content in survey.databases.items()} == {1: 6, 5: 6}
    assert not survey.functions


def test_an_empty_server(target, way):
    survey = survey_of(way(target.access))

    assert (survey.keys, survey.functions) == (0, [])


def test_functions_that_may_not_be_read_are_said(target, user):
    target.call("SET", "key", "value")
    scan = Scan(user("+ping", "+info", "+select", "+scan", "+dump", "+pexpiretime", "~*"))

    survey = survey_of(scan.pieces())

    assert (survey.keys, survey.version) == (1, survey_of(rdb_by_sync(target.access)).version)
    assert [line.split(":")[0] for line in scan.missed] == ["Functions of the server are not in the backup"]


def test_a_server_of_another_version(other, way, redis_server):
    content = b"".join(way(other.access))
    process = redis_server(*other.process.options, binary=other.process.binary)
    outcome = Restore(process.access, REPLACE).run([content])

    assert outcome.complete
    assert process.digest() == other.digest()


def test_from_another_version_what_cannot_be_taken_is_said_before(other, target):
    content = b"".join(rdb_by_sync(other.access))
    said = [finding.message for finding in preflight(target.access, survey_of([content]))]
    outcome = Restore(target.access).run([content])

    assert outcome.refused.total() + outcome.written.total() == survey_of([content]).keys
    assert {line.split(": ", 1)[1].rstrip(".") for line in said} == set(outcome.refused)
    assert outcome.complete is (other.version < "7")


def test_to_another_version_what_cannot_be_taken_is_left_out(other, source, dump):
    outcome = Restore(other.access, REPLACE).run([dump])
    with connect(other.access) as connection:
        newer = about(connection).knows(7, 0)
    fill(other, new=newer)

    assert outcome.complete is newer
    assert outcome.written.total() + sum(n for why, n in outcome.refused.items() if "kind" in why) == sum(
        KEYS.values()
    )


def test_sync_may_be_refused(user):
    with pytest.raises(Forbidden, match="SYNC"):
        b"".join(rdb_by_sync(user("+ping", "+replconf")))


def test_keys_that_go_while_they_are_read(target):
    """Deleted between SCAN and DUMP: a reader far behind the scanner."""
    target.call("MSET", *(word for number in range(2000) for word in (f"key {number}", "x" * 100)))
    pieces = Scan(target.access).pieces()
    begun = [next(pieces) for _ in range(4)]
    target.call("FLUSHALL")

    assert 0 < survey_of([*begun, *pieces]).keys < 2000
