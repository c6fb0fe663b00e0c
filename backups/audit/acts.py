"""Acts: the one way to change something.

    with act(actor, reason=reason) as a:
        moved = Thing.objects.filter(pk=pk, state="wanted").update(state="ready")
        if not moved:
            raise ThingError("This thing is no longer wanted.")
        a.record("thing.readied", thing)

The entries are kept back and written as the last thing before COMMIT, so that the head of the chain is locked
for a moment only and acts that call each other cannot deadlock. When an entry cannot be written, nothing happens.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.db import models, transaction

from backups import clock

from . import chain, keys
from .actions import ACTIONS
from .models import AuditEntry, AuditHead, Outcome
from .origin import current_origin

SYSTEM = "system"
SECRET_WORDS = ("password", "secret", "token", "credential_value", "api_key")

_open: ContextVar["Act | None"] = ContextVar("act", default=None)


class AuditError(Exception):
    """The ledger was used in a way that would leave a gap."""


class Act:
    """What one person (or the system: actor None) does in one transaction."""

    def __init__(self, actor, reason: str, entries: list[dict]) -> None:
        self.actor, self.reason, self.entries = actor, reason, entries

    def record(
        self,
        action: str,
        obj=None,
        *,
        outcome: str = Outcome.SUCCESS,
        change: dict | None = None,
        run: int | None = None,
    ) -> None:
        """Add an entry to this act.

        ``obj`` is a model instance or a (type, id, name) tuple; ``change`` says what is different now (shown in
        the log: no secrets, they are masked by name as a last net); ``run`` ties the entry to a run.
        Raises KeyError for an action that is not in ACTIONS, AuditError outside an act.
        """
        here = _open.get()
        if here is None or here.entries is not self.entries:
            raise AuditError("record() belongs inside the act() of its change.")
        object_type, object_id, object_name = describe(obj)
        self.entries.append(
            {
                "action": action,
                "severity": ACTIONS[action].severity,
                "outcome": str(outcome),
                "actor": _actor(self.actor),
                "object": {"type": object_type, "id": object_id, "name": object_name},
                "change": mask(change or {}),
                "reason": storable(self.reason),
                "run": run,
                "_actor": self.actor,
            }
        )


@contextmanager
def act(actor, *, reason: str = "") -> Iterator[Act]:
    """Open the transaction of one act, or join the one that is open (then as a savepoint of it)."""
    outer = _open.get()
    entries = [] if outer is None else outer.entries
    kept = len(entries)
    this = Act(actor, reason, entries)
    token = _open.set(this)
    try:
        with transaction.atomic():
            yield this
            if outer is None:
                write(entries)
    except BaseException:
        del entries[kept:]
        raise
    finally:
        _open.reset(token)


def write(entries: list[dict]) -> None:
    """Append entries to the chain, in order. Locks the head until the end of the transaction."""
    if not entries:
        return
    head = AuditHead.objects.select_for_update().get(pk=1)
    # Of the entry itself, which vouches for its time: a head that somebody set ahead would date all that follows.
    head.at = AuditEntry.objects.filter(seq=head.seq).values_list("at", flat=True).first()
    origin, now = current_origin(), clock.now()
    # Time never runs backwards in the log, even where the clock does: searches by time rely on it.
    head.at = max(now, head.at) if head.at else now
    for entry in entries:
        head.seq, head.digest = _append(entry, head, origin)
        if not AuditHead.objects.filter(pk=1).update(seq=head.seq, digest=head.digest, at=head.at):
            raise AuditError("The database did not take the entry, so nothing happened. Run manage.py audit_verify.")


def _append(entry: dict, head: AuditHead, origin: dict) -> tuple[int, str]:
    seq = head.seq + 1
    fields = {name: value for name, value in entry.items() if not name.startswith("_")}
    text = chain.canonical(
        fields | {"v": chain.VERSION, "seq": seq, "at": head.at, "origin": origin, "prev": head.digest}
    )
    digest = chain.digest_of(text)
    AuditEntry(
        seq=seq,
        at=head.at,
        action=entry["action"],
        outcome=entry["outcome"],
        severity=entry["severity"],
        actor=entry["_actor"],
        actor_name=entry["actor"]["name"],
        object_type=entry["object"]["type"],
        object_id=entry["object"]["id"],
        object_name=entry["object"]["name"],
        reason=entry["reason"],
        run=entry["run"],
        text=text,
        prev=head.digest,
        digest=digest,
        mac=chain.mac_of(digest, keys.mac_key()),
    ).save(force_insert=True)
    return seq, digest


def describe(obj) -> tuple[str, str, str]:
    """(type, id, name) of what an entry is about, cut to what the columns hold."""
    if obj is None:
        return "", "", ""
    if isinstance(obj, models.Model):
        obj = (obj._meta.model_name, obj.pk, str(obj))
    object_type, object_id, name = (storable(str(part)) for part in obj)
    return object_type[:40], object_id[:64], name[:300]


def storable(text: str) -> str:
    """``text`` without what a database cannot keep: NUL, and halves of characters (from odd file names)."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def mask(value):
    """``value`` with everything that is named like a secret blanked out, at any depth."""
    if isinstance(value, dict):
        return {
            str(name): "••••" if any(word in str(name).lower() for word in SECRET_WORDS) else mask(inner)
            for name, inner in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [mask(inner) for inner in value]
    return value


def _actor(actor) -> dict:
    if actor is None:
        return {"id": None, "name": SYSTEM, "roles": []}
    return {"id": actor.pk, "name": str(actor)[:150], "sign_in": actor.username, "roles": sorted(actor.roles)}
