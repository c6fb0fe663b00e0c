"""Merge, replace, spare database, dry run; and what is found before anything is written."""

import io
import random

import pytest

from backups.gateways.redis.errors import Answered, CutOff, Forbidden, Full, RdbDamaged, ReadOnly, RestoreRefused
from backups.gateways.redis.preflight import preflight
from backups.gateways.redis.rdb import survey_of
from backups.gateways.redis.restore import BAD_FORMAT, MERGE, REPLACE, Restore
from backups.gateways.redis.spare import SpareRestore, clear
from backups.gateways.redis.sync import rdb_by_sync
from tests.gateways.redis.samples import STRING, rdb
from tests.gateways.redis.servers import KEYS

PLAIN = rdb(b"\xfe\x00" + b"".join(b"\x00\x01%c" % name + STRING for name in b"abc"), b"REDIS0009")
"""Keys a, b and c with one text."""
TEXT = b"some text"


def stopping(findings) -> list[str]:
    return [finding.message for finding in findings if finding.stops]


def test_merge_leaves_what_is_there(target):
    target.call("SET", "a", "live")
    outcome = Restore(target.access, MERGE).run([PLAIN])

    assert (outcome.written, outcome.existing) == ({0: 2}, {0: 1})
    assert target.call("MGET", "a", "b", "c") == [b"live", TEXT, TEXT]


def test_replace_overwrites_and_removes_nothing(target):
    target.call("MSET", "a", "live", "z", "other")
    outcome = Restore(target.access, REPLACE).run([PLAIN])

    assert (outcome.written, outcome.existing) == ({0: 3}, {})
    assert target.call("MGET", "a", "z") == [TEXT, b"other"]


@pytest.mark.parametrize(
    ("mode", "written", "overwritten", "existing"), [(MERGE, {0: 2}, {}, {0: 1}), (REPLACE, {0: 3}, {0: 1}, {})]
)
def test_a_dry_run_counts_and_writes_nothing(target, mode, written, overwritten, existing):
    target.call("SET", "a", "live")
    before = target.digest()
    outcome = Restore(target.access, mode, dry_run=True).run([PLAIN])

    assert (outcome.written, outcome.overwritten, outcome.existing) == (written, overwritten, existing)
    assert target.digest() == before


def test_a_dry_run_needs_no_right_to_write(target, user):
    outcome = Restore(user("+ping", "+info", "+select", "+exists", "~*"), dry_run=True).run([PLAIN])

    assert outcome.written == {0: 3}


def test_into_another_database(target, dump):
    outcome = Restore(target.access, into={1: 7}).run([dump])

    assert (outcome.written, outcome.left_out) == ({7: KEYS[1]}, KEYS[0] + KEYS[5])
    assert target.call("DBSIZE", database=7) == KEYS[1]


def test_a_key_whose_time_is_over_does_not_delete_the_live_one(target):
    target.call("SET", "a", "live")
    outcome = Restore(target.access, REPLACE).run([rdb(b"\xfc\x01" + bytes(7) + b"\x00\x01a" + STRING)])

    assert (outcome.expired, outcome.written.total()) == (1, 0)
    assert target.call("GET", "a") == b"live"


def test_a_value_that_the_server_cannot_read_does_not_stop_the_others(target):
    broken = rdb(b"\x10\x01x" + STRING + b"\x00\x01a" + STRING)
    outcome = Restore(target.access).run([broken])

    assert (outcome.refused, outcome.written) == ({BAD_FORMAT: 1}, {0: 1})
    assert outcome.examples == [f"database 0, x: {BAD_FORMAT}"]


def test_functions_that_are_there_stay_in_a_merge(target, dump):
    target.call("FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('one', function() return 2 end)")
    merged = Restore(target.access, MERGE).run([dump]).functions
    after_merge = target.call("FCALL", "one", 0)
    replaced = Restore(target.access, REPLACE).run([dump]).functions

    assert (merged, after_merge, replaced, target.call("FCALL", "one", 0)) == (0, 2, 1, 1)


def test_a_spare_database_takes_the_place_of_the_other(target):
    target.call("MSET", "a", "live", "z", "live")
    restore = SpareRestore(target.access, {0: 9})
    outcome = restore.run([PLAIN])

    assert (outcome.written, restore.swapped) == ({9: 3}, {0: 9})
    assert sorted(target.call("KEYS", "*")) == [b"a", b"b", b"c"]
    assert target.call("MGET", "a", "z", database=9) == [b"live", b"live"]

    clear(target.access, 9)
    assert target.call("DBSIZE", database=9) == 0


@pytest.mark.parametrize(
    ("spare", "why"), [({0: 3}, "not empty"), ({0: 0}, "spare one"), ({0: 9, 1: 9}, "spare one")]
)
def test_a_database_that_is_not_spare_is_refused(target, spare, why):
    target.call("SET", "precious", "1", database=3)
    before = target.digest()

    with pytest.raises(RestoreRefused, match=why):
        SpareRestore(target.access, spare).run([PLAIN])
    assert target.digest() == before
    assert any(why in line for line in stopping(preflight(target.access, survey_of([PLAIN]), spare, spare=True)))


def test_nothing_is_swapped_when_a_key_could_not_be_written(target):
    target.call("SET", "a", "live")
    broken = rdb(b"\x10\x01x" + STRING + b"\x00\x01b" + STRING)

    with pytest.raises(RestoreRefused, match="1 keys could not be written"):
        SpareRestore(target.access, {0: 9}).run([broken])
    assert target.call("KEYS", "*") == [b"a"]


def test_damage_in_the_middle_is_an_rdb_error_and_what_was_written_is_known(target):
    place = PLAIN.rindex(TEXT)
    restore = Restore(target.access)

    with pytest.raises(RdbDamaged):
        restore.run([PLAIN[:place] + b"S" + PLAIN[place + 1 :]])
    assert target.call("DBSIZE") == restore.outcome.written.total()


def test_a_big_value_goes_in_pieces(target, dump):
    Restore(target.access).run(io.BytesIO(dump))

    assert target.call("GET", "big") == random.Random(1).randbytes(5 << 20)


def test_a_value_too_big_for_the_server_is_said_before(target, dump):
    target.call("CONFIG", "SET", "proto-max-bulk-len", str(2 << 20))
    findings = preflight(target.access, survey_of([dump]))
    outcome = Restore(target.access).run([dump])

    assert [finding.message for finding in findings if "largest" in finding.message]
    assert [line.split(":")[0] for line in outcome.examples] == ["database 0, big"]
    assert outcome.written.total() == sum(KEYS.values()) - 1


def test_a_server_that_would_throw_keys_away_is_refused(target, dump):
    target.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    target.call("CONFIG", "SET", "maxmemory", str(8 << 20))

    assert "throw other keys away" in stopping(preflight(target.access, survey_of([dump])))[0]


def test_a_database_that_the_server_does_not_have(target):
    assert "no database 99" in stopping(preflight(target.access, survey_of([PLAIN]), {0: 99}))[0]


def test_nothing_stands_against_a_good_restore(target, dump):
    assert preflight(target.access, survey_of([dump])) == []


def test_a_replica_is_refused(redis_server, source):
    replica = redis_server("--replicaof", "127.0.0.1", str(source.process.port)).wait()

    with pytest.raises(ReadOnly, match="primary"):
        Restore(replica.access).run([PLAIN])
    with pytest.raises(ReadOnly):
        preflight(replica.access, survey_of([PLAIN]))


def test_a_server_that_dies_while_it_is_written_to(redis_server):
    server = redis_server()

    def pieces():
        yield b"REDIS0009"
        for number in range(2000):
            yield b"\x00\x44\x00" + b"%01024d" % number + STRING
            if number == 1000:
                server.process.kill()

    with pytest.raises(CutOff):
        Restore(server.access).run(pieces())


def test_a_copy_of_a_replica_is_a_copy(redis_server, source):
    replica = redis_server("--replicaof", "127.0.0.1", str(source.process.port)).wait()

    assert survey_of(rdb_by_sync(replica.access)).keys == sum(KEYS.values())


def test_a_full_server_ends_the_restore(target, dump):
    target.call("CONFIG", "SET", "maxmemory", str(4 << 20))
    restore = Restore(target.access)

    with pytest.raises(Full, match="maxmemory"):
        restore.run([dump])
    assert [finding.stops for finding in preflight(target.access, survey_of([dump]))] == [False]


def test_keys_that_the_user_may_not_write_are_left_out(target, user):
    outcome = Restore(user("+ping", "+info", "+select", "+restore", "~a*")).run([PLAIN])

    assert (outcome.written, outcome.refused.total()) == ({0: 1}, 2)


@pytest.mark.parametrize(("dry_run", "command"), [(False, "RESTORE"), (True, "EXISTS")])
def test_a_user_who_may_not_write_is_told_so(target, user, dry_run, command):
    with pytest.raises(Forbidden) as raised:
        Restore(user("+ping", "+info", "+select", "~*"), dry_run=dry_run).run([PLAIN])
    assert raised.value.command == command


def test_a_database_that_cannot_be_selected_ends_the_restore(target):
    with pytest.raises(Answered, match="SELECT"):
        Restore(target.access, into={0: 99}).run([PLAIN])
