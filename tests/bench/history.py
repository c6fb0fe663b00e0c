"""Years of entries for benchmarks: a true chain, written many at a time.

The texts are those that ``act()`` would have written (a test compares them), without a transaction for each. Needs
a database of its own: its triggers and indexes are taken off meanwhile.
"""

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

AT_ONCE = 20_000
YEARS = timedelta(days=3 * 365)

# Action, severity, type of its object: ten entries of one night, about one run.
NIGHT = (
    ("run.queued", 1, "run"),
    ("run.running", 1, "run"),
    ("credential.used", 2, "run"),
    ("snapshot.verified", 1, "snapshot"),
    ("run.succeeded", 1, "run"),
    ("person.signed_in", 1, "user"),
    ("log.viewed", 1, "page"),
    ("cluster.tested", 1, "cluster"),
    ("access.denied", 2, "address"),
    ("profile.changed", 2, "snapshotprofile"),
)
COLUMNS = (
    *("seq", "at", "action", "outcome", "severity", "actor_id", "actor_name", "object_type", "object_id"),
    *("object_name", "reason", "run", "text", "prev", "digest", "mac"),
)


def seed_entries(count: int, *, people=(), until: datetime | None = None) -> None:
    """Append ``count`` entries to the chain, the last of them written at ``until`` (now), the first three years
    before or where the log ends. By the system and ``people`` (users) in turn."""
    from django.db import connection, transaction
    from django.utils import timezone

    from backups.audit.models import AuditHead

    head = AuditHead.objects.get()
    until = until or timezone.now()
    begin = max(until - YEARS, head.at or until - YEARS)
    rows = _rows(head, begin, (until - begin) / count, [None, *people])
    with transaction.atomic(), connection.cursor() as cursor, _bare_table(cursor):
        for start in range(0, count, AT_ONCE):
            part = list(itertools.islice(rows, min(AT_ONCE, count - start)))
            _insert(cursor, part)
        last = dict(zip(COLUMNS, part[-1], strict=True))
        AuditHead.objects.update(seq=last["seq"], digest=last["digest"], at=last["at"])


def _rows(head, begin: datetime, step: timedelta, actors: list) -> Iterator[tuple]:
    """Values of COLUMNS, without end. JSON is put together by hand: an encoder takes most of the time."""
    from backups.audit import chain, keys
    from backups.audit.acts import _actor
    from backups.audit.origin import current_origin

    mac_of, digest_of, stamp = chain.mac_maker(keys.mac_key()), chain.digest_of, chain.stamp
    origin = json.dumps(current_origin(), sort_keys=True, separators=(",", ":"))
    named = [(actor and actor.pk, _actor(actor)["name"], chain.canonical(_actor(actor))) for actor in actors]
    prev = head.digest
    for number in itertools.count():
        seq, at, run = head.seq + 1 + number, stamp(begin + step * (number + 1)), number // 10 + 1
        action, severity, kind = NIGHT[number % 10]
        actor_id, actor_name, actor = named[run % len(named)]
        object_id = run if kind == "run" else run % 500 + 1
        name = f"{kind} {object_id}"
        text = (
            f'{{"action":"{action}","actor":{actor},"at":"{at}","change":{{}},'
            f'"object":{{"id":"{object_id}","name":"{name}","type":"{kind}"}},"origin":{origin},"outcome":"success",'
            f'"prev":"{prev}","reason":"","run":{run},"seq":{seq},"severity":{severity},"v":{chain.VERSION}}}'
        )
        digest = digest_of(text)
        yield (
            *(seq, at, action, "success", severity, actor_id, actor_name, kind, str(object_id), name, "", run),
            *(text, prev, digest, mac_of(digest)),
        )
        prev = digest


@contextmanager
def _bare_table(cursor) -> Iterator[None]:
    """No triggers, and no indexes but the primary key: they are made anew at the end, at once."""
    from django.db import connection

    from backups.audit import triggers
    from backups.audit.models import AuditEntry

    editor, indexes = connection.schema_editor(), AuditEntry._meta.indexes
    connection.check_constraints()  # PostgreSQL alters no table with constraints still to be checked
    triggers.remove()
    for index in indexes:
        cursor.execute(f"DROP INDEX {index.name}")
    yield
    connection.check_constraints()
    for index in indexes:
        cursor.execute(str(index.create_sql(AuditEntry, editor)))
    triggers.install()


def _insert(cursor, rows: list[tuple]) -> None:
    from django.db import connection

    into = f"backups_auditentry ({', '.join(COLUMNS)})"
    if connection.vendor == "postgresql":
        with cursor.copy(f"COPY {into} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return
    plain = [(row[0], row[1][:26].replace("T", " "), *row[2:]) for row in rows]  # as Django keeps a time on SQLite
    cursor.executemany(f"INSERT INTO {into} VALUES ({', '.join(['%s'] * len(COLUMNS))})", plain)  # noqa: S608
