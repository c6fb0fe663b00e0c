"""What a plan says of an index is what a real 8.19 does with it."""

import json
import zlib
from contextlib import contextmanager
from dataclasses import replace
from urllib.error import HTTPError

import pytest

from backups import clock
from backups.clusters.connection import open_client
from backups.clusters.models import Purpose
from backups.gateways.elasticsearch import restores as es
from backups.gateways.elasticsearch.errors import Answered
from backups.gateways.elasticsearch.rename import BadRename, check_index_name, renamed, template_rename
from backups.restores.indices import calls
from backups.restores.indices.asked import Asked, Mode
from backups.restores.indices.calls import Purpose as For
from backups.restores.indices.calls import frozen_call
from backups.restores.indices.finding import find
from backups.restores.indices.row import OUR_OWN, Action, Row
from backups.snapshots.models import Snapshot
from backups.snapshots.services import queue_snapshot
from tests.elasticsearch.scene import Scene
from tests.gateways.scenes import until
from tests.restores.asking import Asking
from tests.restores.generated import cases
from tests.restores.reality import NEWER, PARTIAL, Situation, Stage, situations
from tests.turns import work

COPIES = ("number_of_shards", "number_of_replicas")
FIRST_CALLS = (For.CLOSE, For.RESTORE, For.BLOCK_LIVE, For.KEEP)
"""Those that the server may refuse because of what the plan is about."""


@pytest.mark.parametrize("situation", cases(situations))
def test_the_server_does_what_the_plan_says(real_elasticsearch, cast, situation):
    scene, asking = Scene(real_elasticsearch), Asking(cast)
    index, other = scene.index("logs", 5), scene.index("other", 3)
    stage = Stage(scene.server, index, other)
    stage.prepare(situation.snapshot)
    snapshot = taken(scene, [index, other], situation.snapshot)
    try:
        stage.set(situation, new_name(situation, index))
        with cluster_settings(scene.server, situation.cluster):
            plan = asking.plan(snapshot, [index], situation.mode, **situation.options)
            own, said = refused_by(plan.document)
            if own or said:
                assert plan.document["calls"] == [], f"calls in spite of {own or said}"
            if plan.document["rows"][0]["action"] == Action.SKIP:
                return  # it stays as it is: there is nothing that a server could say to it
            happened = sent(plan, snapshot)
        assert bool(said) == bool(happened), f"the plan says {said or own or 'yes'}, the server {happened or 'yes'}"
    finally:
        cleared(scene)


def taken(scene: Scene, names: list[str], wrong: str) -> Snapshot:
    repository = scene.repository(scene.cluster())
    run = queue_snapshot(actor=None, repository=repository, name="snap-1", patterns=names, partial=wrong == PARTIAL)
    snapshot = Snapshot.objects.get(run=work(run))
    if wrong == NEWER:
        make_newer(scene.server.path_repo / scene.prefix / f"snap-{snapshot.uuid}.dat")
        # As the collector finds it: what a cluster made itself it can read.
        Snapshot.objects.filter(pk=snapshot.pk).update(run=None)
        snapshot.refresh_from_db()
    return snapshot


HEADER = b"\x3f\xd7\x6c\x17\x08snapshot\x00\x00\x00\x01"
VERSION_ID = b"\x89version_id$"
OURS, OF_9_2 = 8536000, 9039001


def make_newer(file) -> None:
    """A server of 9.2 made the snapshot, as its file has it: header, deflated SMILE, and a checksum over both."""
    whole = file.read_bytes()
    compressed, footer = whole[len(HEADER) : -16], whole[-16:-8]
    assert whole.startswith(HEADER) and compressed[:4] == b"DFL\x00"
    smile = zlib.decompress(compressed[4:], wbits=-15)
    assert smile.count(VERSION_ID + smile_int(OURS)) == 1
    smile = smile.replace(VERSION_ID + smile_int(OURS), VERSION_ID + smile_int(OF_9_2))
    packer = zlib.compressobj(wbits=-15)
    content = HEADER + compressed[:4] + packer.compress(smile) + packer.flush() + footer
    file.write_bytes(content + zlib.crc32(content).to_bytes(8, "big"))


def smile_int(number: int) -> bytes:
    """In zigzag, the last byte with six bits, those before it with seven."""
    number, pieces = number * 2, [0x80 | (number * 2 & 0x3F)]
    number >>= 6
    while number:
        pieces.insert(0, number & 0x7F)
        number >>= 7
    return bytes(pieces)


def new_name(situation: Situation, index: str) -> str:
    """Of the copy beside; empty where it is no name."""
    if situation.mode != Mode.BESIDE:
        return ""
    try:
        name = renamed(*template_rename(situation.options.get("template", "restored-{index}")), index)
        check_index_name(name)
    except BadRename:
        return ""
    return "" if name == index else name


def refused_by(document: dict) -> tuple[list[str], list[str]]:
    """What the plan has against it: rules of ours alone, and what it says that the server would refuse."""
    rows = [row["note"] for row in document["rows"] if row["action"] == Action.BLOCKED]
    own = [note for note in rows if OUR_OWN in note]
    # A row that is blocked is left out of what is restored: that nothing is left then is said besides.
    lines = [
        line for line in document["checks"] if line["state"] == "fail" and not line["text"].startswith("Nothing")
    ]
    others = [note for note in rows if note not in own]
    return own, others + [f"{line['text']}: {line['sub']}" for line in lines]


def sent(plan, snapshot) -> str:
    """What the server says to the calls up to those that change what is live; empty when all of it is there."""
    client, asked = open_client(plan.cluster, Purpose.RESTRICTED), Asked.of(plan.options)
    row = Row(**plan.document["rows"][0])
    try:
        for call in first_calls(plan, asked, row, snapshot):
            client.send(call)
        return what_is_missing(client, snapshot, renamed_to(asked, row))
    except BadRename as error:
        return str(error)
    except Answered as error:
        return error.message


def first_calls(plan, asked: Asked, row: Row, snapshot) -> list:
    """Those of the plan, or what it would send if the index were not blocked."""
    planned = plan.document["calls"]
    if not planned:
        found = find(asked, snapshot, clock.now())
        action = Action.REPLACE if row.state_now else Action.CREATE
        row = replace(
            row, action=Action.RENAME if asked.mode == Mode.BESIDE else action, target=renamed_to(asked, row)
        )
        planned = [call.as_dict() for call in calls.planned(asked, found, [row])]
    return [frozen_call(call) for call in planned if call["purpose"] in FIRST_CALLS]


def renamed_to(asked: Asked, row: Row) -> str:
    """What the server calls the restored index."""
    if asked.mode == Mode.BESIDE:
        return renamed(*template_rename(asked.template), row.source)
    return row.work or row.source


def what_is_missing(client, snapshot, name: str) -> str:
    """A server that took the call may give a shard up afterwards."""
    entry = (client, snapshot.repository.name, snapshot.name, [name])
    until(lambda: es.entry(*entry) is None and es.settled(client, [name]))
    gone = [shard for shard, there in es.shards_active(client, [name])[name].items() if not there]
    return es.why_unassigned(client, name, gone[0]) if gone else ""


@contextmanager
def cluster_settings(server, values: dict):
    """A limit of shards is that of now: not one more fits."""
    if not values:
        yield
        return
    if "cluster.max_shards_per_node" in values:
        values = {"cluster.max_shards_per_node": max(1, counted_shards(server))}
    try:
        server.request("PUT", "/_cluster/settings", json.dumps({"persistent": values}).encode())
        yield
    finally:
        server.request("PUT", "/_cluster/settings", json.dumps({"persistent": dict.fromkeys(values)}).encode())


def counted_shards(server) -> int:
    """As the limit counts them: every copy that an open index should have."""
    fields = ",".join(f"metadata.indices.*.{field}" for field in ("state", *map("settings.index.{}".format, COPIES)))
    found = server.request("GET", f"/_cluster/state/metadata?filter_path={fields}").get("metadata", {})
    indices = [one for one in found.get("indices", {}).values() if one["state"] == "open"]
    numbers = [tuple(int(one["settings"]["index"][field]) for field in COPIES) for one in indices]
    return sum(shards * (1 + replicas) for shards, replicas in numbers)


def cleared(scene: Scene) -> None:
    """Everything of this situation; names are the prefix with something around it, or as the template says."""
    found = scene.server.request("GET", "/_cluster/state/metadata?filter_path=metadata.indices.*.state")
    for name in found.get("metadata", {}).get("indices", {}):
        if scene.prefix in name or name == "same":
            try:
                scene.server.request("DELETE", f"/{name}")
            except HTTPError:
                continue
