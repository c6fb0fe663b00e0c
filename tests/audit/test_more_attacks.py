"""Attacks by the owner of the database that go round the chain: at its head, checkpoints, triggers and table, and at
the check itself. Each leaves the triggers as they were, unless it is about them."""

import re

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from backups.audit import act, checkpoints, triggers, watch
from backups.audit.acts import AuditError
from backups.audit.models import AuditEntry, AuditHead
from backups.audit.verify import verify
from backups.clusters.models import Cluster
from backups.evidence.chain_state import chain_state
from tests.audit.attacker import Attacker

pytestmark = [pytest.mark.django_db, pytest.mark.db]

on_sqlite = connection.vendor == "sqlite"
COLUMNS = ", ".join(field.column for field in AuditEntry._meta.fields)
TRIGGERS = triggers.SQLITE if on_sqlite else triggers.POSTGRESQL


@pytest.fixture
def log(write):
    write(10)
    checkpoints.make_checkpoint()
    write(5)
    checkpoints.make_checkpoint()
    assert verify().intact


def run(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def second_entry_of_a_number() -> None:
    """Without its primary key the table takes a second entry 10, which is read at the end of a chunk."""
    if on_sqlite:
        run(
            "ALTER TABLE backups_auditentry RENAME TO whole",
            "CREATE TABLE backups_auditentry AS SELECT * FROM whole",
            "DROP TABLE whole",
        )
    else:
        run("ALTER TABLE backups_auditentry DROP CONSTRAINT backups_auditentry_pkey")
    twin = COLUMNS.replace("reason", "'twin'")
    run(f"INSERT INTO backups_auditentry ({COLUMNS}) SELECT {twin} FROM backups_auditentry WHERE seq = 10")  # noqa: S608


def inherited_entry() -> None:
    """Rows of a child table show in the parent; its triggers know nothing of them."""
    run(
        "CREATE TABLE forged () INHERITS (backups_auditentry)",
        f"INSERT INTO forged ({COLUMNS}) SELECT {COLUMNS} FROM ONLY backups_auditentry WHERE seq = 10",  # noqa: S608
    )


EVERYWHERE = {
    "the head says another time": (
        "UPDATE backups_audithead SET at = '2099-01-01 00:00:00+00'",
        "The head says that entry 15 was written at 2099-01-01T00:00:00",
    ),
    "the head is an entry behind": ("UPDATE backups_audithead SET seq = 14", "The head says entry 14, but"),
    "the head is gone": ("DELETE FROM backups_audithead", "The head of the chain is missing"),
    "all entries are gone": ("DELETE FROM backups_auditentry", "The head says entry 15, which is missing"),
    "a MAC is gone": ("UPDATE backups_auditentry SET mac = '' WHERE seq = 5", "Entry 5: .* its MAC is wrong"),
    "all MACs are gone": ("UPDATE backups_auditentry SET mac = ''", "Entry 1: .* its MAC is wrong"),
    "an entry is forged at the end": (lambda: Attacker().append("forged"), "Entry 16: .* its MAC is wrong"),
    "an entry lies far ahead": (
        "UPDATE backups_auditentry SET seq = 9000000000000000000 WHERE seq = 15",
        "Entry 15: is missing; the next one found is 9000000000000000000",
    ),
    "a second entry has the same number": (
        second_entry_of_a_number,
        "There are 16 entries with the numbers 1 to 15|Entry 10: was changed: reason differ",
    ),
    "a checkpoint row names another entry": (
        "UPDATE backups_checkpoint SET seq = 12 WHERE seq = 15",
        r"checkpoint row \d+ was not signed with this console's key",
    ),
    "a checkpoint row has another digest": (
        "UPDATE backups_checkpoint SET digest = 'x' WHERE seq = 15",
        r"checkpoint row \d+ was not signed with this console's key",
    ),
    "a checkpoint row is forged": (
        "INSERT INTO backups_checkpoint (at, seq, digest, host, signature) "
        "SELECT at, seq, digest, 'h', 'AA==' FROM backups_auditentry WHERE seq = 12",
        r"checkpoint row \d+ was not signed with this console's key",
    ),
}
SQLITE = {
    "an entry is replaced": (
        f"REPLACE INTO backups_auditentry ({COLUMNS}) SELECT {COLUMNS.replace('reason', 'action')} "  # noqa: S608
        "FROM backups_auditentry WHERE seq = 5",
        "Entry 5: was changed: reason differ from its text",
    ),
    "a text is bytes": ("UPDATE backups_auditentry SET text = x'00ff' WHERE seq = 5", "Entry 5: was changed"),
    "a reason is no text": (
        "UPDATE backups_auditentry SET reason = CAST(x'ff' AS TEXT) WHERE seq = 5",
        "Entry 5: cannot be read",
    ),
    "a time is none": ("UPDATE backups_auditentry SET at = 'soon' WHERE seq = 5", "Entry 5: was changed: at differ"),
    "a MAC is bytes": ("UPDATE backups_auditentry SET mac = x'31' WHERE seq = 5", "Entry 5: was changed"),
    "the head is a word": ("UPDATE backups_audithead SET seq = 'many'", "cannot be read"),
    "a checkpoint row is bytes": ("UPDATE backups_checkpoint SET digest = x'00' WHERE seq = 10", "was not signed"),
    "a checkpoint row has no time": (
        "UPDATE backups_checkpoint SET at = 'soon' WHERE seq = 10",
        "cannot be read",
    ),
}
POSTGRESQL = {
    "truncated": ("TRUNCATE backups_auditentry", "The head says entry 15, which is missing"),
    "a time without end": (
        "UPDATE backups_auditentry SET at = 'infinity' WHERE seq = 5",
        "Entry 5: was changed: at differ",
    ),
    "a time before Christ": (
        "UPDATE backups_auditentry SET at = '0044-03-15 00:00:00+00 BC' WHERE seq = 5",
        "Entry 5: was changed: at differ",
    ),
    "a checkpoint has no end": (
        "UPDATE backups_checkpoint SET at = 'infinity' WHERE seq = 10",
        "cannot be read",
    ),
    "an entry is inherited": (inherited_entry, "There are 16 entries with the numbers 1 to 15"),
}
# The log takes no entry, not even that somebody looked at it, or its newest page cannot be read: the command tells.
WITHOUT_PAGE = (
    *("the head is an entry behind", "the head is gone", "the head is a word", "a reason is no text"),
    *("a time without end", "a time before Christ"),
)
ATTACKS = EVERYWHERE | (SQLITE if on_sqlite else POSTGRESQL)


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_is_found(log, as_person, monkeypatch, capsys, attack):
    monkeypatch.setattr("backups.audit.entries.CHUNK", 10)
    auditor = as_person("auditor")
    auditor.raise_request_exception = False
    do, says = ATTACKS[attack]
    with Attacker():
        do() if callable(do) else run(do)

    with pytest.raises(SystemExit), transaction.atomic():  # which takes the entry about it back
        call_command("audit_verify")
    assert re.match(rf"BROKEN\. .*({says})", capsys.readouterr().err)
    watch.Watch().look()
    assert re.search(says, chain_state().problem)
    page = auditor.get("/audit/")
    if attack in WITHOUT_PAGE:
        assert page.status_code >= 500
    else:
        assert (page.status_code, b"The log does not verify" in page.content) == (200, True)


def test_a_head_that_was_set_ahead_dates_no_entry(log, write):
    with Attacker():
        run("UPDATE backups_audithead SET at = '2099-01-01 00:00:00+00'")

    assert write(1)[0].at.year < 2099
    assert verify().intact


def test_checkpoint_rows_that_are_gone_take_nothing_away(log):
    """The file vouches for the same. The page says that no checkpoint was made lately, and the next one is made."""
    with Attacker() as attacker:
        attacker.cut_checkpoint_rows(after=-1)

    assert (verify().intact, verify().proven_until) == (True, 15)
    assert chain_state().checkpoint_late
    assert checkpoints.checkpoint_due()


@pytest.mark.parametrize("name", TRIGGERS)
def test_every_trigger_is_missed(log, name):
    run(f"DROP TRIGGER {name}" + ("" if on_sqlite else f" ON {triggers.POSTGRESQL[name][0]}"))

    assert verify().problem == f"The triggers that protect the log are not in place: {name}."


def test_triggers_that_were_taken_out_of_the_schema_are_missed(log):
    if on_sqlite:
        run("PRAGMA writable_schema = ON", "DELETE FROM sqlite_master WHERE type = 'trigger'")
    else:
        run("SET LOCAL allow_system_table_mods = on", "UPDATE pg_trigger SET tgenabled = 'D' WHERE NOT tgisinternal")
    try:
        assert "are not in place: backups_auditentry" in verify().problem
    finally:
        if on_sqlite:
            run("PRAGMA writable_schema = OFF")


@pytest.mark.db(only="postgresql")
@pytest.mark.skipif(on_sqlite, reason="SQLite has no replicas")
def test_a_replica_is_refused_as_well(log):
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        run("SET LOCAL session_replication_role = replica", "DELETE FROM backups_auditentry")

    assert verify().intact


SWALLOW_ENTRY = {
    "sqlite": "CREATE TRIGGER quiet BEFORE INSERT ON backups_auditentry BEGIN SELECT RAISE(IGNORE); END",
    "postgresql": "CREATE RULE quiet AS ON INSERT TO backups_auditentry DO INSTEAD NOTHING",
}
SWALLOW_HEAD = {
    "sqlite": "CREATE TRIGGER quiet_head BEFORE UPDATE ON backups_audithead BEGIN SELECT RAISE(IGNORE); END",
    "postgresql": "CREATE RULE quiet_head AS ON UPDATE TO backups_audithead DO INSTEAD NOTHING",
}
NAMED = {"sqlite": "trigger quiet", "postgresql": "rule quiet"}


def test_a_trigger_or_rule_that_swallows_entries_stops_the_act_and_is_found(log):
    run(SWALLOW_ENTRY[connection.vendor])
    with pytest.raises((DatabaseError, AuditError)), transaction.atomic():
        change()
    run(SWALLOW_HEAD[connection.vendor])
    with pytest.raises(AuditError, match="did not take the entry, so nothing happened"), transaction.atomic():
        change()

    assert not Cluster.objects.exists()
    assert AuditHead.objects.get().seq == 15
    name = NAMED[connection.vendor]
    assert verify().problem.endswith(f"changes how the log is kept: {name}, {name}_head.")


def change() -> None:
    with act(None) as a:
        a.record("cluster.added", Cluster.objects.create(name="unseen"))


@pytest.mark.db(only="postgresql")
@pytest.mark.skipif(on_sqlite, reason="SQLite has no row security")
def test_rows_that_are_hidden_by_row_security_are_found(log):
    connection.check_constraints()
    run("ALTER TABLE backups_auditentry ENABLE ROW LEVEL SECURITY")

    assert verify().problem.endswith("row security of backups_auditentry.")


def test_the_console_says_at_its_start_what_is_on_the_tables_of_the_log(log):
    from backups.checks import triggers_are_in_place

    assert triggers_are_in_place(None, databases=["default"]) == []
    run(SWALLOW_ENTRY[connection.vendor])
    found = triggers_are_in_place(None, databases=["default"])

    assert [(warning.id, NAMED[connection.vendor] in warning.msg) for warning in found] == [("backups.W003", True)]
