"""What entries are about: which page shows it, and which entries a person means who types a name."""

import re
from functools import lru_cache

from django.db.models import Q
from django.urls import reverse

from backups.access.models import User
from backups.archives.models import Archive, ArchiveLocation, ArchiveProfile, ArchiveRecipient, RedisServer
from backups.clusters.models import Cluster
from backups.repositories.models import Repository
from backups.snapshots.models import Snapshot, SnapshotProfile

# Type of object in an entry -> the page about one of them.
PAGES = {
    "user": "accounts:person",
    "cluster": "clusters:detail",
    "repository": "repositories:detail",
    "snapshotprofile": "snapshots:profile",
    "snapshot": "snapshots:detail",
    "archivelocation": "archives:location",
    "archiverecipient": "archives:recipient",
    "archiveprofile": "archives:profile",
    "redisserver": "archives:redis",
    "archive": "archives:detail",
    "run": "runs:detail",
    "auditentry": "evidence:entry",
}
WITHOUT_PAGE = ("address", "host", "directory")
# Words people use -> type of object.
WORDS = {name: name for name in PAGES} | {"person": "user", "profile": "snapshotprofile", "entry": "auditentry"}

NAMED = (
    (User, "name"),
    (User, "username"),
    (Cluster, "name"),
    (Repository, "name"),
    (SnapshotProfile, "name"),
    (Snapshot, "name"),
    (ArchiveLocation, "name"),
    (ArchiveProfile, "name"),
    (ArchiveRecipient, "name"),
    (RedisServer, "name"),
    (Archive, "name"),
)
TOO_MANY = 100


@lru_cache(maxsize=10_000)  # a page of the log asks three times a row, mostly for the same few
def url_of(object_type: str, object_id: str) -> str:
    """The page about an object; empty when there is none."""
    if object_type not in PAGES or not re.fullmatch(r"[0-9]{1,18}", object_id, re.ASCII):
        return ""
    return reverse(PAGES[object_type], args=[int(object_id)])


def parse(text: str) -> tuple[str, str] | None:
    """(type, id) of ``run 12``, ``run:12`` or ``Run #12``; None for everything else."""
    found = re.fullmatch(r"([a-z]+)[\s:]+#?([0-9]{1,18})", text.strip().lower(), re.ASCII)
    return (WORDS[found[1]], str(int(found[2]))) if found and found[1] in WORDS else None


def about(text: str) -> Q:
    """Entries about what ``text`` names. Names are looked up where they belong, so that the log itself is only
    asked by type and id, which it has an index for."""
    exact = parse(text)
    if exact:
        return Q(object_type=exact[0], object_id=exact[1])
    meant = Q(object_type__in=WITHOUT_PAGE, object_id=text)
    for model, field in NAMED:
        keys = model.objects.filter(**{field: text}).values_list("pk", flat=True)[:TOO_MANY]
        if keys:
            meant |= Q(object_type=model._meta.model_name, object_id__in=[str(key) for key in keys])
    return meant
