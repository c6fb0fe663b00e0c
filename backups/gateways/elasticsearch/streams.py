"""Data streams: a name over indices, which the server calls ``.ds-NAME-000001``; since 7.11 of Elasticsearch with the
day before the number.

A snapshot names its streams and its indices, not which belong together: that is told by their names. A restore that
names a stream brings all of its indices. New names are made of what comes after ``.ds-``, which is put back.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from .answers import need
from .call import Call
from .client import Client
from .names import exact
from .rename import renamed

PREFIX = ".ds-"
BACKING = re.compile(r"\.ds-(.+?)(?:-[0-9]{4}\.[0-9]{2}\.[0-9]{2})?-[0-9]{6}", re.DOTALL)
FIELDS = "metadata.data_stream.data_stream.*.indices.index_name"


@dataclass(frozen=True)
class Template:
    """An index template. Of those that fit a name, the one with the highest priority counts."""

    name: str
    patterns: tuple[str, ...]
    priority: int
    makes_streams: bool


def stream_of(index: str) -> str:
    """The stream that an index of this name backs; empty where the name is of another kind."""
    found = BACKING.fullmatch(index)
    return found[1] if found else ""


def backing_of(streams: Collection[str], indices: Iterable[str]) -> dict[str, list[str]]:
    """The indices behind each of these streams, oldest first, as far as their names tell. A stream may itself end
    like a day: an index is of the stream with the longest name."""
    found: dict[str, list[str]] = {stream: [] for stream in streams}
    for index in sorted(indices, key=lambda name: (name[-6:], name)):
        whole = index.removeprefix(PREFIX)[:-7]
        owner = whole if whole in found else stream_of(index)
        if owner in found and stream_of(index):
            found[owner].append(index)
    return found


def renamed_backing(pattern: str, replacement: str, index: str) -> str:
    """What the server calls an index that is restored with its stream."""
    return PREFIX + renamed(pattern, replacement, index.removeprefix(PREFIX))


def delete_call(stream: str) -> Call:
    """Deletes one stream, with its indices. OpenSearch confirms that of one that is not there too."""
    return Call("DELETE", ("_data_stream", exact(stream)))


def streams(client: Client) -> dict[str, tuple[str, ...]]:
    """Every data stream with the indices behind it. Taken from the cluster state, where none is hidden."""
    call = Call("GET", ("_cluster", "state", "metadata"), {"filter_path": FIELDS})
    found = client.send(call).get("metadata", {}).get("data_stream", {}).get("data_stream", {})
    return {
        name: tuple(need(call, one, "index_name", str) for one in need(call, value, "indices", list))
        for name, value in found.items()
    }


def templates(client: Client) -> tuple[Template, ...]:
    """The index templates; those of the old kind make no streams."""
    path = "metadata.index_template.index_template"
    fields = ",".join(f"{path}.*.{field}" for field in ("index_patterns", "priority", "data_stream"))
    found = client.send(Call("GET", ("_cluster", "state", "metadata"), {"filter_path": fields}))
    made = found.get("metadata", {}).get("index_template", {}).get("index_template", {})
    return tuple(_template(name, value) for name, value in sorted(made.items()))


def _template(name: str, found: Mapping) -> Template:
    patterns = found.get("index_patterns") or ()
    return Template(name, tuple(patterns), int(found.get("priority") or 0), "data_stream" in found)


def can_roll_over(stream: str, known: Iterable[Template]) -> bool:
    """Whether the template that counts for this name makes data streams."""
    fitting = [one for one in known if any(fnmatchcase(stream, pattern) for pattern in one.patterns)]
    return bool(fitting) and max(fitting, key=lambda one: one.priority).makes_streams
