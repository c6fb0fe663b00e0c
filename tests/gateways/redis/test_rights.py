"""The least that a user needs for each purpose, and that what is lacking is named. Real ACLs."""

import pytest

from backups.gateways.redis.about import about
from backups.gateways.redis.connection import connect
from backups.gateways.redis.preflight import preflight
from backups.gateways.redis.rdb import survey_of
from backups.gateways.redis.restore import Restore
from backups.gateways.redis.rights import BY_SCAN, BY_SYNC, RESTORE, SPARE, missing_rights
from backups.gateways.redis.scan import Scan
from backups.gateways.redis.spare import SpareRestore
from backups.gateways.redis.sync import rdb_by_sync
from tests.gateways.redis.samples import STRING, rdb

FILE = rdb(b"\x00\x01a" + STRING)
ENOUGH = {
    BY_SYNC: ("+psync", "+sync", "+replconf", "+ping", "+info"),
    BY_SCAN: ("+scan", "+dump", "+pexpiretime", "+pttl", "+select", "+info", "+ping", "~*"),
    RESTORE: ("+restore", "+select", "+ping", "+info", "+exists", "~*"),
    SPARE: ("+restore", "+select", "+ping", "+info", "+exists", "+dbsize", "+swapdb", "+multi", "+exec", "~*"),
}
DO = {
    BY_SYNC: lambda access: survey_of(rdb_by_sync(access)),
    BY_SCAN: lambda access: survey_of(Scan(access).pieces()),
    RESTORE: lambda access: Restore(access).run([FILE]),
    SPARE: lambda access: SpareRestore(access, {0: 9}).run([FILE]),
}
ONE_LESS = [(purpose, rule) for purpose, rules in ENOUGH.items() for rule in rules]
NOT_NEEDED = {"+psync", "+pttl", "+ping"}  # of servers of other versions; and of PING nothing depends


def rules_missing(access, purpose: str) -> list[str]:
    with connect(access) as connection:
        return [each.rule for each in missing_rights(connection, purpose)]


@pytest.mark.parametrize("purpose", ENOUGH)
def test_the_least_is_enough(user, purpose):
    access = user(*ENOUGH[purpose])

    assert rules_missing(access, purpose) == []
    DO[purpose](access)


@pytest.mark.parametrize(("purpose", "rule"), ONE_LESS)
def test_one_right_less_is_named(user, purpose, rule):
    access = user(*(each for each in ENOUGH[purpose] if each != rule))

    assert rules_missing(access, purpose) == ([] if rule in NOT_NEEDED else [rule])


def test_some_keys_only(user):
    access = user(*ENOUGH[BY_SCAN][:-1], "~app:*")
    with connect(access) as connection:
        assert missing_rights(connection, BY_SCAN, key="app:1") == []
        assert [each.rule for each in missing_rights(connection, BY_SCAN)] == ["~*"]


def test_a_user_without_any_right(user):
    assert rules_missing(user(), BY_SYNC) == ["+info", "+replconf", "+sync"]


def test_asking_for_rights_does_nothing(source):
    before, copies = source.digest(), copies_made(source)
    with connect(source.access) as connection:
        server = about(connection)
        asked = [missing_rights(connection, purpose, server, functions=True) for purpose in (*ENOUGH, BY_SYNC)]

    assert asked == [[], [], [], [], []]
    assert (source.digest(), copies_made(source)) == (before, copies)


def copies_made(server) -> list[bytes]:
    return [line for line in server.call("INFO", "stats").splitlines() if line.startswith(b"sync_full")]


def test_a_form_may_say_what_is_missing(user):
    with connect(user("+ping")) as connection:
        said = {each.rule: each.why for each in missing_rights(connection, BY_SYNC)}

    assert said["+sync"] == "to receive a copy of its data"


def test_a_restore_without_rights_is_stopped_before(user, target):
    findings = preflight(user("+ping", "+info", "+select"), survey_of([FILE]))

    assert [finding.stops for finding in findings] == [True, True]
    assert "+restore" in findings[-1].message
    assert target.call("DBSIZE") == 0


def test_functions_want_a_right_of_their_own(user):
    with connect(user(*ENOUGH[RESTORE])) as connection:
        assert [each.rule for each in missing_rights(connection, RESTORE, functions=True)] == ["+function|load"]


def test_older_servers_are_asked_for_pttl(other):
    with connect(other.access) as connection:
        assert missing_rights(connection, BY_SCAN, about(connection)) == []
