"""NiFi's flow in an archive: whether what was packed is one whole flow, of one moment."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from backups.gateways import nifi
from backups.runs.models import Level

from . import cybersift_restore as reader
from . import reading
from .models import Archive


@dataclass(frozen=True)
class Flow:
    """What became of one. ``bad``: NiFi could not load what the archive has of it. ``name`` is for those who may see
    what files are called."""

    level: str
    sentence: str
    name: str
    bad: bool = False


def judge(archive: Archive, found: "reader.Archive") -> list[Flow]:
    """Look at every flow in an archive that was just written. One that NiFi has replaced since is read out of the
    archive, because there is nothing left to compare it with."""
    folders = {source["name"]: Path(source["path"]) for source in archive.made_by.sources["folders"]}
    flows = [m for m in found.manifest.members if m.path.rpartition("/")[2] in nifi.NAMES and m.type == "f"]
    return [_judge(folders, found, member) for member in flows]


def _judge(folders: dict[str, Path], found: "reader.Archive", member: "reader.Entry") -> Flow:
    _, source, below = member.path.split("/", 2)
    folder, _, last = below.rpartition("/")
    shown, name = f"files/{source}/{'…/' if folder else ''}{last}", reader.printable(member.path)
    live = nifi.check_flow(folders[source] / below)
    if live.state == "ok" and live.sha256 == member.sha256:
        return Flow(Level.INFO, f"{shown}: a whole flow, and the same before and after it was packed.", name)
    packed = _packed(found, member)
    if packed.state == "ok":
        return Flow(Level.INFO, f"{shown}: a whole flow. NiFi has replaced it since.", name)
    return Flow(
        Level.ERROR, f"{shown}: NiFi could not load it ({packed.why}). Look at the one on the host.", name, bad=True
    )


def _packed(found: "reader.Archive", member: "reader.Entry") -> nifi.FlowCheck:
    """What the archive has of it, in a file that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / member.path.rpartition("/")[2]
        with copy.open("wb") as file:
            reading.take_out(found, member.path, file.fileno())
        return nifi.check_flow(copy)
