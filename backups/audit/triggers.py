"""Triggers that make the ledger append-only in the database itself, on SQLite and PostgreSQL.

Installed after every ``migrate`` (SQLite loses triggers when Django rebuilds a table), checked at start and by
``verify``. They stop mistakes and applications; whoever owns the database can drop them, which the chain, the MAC
and the checkpoints then show. Only the tests (around a flush) take them off.
"""

from django.db import connection, transaction

from .models import AuditEntry, AuditHead, Checkpoint

ENTRY, HEAD, CHECKPOINT = (model._meta.db_table for model in (AuditEntry, AuditHead, Checkpoint))

_REFUSE = "the audit trail is append-only"


def _sqlite_keep(table: str, event: str) -> str:
    return (
        f"CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{_REFUSE}'); END"
    )


SQLITE = {
    f"{ENTRY}_no_update": _sqlite_keep(ENTRY, "UPDATE"),
    f"{ENTRY}_no_delete": _sqlite_keep(ENTRY, "DELETE"),
    f"{CHECKPOINT}_no_update": _sqlite_keep(CHECKPOINT, "UPDATE"),
    f"{CHECKPOINT}_no_delete": _sqlite_keep(CHECKPOINT, "DELETE"),
    f"{HEAD}_no_delete": _sqlite_keep(HEAD, "DELETE"),
    # INSERT OR REPLACE deletes without firing DELETE triggers, so a row in the wrong place is refused on its way in.
    f"{ENTRY}_in_order": (
        f"CREATE TRIGGER {ENTRY}_in_order BEFORE INSERT ON {ENTRY} "
        f"WHEN NEW.seq <> (SELECT seq + 1 FROM {HEAD} WHERE id = 1) "
        f"OR NEW.prev <> (SELECT digest FROM {HEAD} WHERE id = 1) "
        f"OR NOT EXISTS (SELECT 1 FROM {HEAD} WHERE id = 1) "
        f"BEGIN SELECT RAISE(ABORT, 'audit entry out of order'); END"
    ),
    f"{HEAD}_once": (
        f"CREATE TRIGGER {HEAD}_once BEFORE INSERT ON {HEAD} "
        f"WHEN NEW.id <> 1 OR NEW.seq <> 0 OR EXISTS (SELECT 1 FROM {HEAD}) OR EXISTS (SELECT 1 FROM {ENTRY}) "
        f"BEGIN SELECT RAISE(ABORT, '{_REFUSE}'); END"
    ),
    f"{HEAD}_forward": (
        f"CREATE TRIGGER {HEAD}_forward BEFORE UPDATE ON {HEAD} "
        f"WHEN NEW.id <> 1 OR NEW.seq <> OLD.seq + 1 OR NOT EXISTS (SELECT 1 FROM {ENTRY} e "
        f"WHERE e.seq = NEW.seq AND e.digest = NEW.digest AND e.prev = OLD.digest) "
        f"BEGIN SELECT RAISE(ABORT, 'the head of the audit trail moves one entry at a time'); END"
    ),
    f"{CHECKPOINT}_once": (
        f"CREATE TRIGGER {CHECKPOINT}_once BEFORE INSERT ON {CHECKPOINT} "
        f"WHEN EXISTS (SELECT 1 FROM {CHECKPOINT} WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, '{_REFUSE}'); END"
    ),
}

POSTGRESQL_FUNCTIONS = (
    f"""CREATE OR REPLACE FUNCTION backups_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION '{_REFUSE}' USING ERRCODE = 'insufficient_privilege'; END $$""",
    f"""CREATE OR REPLACE FUNCTION backups_audit_in_order() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE head {HEAD}%ROWTYPE;
    BEGIN
      SELECT * INTO head FROM {HEAD} WHERE id = 1 FOR UPDATE;
      IF NOT FOUND OR NEW.seq <> head.seq + 1 OR NEW.prev <> head.digest THEN
        RAISE EXCEPTION 'audit entry out of order'; END IF;
      RETURN NEW;
    END $$""",
    f"""CREATE OR REPLACE FUNCTION backups_audit_forward() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NEW.id <> 1 OR NEW.seq <> OLD.seq + 1 OR NOT EXISTS (SELECT 1 FROM {ENTRY} e
         WHERE e.seq = NEW.seq AND e.digest = NEW.digest AND e.prev = OLD.digest) THEN
        RAISE EXCEPTION 'the head of the audit trail moves one entry at a time'; END IF;
      RETURN NEW;
    END $$""",
    f"""CREATE OR REPLACE FUNCTION backups_audit_once() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NEW.id <> 1 OR NEW.seq <> 0 OR EXISTS (SELECT 1 FROM {HEAD}) OR EXISTS (SELECT 1 FROM {ENTRY}) THEN
        RAISE EXCEPTION '{_REFUSE}'; END IF;
      RETURN NEW;
    END $$""",
)

# name -> (table, when, function)
POSTGRESQL = {
    f"{ENTRY}_no_change": (ENTRY, "BEFORE UPDATE OR DELETE", "ROW", "refuse"),
    f"{ENTRY}_no_truncate": (ENTRY, "BEFORE TRUNCATE", "STATEMENT", "refuse"),
    f"{ENTRY}_in_order": (ENTRY, "BEFORE INSERT", "ROW", "in_order"),
    f"{HEAD}_once": (HEAD, "BEFORE INSERT", "ROW", "once"),
    f"{HEAD}_forward": (HEAD, "BEFORE UPDATE", "ROW", "forward"),
    f"{HEAD}_no_delete": (HEAD, "BEFORE DELETE", "ROW", "refuse"),
    f"{HEAD}_no_truncate": (HEAD, "BEFORE TRUNCATE", "STATEMENT", "refuse"),
    f"{CHECKPOINT}_no_change": (CHECKPOINT, "BEFORE UPDATE OR DELETE", "ROW", "refuse"),
    f"{CHECKPOINT}_no_truncate": (CHECKPOINT, "BEFORE TRUNCATE", "STATEMENT", "refuse"),
}


SQLITE_FOREIGN = "SELECT type, name FROM sqlite_master WHERE type = 'trigger' AND lower(tbl_name) IN (%s, %s, %s)"
POSTGRESQL_FOREIGN = """
    WITH tables AS (SELECT oid, relname, relrowsecurity FROM pg_class
                    WHERE relname = ANY(%s) AND pg_table_is_visible(oid))
    SELECT 'trigger', tgname::text FROM pg_trigger JOIN tables ON tables.oid = tgrelid WHERE NOT tgisinternal
    UNION ALL SELECT 'rule', rulename::text FROM pg_rewrite JOIN tables ON tables.oid = ev_class
    UNION ALL SELECT 'row security of', relname::text FROM tables WHERE relrowsecurity"""


def install() -> None:
    """Put every trigger in place, and the one head row of an empty log. Safe to repeat, also while acts are going on.
    A head that is missing from a log with entries is not made anew: ``verify`` has to say so."""
    with transaction.atomic(), connection.cursor() as cursor:
        if not missing():
            pass  # not to keep all acts waiting for nothing
        elif connection.vendor == "postgresql":
            _install_postgresql(cursor)
        else:
            for name, sql in SQLITE.items():
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
                cursor.execute(sql)
        if not AuditHead.objects.exists() and not AuditEntry.objects.exists():
            AuditHead.objects.create(pk=1)


def remove() -> None:
    """Take the triggers off. For the tests' flush only."""
    with transaction.atomic(), connection.cursor() as cursor:
        for name in SQLITE if connection.vendor == "sqlite" else POSTGRESQL:
            on = "" if connection.vendor == "sqlite" else f" ON {POSTGRESQL[name][0]}"
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}{on}")


def missing() -> list[str]:
    """Names of triggers that are not in place, not enabled, or not ours any more."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            expected, found = _postgresql_expected(), _postgresql_found(cursor)
        else:
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            expected, found = SQLITE, dict(cursor.fetchall())
    return sorted(name for name, what in expected.items() if found.get(name) != what)


def foreign() -> list[str]:
    """What stands on the tables of the log and is not ours: triggers, and on PostgreSQL rules and row security. They
    can swallow entries before anybody sees them."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(POSTGRESQL_FOREIGN, [[ENTRY, HEAD, CHECKPOINT]])
        else:
            cursor.execute(SQLITE_FOREIGN, [ENTRY, HEAD, CHECKPOINT])
        found = {f"{kind} {name}" for kind, name in cursor.fetchall()}
    return sorted(found - {f"trigger {name}" for name in (SQLITE | POSTGRESQL)})


def _install_postgresql(cursor) -> None:
    # In the order in which acts lock them: the other way round, an act and this could wait for each other. Two
    # hosts that start together come one after the other as well: PostgreSQL fails one of two that replace a function.
    cursor.execute(f"LOCK TABLE {HEAD}, {ENTRY}, {CHECKPOINT} IN ACCESS EXCLUSIVE MODE")
    for sql in POSTGRESQL_FUNCTIONS:
        cursor.execute(sql)
    for name, (table, when, level, function) in POSTGRESQL.items():
        cursor.execute(f"DROP TRIGGER IF EXISTS {name} ON {table}")
        cursor.execute(
            f"CREATE TRIGGER {name} {when} ON {table} FOR EACH {level} EXECUTE FUNCTION backups_audit_{function}()"
        )
        cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")


def _postgresql_expected() -> dict[str, tuple]:
    """name -> (table, moment, function, its text), as PostgreSQL's catalogue has them."""
    bodies = {sql.split("FUNCTION ")[1].split("(")[0]: sql.split("$$")[1] for sql in POSTGRESQL_FUNCTIONS}
    return {
        name: (table, _moment(when, level), f"backups_audit_{function}", bodies[f"backups_audit_{function}"])
        for name, (table, when, level, function) in POSTGRESQL.items()
    }


def _moment(when: str, level: str) -> int:
    """pg_trigger.tgtype: one bit for each of ROW, BEFORE and the events."""
    bits = {"INSERT": 4, "DELETE": 8, "UPDATE": 16, "TRUNCATE": 32}
    return sum(bit for event, bit in bits.items() if event in when) + 2 + (level == "ROW")


def _postgresql_found(cursor) -> dict[str, tuple]:
    """The same of what is there, leaving out triggers that are off or have conditions. 'A' = ENABLE ALWAYS:
    session_replication_role cannot skip it."""
    cursor.execute(
        """SELECT t.tgname, c.relname, t.tgtype, p.proname, p.prosrc
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
        WHERE t.tgenabled = 'A' AND t.tgqual IS NULL AND t.tgattr = '' AND pg_table_is_visible(c.oid)"""
    )
    return {name: tuple(rest) for name, *rest in cursor.fetchall()}
