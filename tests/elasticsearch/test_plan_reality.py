"""What a plan says of an index is what a real 8.19 does with it: 12 situations, and REALITY=60 for more by chance."""

import json
import os
from contextlib import contextmanager
from urllib.error import HTTPError

import pytest

from backups.clusters.connection import capabilities_of, open_client
from backups.clusters.models import Purpose
from backups.gateways.elasticsearch import restores as es
from backups.gateways.elasticsearch.errors import Answered
from backups.gateways.elasticsearch.rename import BadRename, renamed, template_rename
from backups.restores.indices import calls
from backups.restores.indices.asked import Asked, Mode
from backups.restores.indices.calls import Purpose as For
from backups.restores.indices.calls import frozen_call
from backups.restores.indices.rows import Action, Row
from backups.snapshots.models import Snapshot
from backups.snapshots.services import queue_snapshot
from tests.elasticsearch.scene import Scene
from tests.restores.asking import Asking
from tests.restores.reality import Situation, Stage, situations
from tests.turns import work

NUMBER, SEED = int(os.environ.get("REALITY", "12")), int(os.environ.get("REALITY_SEED", "7"))
STRICTER = ("closed, and a closed index cannot be kept", "exists already (close)")
"""Our own rules, which the server does not have: a swap refuses where the live index could not be kept, and a copy
overwrites nothing."""


@pytest.mark.parametrize("situation", situations(NUMBER, SEED), ids=lambda one: str(one))
def test_the_server_does_what_the_plan_says(real_elasticsearch, cast, situation):
    scene, asking = Scene(real_elasticsearch), Asking(cast)
    index, other = scene.index("logs", 5), scene.index("other", 3)
    stage = Stage(scene.server, index, other)
    stage.prepare()
    snapshot = taken(scene, index)
    try:
        stage.set(situation, new_name(situation, index))
        with cluster_settings(scene.server, situation.cluster):
            plan = asking.plan(snapshot, [index], situation.mode, **situation.options)
            said = refused_by(plan.document)
            happened = sent(plan, snapshot)
        row = plan.document["rows"][0]
        if row["action"] == Action.SKIP or any(own in row["note"] for own in STRICTER):
            return  # nothing is sent, whatever the server would say
        assert bool(said) == bool(happened), f"the plan says {said or 'yes'}, the server {happened or 'yes'}"
    finally:
        cleared(scene)


def taken(scene: Scene, index: str) -> Snapshot:
    repository = scene.repository(scene.cluster())
    run = work(queue_snapshot(actor=None, repository=repository, name="snap-1", patterns=[index]))
    return Snapshot.objects.get(run=run)


def new_name(situation: Situation, index: str) -> str:
    """Of the copy beside; empty where it is no name."""
    if situation.mode != Mode.BESIDE:
        return ""
    try:
        name = renamed(*template_rename(situation.options.get("template", "restored-{index}")), index)
    except BadRename:
        return ""
    return (
        name if name not in (index, "") and name == name.lower() and name[0] not in "_-+" and " " not in name else ""
    )


def refused_by(document: dict) -> list[str]:
    """What the plan has against it."""
    rows = [row["note"] for row in document["rows"] if row["action"] == Action.BLOCKED]
    rows += [f"{line['text']}: {line['sub']}" for line in document["checks"] if line["state"] == "fail"]
    return rows


def sent(plan, snapshot) -> str:
    """What the server says to the calls up to the restore; empty when it took them."""
    document, client = plan.document, open_client(plan.cluster, Purpose.RESTRICTED)
    row, asked = Row(**document["rows"][0]), Asked.of(plan.options)
    if row.action == Action.SKIP:
        return ""
    planned = [frozen_call(call) for call in document["calls"] if call["purpose"] in (For.CLOSE, For.RESTORE)]
    try:
        for call in planned or as_if_not_blocked(asked, row, snapshot, plan):
            client.send(call)
        if asked.mode in (Mode.SWAP, Mode.ALIAS) and document["calls"]:
            keep(client, document)
    except BadRename as error:
        return str(error)
    except Answered as error:
        return error.message
    return ""


def as_if_not_blocked(asked: Asked, row: Row, snapshot, plan) -> list:
    """What the mode would send."""
    if asked.mode == Mode.BESIDE:
        rename = template_rename(asked.template)
    else:
        rename = template_rename(asked.working("{index}")) if row.work else None
    if asked.mode == Mode.IN_PLACE and row.state_now == "open":
        yield calls.swapping.close_call(row.source)
    yield es.restore_call(
        snapshot.repository.name,
        snapshot.name,
        [row.source],
        rename=rename,
        include_aliases=asked.aliases and not row.work,
        partial=asked.partial,
        index_settings=asked.settings,
        ignore_index_settings=asked.resets,
        global_state=asked.global_state and rename is None,
        capabilities=capabilities_of(plan.cluster),
    )


def keep(client, document: dict) -> None:
    """The clone counts against the limit of shards too."""
    for call in document["calls"]:
        if call["purpose"] in (For.BLOCK_LIVE, For.KEEP):
            client.send(frozen_call(call))


@contextmanager
def cluster_settings(server, values: dict):
    """A limit of shards is that of now: not one more fits."""
    if not values:
        yield
        return
    if "cluster.max_shards_per_node" in values:
        health = server.request("GET", "/_cluster/health")
        values = {"cluster.max_shards_per_node": max(1, health["active_primary_shards"])}
    try:
        server.request("PUT", "/_cluster/settings", json.dumps({"persistent": values}).encode())
        yield
    finally:
        server.request("PUT", "/_cluster/settings", json.dumps({"persistent": dict.fromkeys(values)}).encode())


def cleared(scene: Scene) -> None:
    """Everything of this situation; names are the prefix with something around it, or as the template says."""
    found = scene.server.request("GET", "/_cluster/state/metadata?filter_path=metadata.indices.*.state")
    for name in found.get("metadata", {}).get("indices", {}):
        if scene.prefix in name or name == "same":
            try:
                scene.server.request("DELETE", f"/{name}")
            except HTTPError:
                continue
