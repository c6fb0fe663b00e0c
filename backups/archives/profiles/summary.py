"""What an archive of a profile would hold, as far as it is known while the form is filled in. Reads only."""

from collections.abc import Sequence
from typing import NamedTuple

from django.utils import timezone

from backups.runs.models import Run

from .. import names
from ..models import ArchiveProfile, RedisServer
from ..services import ArchiveRefused, free_name
from .services import Pace, keys_of, pace

WIDTH = 120
COLOURS = ("p-rename", "p-create", "p-replace", "p-same")


class Line(NamedTuple):
    """One folder. ``found`` are the fields of a Survey; None while nobody has looked."""

    name: str
    found: dict | None


class Server(NamedTuple):
    """``keys`` as its last check found, ``dump`` the bytes that it sent for the last archive; None where unknown."""

    name: str
    keys: int | None
    dump: int | None


class Part(NamedTuple):
    """A piece of the bar, in units of WIDTH."""

    css: str
    x: float
    width: float


class Summary:
    """Sums are of what is known; ``missing`` counts folders without a preview. ``packed`` (bytes) and ``seconds`` are
    as the last archive went, None where that says nothing."""

    def __init__(
        self, folders: Sequence[tuple[dict, Run | None]], servers: Sequence[RedisServer], went: Pace | None
    ) -> None:
        self.lines = [Line(source["name"], run.result.get("found") if run else None) for source, run in folders]
        dumps = went.dumps if went else {}
        self.servers = [Server(each.name, keys_of(each), dumps.get(each.name)) for each in servers]
        known = [line.found for line in self.lines if line.found]
        self.missing = len(self.lines) - len(known)
        self.whole = all(found["whole"] for found in known)
        self.files = sum(found["files"] for found in known)
        self.bytes = sum(found["bytes"] for found in known)
        self.packed, self.seconds = self._estimate(went)
        self.name = self.name_error = ""

    def _estimate(self, went: Pace | None) -> tuple[int | None, float | None]:
        """Without every folder and every server the sum would be a guess."""
        sent = [server.dump for server in self.servers]
        if went is None or self.missing or not self.whole or None in sent:
            return None, None
        read = self.bytes + sum(sent)
        return int(read * went.packed), read * went.seconds

    @property
    def parts(self) -> list[Part]:
        """The shares of the folders, none too thin to be seen."""
        shares, parts, x = [line.found["bytes"] for line in self.lines if line.found], [], 0.0
        if not self.bytes or len(shares) < 2:
            return []
        for number, share in enumerate(shares):
            width = max(1.0, (WIDTH - 2 * len(shares)) * share / self.bytes)
            parts.append(Part(COLOURS[number % len(COLOURS)], round(x, 1), round(width, 1)))
            x += width + 1
        return parts


def summary(
    profile: ArchiveProfile,
    folders: Sequence[tuple[dict, Run | None]],
    servers: Sequence[RedisServer],
    *,
    encrypted: bool,
) -> Summary:
    """``profile`` as the form has it, saved or not; ``folders`` are sources with their previews."""
    found = Summary(folders, servers, pace(profile))
    try:
        stem = free_name(profile, timezone.now())
        found.name = names.with_ending(stem, profile.codec, encrypted=encrypted)
    except ArchiveRefused as error:
        found.name_error = str(error)
    return found
