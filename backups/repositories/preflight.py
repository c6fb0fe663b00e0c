"""Whether a repository may be registered: pure, facts of the cluster in, lines for people out."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from backups.gateways.elasticsearch.cluster import Node
from backups.gateways.elasticsearch.repositories import RepositoryFacts

from . import paths

OK, FAIL, WARN, IDLE = "ok", "fail", "warn", "idle"


@dataclass(frozen=True)
class Line:
    """One thing that was looked at. ``state`` is ok, fail, warn or idle (not known yet)."""

    state: str
    text: str
    sub: str = ""

    def as_dict(self) -> dict:
        return asdict(self)


@dataclass(frozen=True)
class Preflight:
    """``refusal`` says why it may not be registered, and is empty when it may. ``remedy`` is a setting to add."""

    lines: tuple[Line, ...]
    refusal: str = ""
    remedy: str = ""
    registered: bool = False

    @property
    def good(self) -> bool:
        return not self.refusal


def settings_of(location: str, compress: bool) -> dict:
    """The settings as they are sent. The server keeps them as text."""
    return {"location": location, "compress": compress}


def same_repository(found: RepositoryFacts, type: str, settings: dict) -> bool:
    """Whether what is registered is what is wanted. ``compress`` is on by default and kept as text."""
    there, wanted = _comparable(found.settings), _comparable(settings)
    return found.type == type and all(there.get(key) == value for key, value in wanted.items())


def examine(name: str, settings: dict, nodes: Sequence[Node], registered: Sequence[RepositoryFacts]) -> Preflight:
    """Look at name, allowed paths and folder. The first thing that stands against it is the refusal."""
    found = next((repository for repository in registered if repository.name == name), None)
    if found and same_repository(found, "fs", settings):
        line = Line(OK, "It is registered already, with these settings", "It is adopted; nothing has to be sent.")
        return Preflight((line,), registered=True)
    location = settings["location"]
    parts = (_name(name, found), _path_repo(location, nodes), _folder(name, location, nodes, registered))
    refused = next((part for part in parts if part.refusal), Preflight(()))
    later = Line(
        IDLE, "Whether every node can write there", "Seen when it is registered: each node writes a small file."
    )
    lines = tuple(line for part in parts for line in part.lines)
    return Preflight((*lines, later), refused.refusal, refused.remedy)


def _name(name: str, found: RepositoryFacts | None) -> Preflight:
    if found is None:
        return Preflight((Line(OK, f"The name {name} is free on the cluster"),))
    where = found.settings.get("location", found.type)
    refusal = f"The cluster has a repository {name} already, at {where}. Choose another name."
    return Preflight((Line(FAIL, f"The name {name} is taken on the cluster", f"It is at {where}."),), refusal)


def _path_repo(location: str, nodes: Sequence[Node]) -> Preflight:
    """``path.repo`` of every node that takes part in snapshots."""
    writers = [node for node in nodes if node.writes_snapshots]
    known = [node for node in writers if node.path_repo is not None]
    if not known:
        line = Line(IDLE, "Whether path.repo allows the location is not known", "The cluster does not show it.")
        return Preflight((line,))
    barred = [node for node in known if not paths.allows(node.path_repo, location)]
    text = "The location is allowed by path.repo"
    if not barred:
        return Preflight((Line(OK, text, f"On {len(known)} of {len(writers)} nodes"),))
    names = ", ".join(node.name for node in barred)
    allowed = sorted({root for node in known for root in node.path_repo})
    choice = f"Choose a folder below {' or '.join(allowed)}, or add" if allowed else "Add"
    refusal = (
        f"{location} lies outside path.repo of {names}. {choice} the line below to elasticsearch.yml on {names}, and "
        "restart one node after the other."
    )
    line = Line(FAIL, text, f"On {len(known) - len(barred)} of {len(writers)} nodes; not on {names}")
    return Preflight((line,), refusal, paths.setting_with(barred[0].path_repo, location))


def _folder(name: str, location: str, nodes: Sequence[Node], registered: Sequence[RepositoryFacts]) -> Preflight:
    """Two names for one folder damage it: the second does not see what is written through the first."""
    roots = next((node.path_repo for node in nodes if node.path_repo), ())
    twins = [
        other.name
        for other in registered
        if other.name != name
        and other.type == "fs"
        and paths.same_place(str(other.settings.get("location", "")), location, roots)
    ]
    if not twins:
        return Preflight((Line(OK, "No other repository of the cluster uses this folder"),))
    refusal = (
        f"The folder {location} is the repository {twins[0]} of this cluster already. Two names for one folder "
        f"damage it. Use {twins[0]}, or choose another folder."
    )
    return Preflight((Line(FAIL, "The folder is used already", f"By repository {twins[0]}"),), refusal)


def _comparable(settings: dict) -> dict:
    location = str(settings.get("location", ""))
    compress = str(settings.get("compress", True)).lower()
    read_only = str(settings.get("readonly", False)).lower()
    return {"location": location.rstrip("/"), "compress": compress, "readonly": read_only}
