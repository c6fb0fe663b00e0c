"""Data streams of the fake Elasticsearch, as OpenSearch 1.3 and 3.3 were seen to have them."""

from collections.abc import Iterable

from tests.fakes.es_changes import ALLOWED, remove
from tests.fakes.es_routes import Request, Route, collecting
from tests.fakes.es_state import Problem, Snapshot

ROUTES: list[Route] = []
route = collecting(ROUTES)
PREFIX = ".ds-"


@route("DELETE", "/_data_stream/{stream}", "indices:admin/delete", ("master_timeout",))
def delete_stream(request: Request) -> dict:
    """One that is not there is confirmed too."""
    fake = request.fake
    for index in fake.streams.pop(request.named["stream"], ()):
        if index in fake.indices:
            remove(fake, index)
    return ALLOWED


def chosen(snapshot: Snapshot, names: Iterable[str]) -> dict[str, bool]:
    """The indices that these names of indices and streams mean, and whether each comes with its stream: then what
    is before its name is cut off, and put back when it has a new one."""
    streams = [name for name in names if name in snapshot.data_streams]
    behind = {index for stream in streams for index in snapshot.data_streams[stream]}
    alone = [name for name in names if name not in snapshot.data_streams and name not in behind]
    return dict.fromkeys(alone, False) | dict.fromkeys(sorted(behind), True)


def check_names(fake, made: Iterable[str]) -> None:
    """A stream has a name of its own."""
    for name in made:
        if name in fake.indices:
            raise _not_unique(f"data stream [{name}] conflicts with index")
        for index in fake.indices.values():
            if name in index.aliases:
                raise _not_unique(f"{name} (alias of [{index.name}/{index.uuid}]) conflicts with data stream")


def _not_unique(words: str) -> Problem:
    unique = "index, alias, and data stream names need to be unique, but the following duplicates were found"
    return Problem(500, "illegal_state_exception", f"{unique} [{words}]")
