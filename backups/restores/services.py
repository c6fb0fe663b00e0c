"""Verbs on plans: make one, ask for it, take a restore back."""

import secrets
from datetime import timedelta
from typing import NamedTuple

from backups import clock
from backups.access import Denied, may
from backups.approvals.models import ApprovalRequest, digest_of
from backups.approvals.services import file_request
from backups.audit import act
from backups.gateways.elasticsearch import patterns
from backups.retention.copies import RetentionError, locked
from backups.retention.holds import refuse_while_deleted
from backups.runs.models import Run
from backups.runs.services import queue_check
from backups.snapshots.models import Snapshot
from backups.templatetags.formats import size

from . import document, reading
from .indices.asked import REPLICAS, TIER, Asked, Mode
from .models import RestorePlan

FORM = "restores:plan"
TITLE = RestorePlan._meta.get_field("title").max_length
PLAN_CHECK, UNDO_CHECK, COMPARE_CHECK = "restore_plan", "undo_plan", "compare_plan"
TEMPLATES = {"indices": "backups/restores/_indices.html", "archive": "backups/restores/_archive.html"}

# A plan that nobody asked for is not kept: the cluster has moved on.
KEPT_UNASKED = timedelta(days=2)

# How old a plan may be when it is sent: what it says of the cluster is shown to others as the truth.
FRESH = timedelta(minutes=30)


class Name(NamedTuple):
    """What ``patterns`` expands over."""

    name: str


class RestoreError(Exception):
    """A restore cannot be planned or asked for; the message is for the person, ``field`` names part of the form."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


def new_token() -> str:
    """Eight letters that stand in the names of what a restore makes, so that nothing of two restores meets."""
    return secrets.token_hex(4)


def queue_plan(*, actor, snapshot: Snapshot, options: dict, earlier: int | None = None) -> Run:
    """Ask the worker to look and make a plan. Reads only. ``options`` are those of ``Asked``; ``earlier`` is the
    request that this takes the place of. Raises Denied."""
    if not may(actor, "restore.request"):
        raise Denied("restore.request")
    params = {"snapshot": snapshot.pk, "options": options, "template": "backups/restores/_checked.html"}
    params |= replacing(earlier)
    return queue_check(PLAN_CHECK, actor=actor, form=FORM, params=params)


def queue_form(chosen: dict, held: list[str], *, actor, earlier: int | None = None) -> Run:
    """The same from what a person chose in the form. ``held`` are the names that the snapshot holds."""
    names, streams = chosen.get("names"), chosen.get("streams", ())
    names = names or patterns.expand(chosen.get("patterns", ()), [Name(name) for name in held])
    if not names and not streams:
        raise RestoreError("These patterns match no index of the snapshot.", "patterns")
    settings = {REPLICAS: chosen["replicas"], TIER: chosen["tier"]}
    asked = Asked(
        names=tuple(sorted(names)),
        streams=tuple(sorted(streams)),
        mode=chosen["mode"],
        token=new_token(),
        template=chosen["template"] or "restored-{index}",
        aliases=chosen["aliases"],
        partial=chosen["partial"],
        global_state=chosen["global_state"],
        settings={name: value for name, value in settings.items() if value not in (None, "")},
        resets=tuple(chosen["resets"]),
    )
    return queue_plan(actor=actor, snapshot=chosen["into"], options=asked.as_options(), earlier=earlier)


def queue_again(plan: RestorePlan, *, actor, skip: list[str] = (), earlier: int | None = None) -> Run:
    """Make a plan of the same anew; ``skip`` names what is taken out of it from now on."""
    earlier = asked_for(plan) or earlier
    if plan.undoes_id:
        return queue_undo(plan.undoes.request.plan, actor=actor, earlier=earlier)
    options = plan.options | {"token": new_token(), "skip": sorted({*plan.options["skip"], *skip})}
    return queue_plan(actor=actor, snapshot=plan.snapshot, options=options, earlier=earlier)


def replacing(earlier: int | None) -> dict:
    """For the parameters of a look: the request that its plan takes the place of, if any."""
    return {"earlier": earlier} if earlier else {}


def asked_for(plan: RestorePlan | None) -> int | None:
    """The request of this plan that ended without being carried out: a new one names it."""
    return plan.request_id if plan and plan.came_to_nothing else None


def queue_undo(plan: RestorePlan, *, actor, earlier: int | None = None) -> Run:
    """Ask the worker to plan the way back of a restore: its safety copies are put where they came from. Raises
    RestoreError when none is kept, and Denied."""
    if not may(actor, "restore.request"):
        raise Denied("restore.request")
    run = plan.request.run if plan.request_id else None
    kept = reading.way_back(run)
    if run and run.is_over and run.effect in reading.NOT_IN_PLACE:
        raise RestoreError("Nothing of this restore is in place, so there is nothing to roll back.")
    if not kept:
        raise RestoreError("There is no safety copy of this restore, so there is no way back.")
    if kept[0].snapshot_id:
        names = list(kept[0].snapshot.indices.values_list("name", flat=True))
        # Exactly what the safety snapshot holds, but for the block that it was taken under: nothing of what the
        # restore was asked to do differently.
        freed = frozenset(row["source"] for row in plan.document["rows"] if not row["blocked_now"])
        given = {"aliases": True, "freed": freed, "least": plan.risk}
        asked = Asked(tuple(sorted(names)), Mode.IN_PLACE, new_token(), **given)
        return queue_plan(actor=actor, snapshot=kept[0].snapshot, options=asked.as_options(), earlier=earlier)
    params = {"undoes": run.pk, "token": new_token(), "template": "backups/restores/_checked.html"}
    params |= replacing(earlier)
    return queue_check(UNDO_CHECK, actor=actor, form=FORM, params=params)


def queue_compare(plan: RestorePlan, *, actor) -> Run:
    """Ask the worker what is different from a plan by now. Reads only. Files and keys are there for the worker of one
    host, which compares them for as long as it did for the plan."""
    params = {"plan": plan.pk, "template": "backups/restores/_compared.html"}
    where = {"host": plan.place, "long": True} if plan.is_of_files else {}
    return queue_check(COMPARE_CHECK, actor=actor, form=compare_form(plan), params=params, **where)


def compare_form(plan: RestorePlan) -> str:
    """The name under which comparisons of this plan are asked for."""
    return f"restores:compare:{plan.pk}"


def keep_plan(made, *, actor, **source) -> RestorePlan:
    """Keep what the worker planned. ``made`` is a Plan; ``source`` the columns that say of what."""
    text = document.canonical(made.document)
    return RestorePlan.objects.create(
        options=made.document["options"],
        title=made.title[:TITLE],
        text=text,
        digest=digest_of(text),
        risk=made.risk,
        risk_reason=made.risk_reason,
        blocked=made.blocked,
        made_by=actor,
        made_at=clock.now(),
        **source,
    )


def ask(
    *,
    actor,
    plan: RestorePlan,
    reason: str,
    ticket: str = "",
    typed_name: str = "",
    break_glass: bool = False,
    earlier: ApprovalRequest | None = None,
) -> ApprovalRequest:
    """File the request for a plan. Its text is frozen with it. Raises RestoreError, ApprovalError and Denied."""
    if not may(actor, "restore.request"):
        raise Denied("restore.request")
    _refuse(plan, actor, typed_name)
    found = plan.document
    with act(actor, reason=reason):
        _hold_source(plan)
        request = file_request(
            actor=actor,
            kind=found["run_kind"],
            title=plan.title,
            risk=plan.risk,
            risk_reason=plan.risk_reason,
            text=plan.text,
            template=TEMPLATES[found["kind"]],
            summary=summary_of(plan),
            source=plan.source_name,
            subject=plan.title,
            subject_url=plan.get_absolute_url(),
            params={"plan": plan.pk, "cluster": plan.cluster_id},
            host=found["target"].get("host", ""),
            reason=reason,
            ticket=ticket,
            earlier=earlier,
            key=f"plan:{plan.pk}",
            break_glass=break_glass,
        )
        if not RestorePlan.objects.filter(pk=plan.pk, request=None, blocked=0).update(request=request):
            raise RestoreError("This plan was asked for already.")
    return request


def _hold_source(plan: RestorePlan) -> None:
    """The request holds what it restores from, from now on: not while that is being deleted."""
    source = plan.snapshot or plan.archive
    if source is None:
        return
    try:
        refuse_while_deleted(locked(source))
    except RetentionError as error:
        raise RestoreError(str(error)) from error


def _refuse(plan: RestorePlan, actor, typed_name: str) -> None:
    if plan.request_id:
        raise RestoreError("This plan was asked for already. Open its request.")
    if plan.blocked:
        raise RestoreError("Something stands in the way of this plan. Mend that, then check again.")
    if clock.now() - plan.made_at > FRESH:
        raise RestoreError("This plan is too old: things may be different by now. Check again, then send it.")
    if plan.made_by_id != actor.pk:
        raise RestoreError("Somebody else made this plan. Check again, so that it is yours.")
    if plan.replaces and typed_name != plan.place:
        raise RestoreError(f"Type {plan.place} to allow replacing live data.", "typed_name")


def summary_of(plan: RestorePlan) -> dict:
    """What lists and mails say of the request: the consequence in one sentence, and its tags."""
    found = plan.document
    tags = [f"{number:,} {name}" for name, number in found["numbers"].items() if number]
    return {"text": found["consequence"], "tags": [*tags, size(found["bytes"])]}


def remove_old_plans() -> int:
    """Delete plans that nobody asked for. The ticker calls this."""
    return RestorePlan.objects.filter(request=None, made_at__lt=clock.now() - KEPT_UNASKED).delete()[0]
