"""The calls of one refresh beyond the cheap list: details of what is new or due, damage, and files.

At most CALLS of them with the list; what is left over is said to be unread.
"""

from contextlib import suppress
from dataclasses import dataclass, field

from backups.clusters.connection import capabilities_of
from backups.gateways.elasticsearch import snapshots as es
from backups.gateways.elasticsearch.errors import Damaged, GatewayError, NotElasticsearch, Refused, Unusable
from backups.gateways.elasticsearch.indices import chunks
from backups.repositories.models import Repository

from .compare import LOOKED_AT, SHARDS_ASKED_AGAIN, Work
from .models import SnapshotState

CALLS = 10

# Of those some are kept for what follows where something new looks damaged: the list once more, which takes two
# where it is empty, and the names of the indices.
KEPT = 3


@dataclass
class Read:
    """What the calls of one refresh brought. ``damaged`` says of each what is wrong, ``indices`` what the new ones of
    them are said to hold. ``listed``: how many there are. ``unread``: not asked yet, for want of calls."""

    listed: int = 0
    facts: dict[str, es.SnapshotFacts] = field(default_factory=dict)
    indices: dict[str, tuple[str, ...]] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)
    odd: set[str] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)
    unread: bool = False
    calls: int = 1


def read_details(client, repository: Repository, work: Work) -> Read:
    """The details that are due, then by itself each name that was left out of the answer."""
    read = Read(odd={one.name for one in work.new if not es.is_exact(one.name)})
    broken = {row.name for row, _ in work.read if row.state == SnapshotState.DAMAGED}
    due = [one.name for one in work.new] + [listed.name for _, listed in work.read]
    missing: list[str] = []
    for names in chunks(name for name in due if es.is_exact(name)):
        if read.calls >= CALLS - KEPT - 1:
            read.unread = True
            break
        read.calls += 1
        found = es.details(client, repository.name, names)
        read.facts |= found
        read.damaged |= {name: es.FILES_MISSING for name in names if name not in found and name in broken}
        missing += [name for name in names if name not in found and name not in broken]
    old = not capabilities_of(repository.cluster).metadata
    doubtful = [row.name for row in work.gone if old and es.is_exact(row.name)]
    for name in [*missing, *doubtful]:
        if read.calls >= CALLS - KEPT:
            # Those that are there although the list lacks them have their turn next time: there may always be some.
            read.unread |= name in missing or bool(read.absent)
            break
        read.calls += 1
        _ask_alone(client, repository, name, read)
    _look_at_files(client, repository, work, read)
    _forget_deleted(client, repository, work, read, set(read.damaged) - broken)
    _name_indices(client, repository, work, read)
    return read


def _ask_alone(client, repository: Repository, name: str, read: Read) -> None:
    """Damaged, gone, not understood, or not to be had from the storage: the last two say nothing, and hide nothing
    else."""
    try:
        found = es.get(client, repository.name, name)
    except Unusable:
        raise
    except Refused as error:
        if error.passes:
            raise
        if error.cause not in es.STORAGE_AWAY:
            read.damaged[name] = es.FILES_MISSING
    except NotElasticsearch:
        read.odd.add(name)
    else:
        if found is None:
            read.absent.add(name)
        else:
            read.facts[name] = found


def _look_at_files(client, repository: Repository, work: Work, read: Read) -> None:
    """Those whose turn it is, until enough were found whole; then the damaged ones whose entry can be read: they stay
    damaged until their files were found whole as well."""
    left = 0 if work.new else LOOKED_AT  # what is new comes first
    for row, _ in work.files:
        if left and es.is_exact(row.name) and row.name not in read.damaged:
            left -= _files_are_whole(client, repository, row.name, read)
    for row, _ in work.read:
        found = read.facts.get(row.name) if row.state == SnapshotState.DAMAGED else None
        small = found and found.shards_total <= SHARDS_ASKED_AGAIN
        if small and not _files_are_whole(client, repository, row.name, read):
            del read.facts[row.name]
    for name in read.damaged:
        read.facts.pop(name, None)


def _files_are_whole(client, repository: Repository, name: str, read: Read) -> bool:
    """Whatever else than damage keeps the server from saying so proves nothing, and so does a want of calls."""
    if read.calls >= CALLS - KEPT - 1:
        return False
    read.calls += 1
    try:
        if es.progress(client, repository.name, name):
            return True
        # OpenSearch says so little of a shard whose file is gone; or the snapshot was deleted just now.
        read.calls += 1
        if es.get(client, repository.name, name):
            read.damaged[name] = es.PART_MISSING
    except Damaged as error:
        read.damaged[name] = error.message
    except GatewayError:
        pass
    return False


def _forget_deleted(client, repository: Repository, work: Work, read: Read, damaged: set[str]) -> None:
    """One that is deleted at this very moment looks damaged, for its files go while it is read. The list has it no
    more then: the next refresh says that it is gone."""
    before = {one.name: one.uuid for one in [*work.new, *(listed for _, listed in work.due)] if one.name in damaged}
    if not before:
        return
    read.calls += 1
    listed = es.list_snapshots(client, repository.name, capabilities_of(repository.cluster))
    now = {one.name: one.uuid for one in listed}
    for name, uuid in before.items():
        if now.get(name) != uuid:
            del read.damaged[name]


def _name_indices(client, repository: Repository, work: Work, read: Read) -> None:
    """Of new ones that cannot be read at least these are known."""
    names = [one.name for one in work.new if one.name in read.damaged]
    if names:
        read.calls += 1
        with suppress(GatewayError):  # then they stay unknown
            read.indices = es.index_names(client, repository.name, names)
