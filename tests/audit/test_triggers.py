"""The database refuses what would change the log, from whatever hand it comes: SQLite and PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import DatabaseError, connection, transaction

from backups.audit import checkpoints, triggers
from backups.audit.models import AuditEntry, AuditHead, Checkpoint
from backups.audit.verify import verify

pytestmark = [pytest.mark.django_db, pytest.mark.db]

on_sqlite = connection.vendor == "sqlite"

NAMES = (
    *("at", "action", "outcome", "severity", "actor_id", "actor_name", "object_type", "object_id", "object_name"),
    *("reason", "run", "text", "digest", "mac"),
)


def copy_of(source: int, *, seq: int, prev: str) -> str:
    """Columns and values of an entry like another one, in another place."""
    names = ", ".join(NAMES)
    return f"(seq, prev, {names}) SELECT {seq}, {prev}, {names} FROM backups_auditentry WHERE seq = {source}"  # noqa: S608


EVERYWHERE = {
    "update": "UPDATE backups_auditentry SET reason = 'x' WHERE seq = 2",
    "update nothing": "UPDATE backups_auditentry SET reason = reason",
    "update the key": "UPDATE backups_auditentry SET seq = 9 WHERE seq = 2",
    "delete": "DELETE FROM backups_auditentry WHERE seq = 2",
    "delete the newest": "DELETE FROM backups_auditentry WHERE seq = 3",
    "delete all": "DELETE FROM backups_auditentry",
    "upsert": f"INSERT INTO backups_auditentry {copy_of(3, seq=3, prev='prev')} AND true "
    "ON CONFLICT (seq) DO UPDATE SET reason = 'x'",
    "a gap": f"INSERT INTO backups_auditentry {copy_of(3, seq=5, prev='digest')}",
    "a wrong link": f"INSERT INTO backups_auditentry {copy_of(3, seq=4, prev='prev')}",
    "head back": "UPDATE backups_audithead SET seq = 2",
    "head nowhere": "UPDATE backups_audithead SET seq = 4",
    "head digest": "UPDATE backups_audithead SET digest = 'x'",
    "head away": "UPDATE backups_audithead SET id = 2",
    "head deleted": "DELETE FROM backups_audithead",
    "second head": "INSERT INTO backups_audithead (id, seq, digest) VALUES (2, 0, 'x')",
    "checkpoint changed": "UPDATE backups_checkpoint SET seq = 1",
    "checkpoint deleted": "DELETE FROM backups_checkpoint",
}
SQLITE = {
    "update or replace": "UPDATE OR REPLACE backups_auditentry SET seq = 1 WHERE seq = 2",
    "replace": f"INSERT OR REPLACE INTO backups_auditentry {copy_of(3, seq=2, prev='prev')}",
    "replace the newest": f"REPLACE INTO backups_auditentry {copy_of(3, seq=3, prev='prev')}",
    "head replaced": "INSERT OR REPLACE INTO backups_audithead (id, seq, digest) VALUES (1, 0, 'x')",
    "checkpoint replaced": "INSERT OR REPLACE INTO backups_checkpoint SELECT id, at, 1, digest, host, signature "
    "FROM backups_checkpoint",
}
POSTGRESQL = {
    "truncate": "TRUNCATE backups_auditentry",
    "truncate all": "TRUNCATE backups_auditentry, backups_audithead, backups_checkpoint CASCADE",
    "truncate head": "TRUNCATE backups_audithead",
    "truncate checkpoints": "TRUNCATE backups_checkpoint",
    "as a replica": "SET LOCAL session_replication_role = replica; DELETE FROM backups_auditentry",
    "merge": "MERGE INTO backups_auditentry e USING (SELECT 2 AS seq) s ON e.seq = s.seq "
    "WHEN MATCHED THEN UPDATE SET reason = 'x'",
}
ATTEMPTS = EVERYWHERE | (SQLITE if on_sqlite else POSTGRESQL)


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_the_database_refuses(write, attempt):
    write(3)
    checkpoints.make_checkpoint()
    before = (list(AuditEntry.objects.values()), list(AuditHead.objects.values()), list(Checkpoint.objects.values()))

    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(ATTEMPTS[attempt])

    after = (list(AuditEntry.objects.values()), list(AuditHead.objects.values()), list(Checkpoint.objects.values()))
    assert after == before
    assert verify().intact


def test_the_attempts_would_work_without_triggers(write):
    """The statements above are refused by the triggers, not for a mistake in them."""
    for name, attempt in ATTEMPTS.items():
        with transaction.atomic(), connection.cursor() as cursor:
            triggers.remove()
            write(3)
            Checkpoint.objects.create(at=AuditEntry.objects.first().at, seq=3, digest="x", host="h", signature="s")
            cursor.execute(attempt)
            assert cursor.rowcount != 0, name
            transaction.set_rollback(True)


def test_the_orm_is_refused_as_well(write):
    entry = write(2)[0]
    entry.reason = "another"

    for change in (entry.save, entry.delete, AuditEntry.objects.all().delete):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


def drop(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER {name}" + ("" if on_sqlite else " ON backups_auditentry"))


def test_a_missing_trigger_is_missed(write):
    write(1)
    drop("backups_auditentry_in_order")

    assert triggers.missing() == ["backups_auditentry_in_order"]
    assert "not in place: backups_auditentry_in_order" in verify().problem
    triggers.install()
    assert verify().intact


HARMLESS = {
    "sqlite": [
        "DROP TRIGGER backups_auditentry_no_delete",
        "CREATE TRIGGER backups_auditentry_no_delete BEFORE DELETE ON backups_auditentry WHEN 1 = 0 "
        "BEGIN SELECT RAISE(ABORT, 'no'); END",
    ],
    "postgresql disabled": ["ALTER TABLE backups_auditentry DISABLE TRIGGER backups_auditentry_no_change"],
    "postgresql not for replicas": ["ALTER TABLE backups_auditentry ENABLE TRIGGER backups_auditentry_no_change"],
    "postgresql conditional": [
        "DROP TRIGGER backups_auditentry_no_change ON backups_auditentry",
        "CREATE TRIGGER backups_auditentry_no_change BEFORE UPDATE OR DELETE ON backups_auditentry FOR EACH ROW "
        "WHEN (OLD.seq < 0) EXECUTE FUNCTION backups_audit_refuse()",
        "ALTER TABLE backups_auditentry ENABLE ALWAYS TRIGGER backups_auditentry_no_change",
    ],
    "postgresql another table": [
        "DROP TRIGGER backups_auditentry_no_change ON backups_auditentry",
        "CREATE TRIGGER backups_auditentry_no_change BEFORE UPDATE OR DELETE ON backups_signintry FOR EACH ROW "
        "EXECUTE FUNCTION backups_audit_refuse()",
        "ALTER TABLE backups_signintry ENABLE ALWAYS TRIGGER backups_auditentry_no_change",
    ],
    "postgresql function": [
        "CREATE OR REPLACE FUNCTION backups_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END $$",
    ],
}


@pytest.mark.parametrize("way", [way for way in HARMLESS if way.startswith(connection.vendor)])
def test_a_trigger_that_was_made_harmless_is_missed(write, way):
    write(1)
    with connection.cursor() as cursor:
        for statement in HARMLESS[way]:
            cursor.execute(statement)

    assert triggers.missing() != []
    assert "not in place" in verify().problem
    triggers.install()
    assert triggers.missing() == []


def test_installing_twice_changes_nothing(write):
    write(2)
    triggers.install()
    triggers.install()

    assert triggers.missing() == []
    assert AuditHead.objects.get().seq == 2


@pytest.mark.db(only="postgresql")
@pytest.mark.skipif(on_sqlite, reason="SQLite has one host")
@pytest.mark.django_db(transaction=True)
def test_hosts_that_start_together_install_one_after_the_other():
    def start(_) -> None:
        try:
            for _ in range(10):
                triggers.install()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as hosts:
        list(hosts.map(start, range(4)))

    assert triggers.missing() == []
