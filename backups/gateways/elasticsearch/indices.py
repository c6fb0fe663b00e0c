"""Indices: which there are, and what a snapshot should be compared with later."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from .answers import need
from .call import Call
from .client import Client

# A request line may have 4,096 bytes; the rest is for the parameters.
NAMES_LIMIT = 3000

NUMBERS = "indices.*.primaries.docs.count,indices.*.primaries.store.size_in_bytes"
SHARDS = "indices.*.shards.*.routing.primary,indices.*.shards.*.seq_no.max_seq_no"

# Closed and hidden indices too, on every version; those that vanish meanwhile are left out.
EVERY = {"expand_wildcards": "all", "ignore_unavailable": True}


@dataclass(frozen=True)
class Index:
    """One line of a list. Numbers are those of the primary shards, None when they are not known."""

    name: str
    uuid: str
    state: str
    health: str
    hidden: bool
    documents: int | None
    bytes: int | None
    primaries: int
    aliases: tuple[str, ...]


@dataclass(frozen=True)
class IndexFacts:
    """What the server does not keep with a snapshot.

    ``max_seq_no`` has one number for each primary shard, in their order: the same tuple later means that
    nothing was written meanwhile. Documents, numbers and bytes are None for a closed index, and where a
    primary shard is not active.
    """

    name: str
    uuid: str
    state: str
    documents: int | None
    max_seq_no: tuple[int, ...] | None
    bytes: int | None
    primaries: int
    aliases: dict
    mapping: dict
    settings: dict


def list_indices(client: Client, *, health: bool = True) -> tuple[Index, ...]:
    """Every index, by name. Taken from the cluster state, where closed and broken ones are never left out. Without
    ``health`` it is one call less, and they have no colour."""
    metadata = _metadata(client)
    stats = _stats(client, (), "indices", NUMBERS)
    colours = _colours(client) if health else {}
    return tuple(_index(name, metadata[name], stats.get(name), colours.get(name, "")) for name in sorted(metadata))


def summary(client: Client) -> dict:
    """How many indices there are, and documents and bytes of their primary shards where the cluster says so."""
    found = _stats(client, (), "indices", NUMBERS)
    numbers = [_documents_and_bytes("open", stats) for stats in found.values()]
    documents, size = (
        (sum(number or 0 for number in column) for column in zip(*numbers, strict=True)) if numbers else (0, 0)
    )
    return {"number": len(found), "documents": documents, "bytes": size}


def facts(client: Client, names: Sequence[str]) -> dict[str, IndexFacts]:
    """The facts of these indices (exact names). One that is gone is missing from the answer."""
    found: dict[str, IndexFacts] = {}
    for chunk in chunks(names):
        found |= _facts(client, chunk)
    return found


def _facts(client: Client, names: Sequence[str]) -> dict[str, IndexFacts]:
    # The numbers are read first: what is written while we read can only make them older than the rest.
    stats = _stats(client, names, "shards", f"{NUMBERS},{SHARDS}")
    metadata = _metadata(client, names)
    call = Call("GET", (",".join(names),), EVERY)
    described = client.send(call)
    wanted = set(names) & set(described) & set(metadata)
    return {name: _fact(call, name, metadata[name], described[name], stats.get(name)) for name in wanted}


def describe(client: Client, names: Sequence[str]) -> dict[str, dict]:
    """Aliases, mapping and settings of these indices (``aliases``, ``mappings``, ``settings``), in one call however
    many they are. One that is gone is missing from the answer."""
    if not names:
        return {}
    few = len(list(chunks(names))) == 1
    body = client.send(Call("GET", (",".join(names) if few else "_all",), EVERY))
    wanted = set(names)
    return {name: found for name, found in body.items() if name in wanted}


def newer(client: Client, names: Sequence[str], field: str, moment: datetime) -> dict[str, int]:
    """How many documents of each index have a time in ``field`` after ``moment``; needs the right to read. Raises a
    gateway error; the answer is empty where a shard did not answer, because then no number is right."""
    query = {"bool": {"filter": [{"terms": {"_index": list(names)}}, {"range": {field: {"gt": moment.isoformat()}}}]}}
    body = {"size": 0, "query": query, "aggs": {"indices": {"terms": {"field": "_index", "size": len(names)}}}}
    few = len(list(chunks(names))) == 1
    call = Call("GET", (",".join(names) if few else "_all", "_search"), EVERY, body)
    answer = client.send(call)
    shards = need(call, answer, "_shards", dict)
    if shards.get("successful") != shards.get("total"):
        return {}
    buckets = answer.get("aggregations", {}).get("indices", {}).get("buckets", [])
    return {name: 0 for name in names} | {bucket["key"]: bucket["doc_count"] for bucket in buckets}


def _metadata(client: Client, names: Sequence[str] = ()) -> dict[str, dict]:
    """State, aliases and settings by name. Needs no right on the indices themselves."""
    fields = (
        "state",
        "aliases",
        "settings.index.uuid",
        "settings.index.hidden",
        "settings.index.number_of_shards",
    )
    path = ",".join(f"metadata.indices.*.{field}" for field in fields)
    parts = ("_cluster", "state", "metadata", *_part(names))
    body = client.send(Call("GET", parts, EVERY | {"filter_path": path}))
    return body.get("metadata", {}).get("indices", {})


def _stats(client: Client, names: Sequence[str], level: str, fields: str) -> dict[str, dict]:
    params = EVERY | {
        "level": level,
        "forbid_closed_indices": False,
        "filter_path": f"_shards.failed,{fields}",
    }
    call = Call("GET", (*_part(names), "_stats", "docs,store"), params)
    body = client.send(call)
    need(call, body, "_shards", dict)
    return body.get("indices", {})


def _colours(client: Client) -> dict[str, str]:
    params = {"level": "indices", "expand_wildcards": "all", "filter_path": "indices.*.status"}
    body = client.send(Call("GET", ("_cluster", "health"), params))
    return {name: value["status"] for name, value in body.get("indices", {}).items()}


def _index(name: str, metadata: dict, stats: dict | None, colour: str) -> Index:
    settings = metadata.get("settings", {}).get("index", {})
    state = metadata.get("state", "open")
    documents, size = _documents_and_bytes(state, stats)
    return Index(
        name=name,
        uuid=settings.get("uuid", ""),
        state=state,
        health=colour,
        hidden=settings.get("hidden") in ("true", True),
        documents=documents,
        bytes=size,
        primaries=int(settings.get("number_of_shards", 1)),
        aliases=tuple(sorted(metadata.get("aliases", ()))),
    )


def _fact(call: Call, name: str, metadata: dict, described: dict, stats: dict | None) -> IndexFacts:
    settings = need(call, described, "settings", dict)
    index = _index(name, metadata, stats, "")
    numbers = _max_seq_no(stats, index.primaries) if index.state == "open" else None
    whole = numbers is not None
    return IndexFacts(
        name=name,
        uuid=index.uuid,
        state=index.state,
        documents=index.documents if whole else None,
        max_seq_no=numbers,
        bytes=index.bytes if whole else None,
        primaries=index.primaries,
        aliases=need(call, described, "aliases", dict),
        mapping=need(call, described, "mappings", dict),
        settings=settings,
    )


def _documents_and_bytes(state: str, stats: dict | None) -> tuple[int | None, int | None]:
    if state != "open" or not stats:
        return None, None
    primaries = stats.get("primaries", {})
    return primaries.get("docs", {}).get("count"), primaries.get("store", {}).get("size_in_bytes")


def _max_seq_no(stats: dict | None, primaries: int) -> tuple[int, ...] | None:
    """One number a primary shard, or None when one of them did not answer."""
    numbers = {
        int(shard): copy["seq_no"]["max_seq_no"]
        for shard, copies in (stats or {}).get("shards", {}).items()
        for copy in copies
        if copy.get("routing", {}).get("primary") and "seq_no" in copy
    }
    return tuple(numbers[shard] for shard in range(primaries)) if set(numbers) >= set(range(primaries)) else None


def _part(names: Sequence[str]) -> tuple[str, ...]:
    return (",".join(names),) if names else ()


def chunks(names: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """As many names at a time as a request line takes."""
    chunk: list[str] = []
    length = 0
    for name in names:
        size = len(quote(name, safe="")) + 1
        if chunk and length + size > NAMES_LIMIT:
            yield tuple(chunk)
            chunk, length = [], 0
        chunk.append(name)
        length += size
    if chunk:
        yield tuple(chunk)
