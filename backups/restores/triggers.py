"""A trigger that keeps a plan as it is from the moment that it has a request, whoever writes into the database: what
was agreed to is the request's text, and what is done is the plan's. Installed after every ``migrate``, like those
of ``approvals``.
"""

from backups.approvals.triggers import Rules, changed, put, take_off

from .models import RestorePlan

PLAN = RestorePlan._meta.db_table

FROZEN = (
    *("text", "digest", "options", "risk", "request_id"),
    *("snapshot_id", "archive_id", "cluster_id", "undoes_id"),
)


def rules() -> Rules:
    refused = f"OLD.request_id IS NOT NULL AND ({changed(FROZEN)})"
    return {f"{PLAN}_frozen": (PLAN, refused, "a plan is frozen once it was asked for")}


def install() -> None:
    """Put it in place. Safe to repeat."""
    put(rules())


def remove() -> None:
    """Take it off. For tests of what the console itself notices."""
    take_off(rules())
