"""Triggers that keep requests frozen and their states in order in the database itself, whoever writes into it.

What was agreed to is not changed afterwards, a request goes from state to state as TRANSITIONS says, and a vote stays
as it was cast. Installed after every ``migrate``, because SQLite drops them with a table that is rebuilt.
"""

from collections.abc import Iterable

from django.db import connection, transaction

from .models import TRANSITIONS, ApprovalRequest, Vote

REQUEST, VOTE = (model._meta.db_table for model in (ApprovalRequest, Vote))

FROZEN = (
    *("kind", "text", "digest", "params", "host", "requester_id", "reason", "key"),
    *("risk", "needed", "break_glass", "policy", "source"),
)
VOTED = ("request_id", "person_id", "requester_id", "approves", "digest", "comment", "at")

DIFFERS = {"sqlite": "NEW.{0} IS NOT OLD.{0}", "postgresql": "NEW.{0} IS DISTINCT FROM OLD.{0}"}


Rules = dict[str, tuple[str, str, str]]
"""name -> (table, what is refused, the words)."""


def changed(columns: Iterable[str]) -> str:
    """SQL: whether an update makes any of these different."""
    differs = DIFFERS[connection.vendor]
    return " OR ".join(differs.format(f'"{column}"') for column in columns)


def rules() -> Rules:
    legal = " OR ".join(
        f"OLD.state = '{before}' AND NEW.state IN ({', '.join(sorted(repr(str(state)) for state in after))})"
        for before, after in TRANSITIONS.items()
    )
    return {
        f"{REQUEST}_frozen": (REQUEST, changed(FROZEN), "a request is frozen once it was filed"),
        f"{REQUEST}_states": (
            REQUEST,
            f"NEW.state <> OLD.state AND NOT ({legal})",
            "a request does not go from this state to that one",
        ),
        f"{VOTE}_stays": (VOTE, changed(VOTED), "a vote stays as it was cast"),
    }


def install() -> None:
    """Put every trigger in place. Safe to repeat, also while acts are going on."""
    put(rules())


def remove() -> None:
    """Take the triggers off. For tests of what the console itself notices."""
    take_off(rules())


def put(given: Rules) -> None:
    """Triggers that refuse what ``given`` says, anew where they are there."""
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Two hosts that migrate together come one after the other: one of two that replace a function fails.
            tables = ", ".join(dict.fromkeys(table for table, *_ in given.values()))
            cursor.execute(f"LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE")
        for name, (table, refused, words) in given.items():
            for sql in _statements(name, table, refused, words):
                cursor.execute(sql)


def take_off(given: Rules) -> None:
    with connection.cursor() as cursor:
        for name, (table, *_) in given.items():
            cursor.execute(_drop(name, table))


def _drop(name: str, table: str) -> str:
    return f"DROP TRIGGER IF EXISTS {name}" + (f" ON {table}" if connection.vendor == "postgresql" else "")


def _statements(name: str, table: str, refused: str, words: str) -> tuple[str, ...]:
    if connection.vendor == "sqlite":
        body = f"BEGIN SELECT RAISE(ABORT, '{words}'); END"
        return _drop(name, table), f"CREATE TRIGGER {name} BEFORE UPDATE ON {table} WHEN {refused} {body}"
    body = f"BEGIN RAISE EXCEPTION '{words}' USING ERRCODE = 'check_violation'; END"
    return (
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$",
        _drop(name, table),
        f"CREATE TRIGGER {name} BEFORE UPDATE ON {table} FOR EACH ROW WHEN ({refused}) EXECUTE FUNCTION {name}()",
    )
