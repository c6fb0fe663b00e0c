"""Where archives lie, what goes into them, what each run packed, and the files that came of it."""

import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse

from backups.clusters.models import Collected
from backups.runs.models import Run


class CheckState(models.TextChoices):
    """What the worker's last look at a location or a Redis server found."""

    UNCHECKED = "unchecked", "Not checked yet"
    GOOD = "good", "Works"
    BAD = "bad", "Does not work"


class ArchiveLocation(Collected):
    """A directory on one worker's host, local or mounted, in which archives lie. ``space`` are bytes as last seen."""

    name = models.CharField(max_length=60, unique=True)
    host = models.CharField(max_length=255)
    path = models.CharField(max_length=1000)
    state = models.CharField(max_length=9, choices=CheckState, default=CheckState.UNCHECKED)
    message = models.TextField(blank=True)
    detail = models.TextField(blank=True)
    space_free = models.PositiveBigIntegerField(null=True)
    space_total = models.PositiveBigIntegerField(null=True)
    looked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["host", "path"], name="location_once_per_host"),
            models.CheckConstraint(condition=Q(state__in=CheckState.values), name="location_state_is_known"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("archives:location", args=[self.pk])

    @property
    def directory(self) -> Path:
        return Path(self.path)

    @property
    def digest(self) -> str:
        """Changes with everything that a person may change."""
        return _digest([self.name, self.host, self.path])


class ArchiveRecipient(models.Model):
    """Who can open encrypted archives: an age public key, and who showed that there is a secret key to it. ``words``
    is the hash of what the newest probe says, ``tries`` how often it was guessed at."""

    name = models.CharField(max_length=60, unique=True)
    key = models.CharField(max_length=100, unique=True)
    words = models.CharField(max_length=200, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    proven_at = models.DateTimeField(null=True)
    proven_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("archives:recipient", args=[self.pk])

    @property
    def short_key(self) -> str:
        """Enough to tell two keys apart: age1q7f…4xk."""
        return f"{self.key[:8]}…{self.key[-4:]}"


class RedisMode(models.TextChoices):
    RDB = "rdb", "rdb"
    SCAN = "scan", "scan"


class RedisServer(models.Model):
    """A Redis server whose data goes into archives. ``address`` is host:port or the path of a unix socket; with
    ``sentinel_master`` it is those of the Sentinels, separated by spaces. ``databases`` (none: all) and ``pattern``
    are for mode scan. Passwords are sealed; ``new_username`` and ``new_sealed`` wait for a good check, and are put
    to use by it. ``facts`` is what the last good check found."""

    name = models.CharField(max_length=60, unique=True)
    host = models.CharField(max_length=255, help_text="The worker's host that reaches it.")
    address = models.CharField(max_length=500)
    sentinel_master = models.CharField(max_length=200, blank=True)
    tls = models.BooleanField(default=False)
    ca_file = models.CharField(max_length=255, blank=True)
    mode = models.CharField(max_length=4, choices=RedisMode, default=RedisMode.RDB)
    databases = models.JSONField(default=list)
    pattern = models.CharField(max_length=200, blank=True)
    username = models.CharField(max_length=255, blank=True)
    sealed = models.TextField(blank=True)
    new_username = models.CharField(max_length=255, blank=True)
    new_sealed = models.TextField(blank=True)
    state = models.CharField(max_length=9, choices=CheckState, default=CheckState.UNCHECKED)
    message = models.TextField(blank=True)
    detail = models.TextField(blank=True)
    facts = models.JSONField(default=dict)
    checked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(mode__in=RedisMode.values), name="redis_mode_is_known"),
            models.CheckConstraint(condition=Q(state__in=CheckState.values), name="redis_state_is_known"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("archives:redis", args=[self.pk])

    @property
    def key_count(self) -> int | None:
        """Keys in all databases when it was last tested; None where that is not known."""
        return self.facts.get("keys")

    def context(self, username: str) -> str:
        """What a sealed password is bound to: a box copied to another row or user does not open."""
        return f"redis:{self.pk}:{username}"

    @property
    def digest(self) -> str:
        """Changes with everything that a person may change."""
        fields = [self.name, self.host, self.address, self.sentinel_master, self.tls, self.ca_file, self.mode]
        return _digest([*fields, self.databases, self.pattern, self.username, self.sealed, self.new_sealed])


class Codec(models.TextChoices):
    GZIP = "gz", "gzip, fast (tar.gz)"
    ZSTD = "zst", "zstd (tar.zst)"
    TAR = "tar", "None (tar)"


class Unreadable(models.TextChoices):
    MARK = "mark", "Leave them out, and say so"
    FAIL = "fail", "Make no archive"


class ReadBack(models.TextChoices):
    ALWAYS = "always", "Every archive, whole"
    SAMPLE = "sample", "A sample of each"
    NEVER = "never", "Never"


class ArchiveProfile(models.Model):
    """What goes into an archive and where it goes. It belongs to the host of its location.

    ``sources`` are directories: ``{"name", "path", "include": [patterns], "exclude": [patterns],
    "one_file_system"}`` with patterns as in gitignore files.
    """

    name = models.CharField(max_length=60, unique=True)
    location = models.ForeignKey(ArchiveLocation, on_delete=models.PROTECT, related_name="profiles")
    sources = models.JSONField(default=list)
    redis = models.ManyToManyField(RedisServer, related_name="profiles", blank=True)
    codec = models.CharField(max_length=3, choices=Codec, default=Codec.GZIP)
    name_template = models.CharField(max_length=200, default="files-{host}-{time}")
    recipients = models.ManyToManyField(ArchiveRecipient, related_name="profiles", blank=True)
    unreadable = models.CharField(max_length=4, choices=Unreadable, default=Unreadable.MARK)
    read_back = models.CharField(max_length=6, choices=ReadBack, default=ReadBack.ALWAYS)
    keep_index = models.BooleanField(default=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(codec__in=Codec.values), name="codec_is_known"),
            models.CheckConstraint(condition=Q(unreadable__in=Unreadable.values), name="unreadable_is_known"),
            models.CheckConstraint(condition=Q(read_back__in=ReadBack.values), name="read_back_is_known"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("archives:profile", args=[self.pk])

    @property
    def host(self) -> str:
        """The host whose files it reads."""
        return self.location.host

    @property
    def digest(self) -> str:
        """Changes with everything that a person may change: a form made from another one is out of date."""
        many = [sorted(self.redis.values_list("pk", flat=True)), sorted(self.recipients.values_list("pk", flat=True))]
        fields = [self.name, self.location_id, self.sources, self.codec, self.name_template, self.unreadable]
        return _digest([*fields, self.read_back, self.keep_index, *(many if self.pk else [])])


class ArchiveRun(models.Model):
    """What one run packed. It stays when the file is pruned, or never came to be.

    ``sources`` is what the run was asked for, frozen: directories, and Redis servers by key, never their passwords.
    ``files``, ``bytes``, ``changed``, ``skipped`` and ``errors`` (the first MOST_ERRORS) are what became of it.
    ``sealed_key`` holds the file key of an encrypted archive until it was read back.
    """

    MOST_ERRORS = 1_000

    run = models.OneToOneField(Run, on_delete=models.PROTECT, related_name="archive_run")
    profile = models.ForeignKey(ArchiveProfile, null=True, on_delete=models.SET_NULL, related_name="runs")
    backup_id = models.UUIDField(unique=True)
    sources = models.JSONField(default=dict)
    recipients = models.JSONField(default=list)
    codec = models.CharField(max_length=3, choices=Codec)
    unreadable = models.CharField(max_length=4, choices=Unreadable, default=Unreadable.MARK)
    read_back = models.CharField(max_length=6, choices=ReadBack, default=ReadBack.ALWAYS)
    keep_index = models.BooleanField(default=True)
    files = models.PositiveBigIntegerField(null=True)
    bytes = models.PositiveBigIntegerField(null=True)
    changed = models.PositiveBigIntegerField(null=True)
    skipped = models.PositiveBigIntegerField(null=True)
    errors = models.JSONField(default=list)
    seconds = models.FloatField(null=True)
    sealed_key = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"archive of {self.run}"

    @property
    def key_context(self) -> str:
        """What ``sealed_key`` is bound to."""
        return f"archive:{self.backup_id}"


class ArchiveState(models.TextChoices):
    """wanted -> finished -> verified | damaged; wanted -> failed | cancelled | unknown.

    ``wanted``: the name is taken by a run, and the file may or may not be there. ``finished``: it is on the disk, and
    nobody has read it back. ``found``: there, and whole as far as its end says; made elsewhere, or changed or
    away since it was read back. ``damaged``: it has no end, or a checksum fails. ``missing``: it was there, and is
    gone without us. ``deleted``: a run of ours deleted it.
    """

    WANTED = "wanted", "Not made yet"
    FINISHED = "finished", "Not read back"
    VERIFIED = "verified", "Verified"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    MISSING = "missing", "Missing"
    UNKNOWN = "unknown", "Unknown"
    FOUND = "found", "Found"
    DAMAGED = "damaged", "Damaged"
    DELETED = "deleted", "Deleted"


# States in which the file is there, as far as anybody knows: it can be opened, listed and verified.
THERE = (ArchiveState.FINISHED, ArchiveState.VERIFIED, ArchiveState.FOUND, ArchiveState.DAMAGED)

# States in which a file of this name is in the location, or may be.
HOLDS_NAME = (
    *(ArchiveState.WANTED, ArchiveState.FINISHED, ArchiveState.VERIFIED, ArchiveState.UNKNOWN),
    *(ArchiveState.FOUND, ArchiveState.DAMAGED),
)


class Proof(NamedTuple):
    """A badge: what was looked at, and whether it was good; None where nobody has looked."""

    name: str
    icon: str
    good: bool | None
    at: datetime | None

    @property
    def kind(self) -> str:
        """Its colour."""
        return {True: "ok", False: "fail", None: "idle"}[self.good]

    @property
    def words(self) -> str:
        return f"{self.name.lower()} {({True: 'good', False: 'failed', None: 'not looked at'})[self.good]}"


class Archive(models.Model):
    """One file. Its name is fixed here before it is made.

    ``sources`` are name, files, bytes and packed bytes of each folder; ``redis`` the same of servers, with keys,
    expiries and types of each database.

    Each of the badges is a time and, where it can go either way, whether it was good: None is "not looked at yet".
    ``foreign``: a tar file that is not of this console; it has no checksums. ``mtime_ns`` and ``size`` are those of
    the file as last looked at: another value means that somebody has written to it. A file that was made outside
    every location has the directory in ``outside`` instead of a ``location``: it is "not kept here". ``host`` is
    where it was made; its location says where it lies.
    """

    location = models.ForeignKey(ArchiveLocation, null=True, on_delete=models.PROTECT, related_name="archives")
    profile = models.ForeignKey(ArchiveProfile, null=True, on_delete=models.SET_NULL, related_name="archives")
    made_by = models.OneToOneField(ArchiveRun, null=True, on_delete=models.PROTECT, related_name="archive")
    name = models.CharField(max_length=255)
    outside = models.CharField(max_length=1000, blank=True)
    state = models.CharField(max_length=9, choices=ArchiveState, default=ArchiveState.WANTED)
    message = models.TextField(blank=True)
    detail = models.TextField(blank=True)
    foreign = models.BooleanField(default=False)
    encrypted = models.BooleanField(default=False)
    codec = models.CharField(max_length=3, choices=Codec)
    backup_id = models.CharField(max_length=40, blank=True)
    host = models.CharField(max_length=255, blank=True)
    size = models.PositiveBigIntegerField(null=True)
    mtime_ns = models.BigIntegerField(null=True)
    sha256 = models.CharField(max_length=64, blank=True)
    manifest_sha256 = models.CharField(max_length=64, blank=True)
    made_at = models.DateTimeField(null=True)
    gone_at = models.DateTimeField(null=True)
    files = models.PositiveBigIntegerField(null=True)
    bytes = models.PositiveBigIntegerField(null=True)
    changed = models.PositiveBigIntegerField(null=True)
    skipped = models.PositiveBigIntegerField(null=True)
    keys = models.PositiveBigIntegerField(null=True)
    sources = models.JSONField(default=list)
    redis = models.JSONField(default=list)
    damage = models.JSONField(default=list)
    finished_at = models.DateTimeField(null=True)
    checksums_at = models.DateTimeField(null=True)
    checksums_good = models.BooleanField(null=True)
    structure_at = models.DateTimeField(null=True)
    structure_good = models.BooleanField(null=True)
    drilled_at = models.DateTimeField(null=True)
    drilled_good = models.BooleanField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["location", "name"],
                condition=Q(state__in=HOLDS_NAME, location__isnull=False),
                name="archive_name_once_per_location",
            ),
            models.CheckConstraint(condition=Q(state__in=ArchiveState.values), name="archive_state_is_known"),
        ]
        indexes = [
            models.Index(fields=["profile", "state", "-made_at"], name="archive_by_profile"),
            models.Index(fields=["location", "-id"], name="archive_of_location"),
            models.Index(fields=["state", "-id"], name="archive_by_state"),
            models.Index(fields=["name", "-id"], name="archive_by_name"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("archives:detail", args=[self.pk])

    @property
    def path(self) -> Path:
        """Where it lies, on the host of its location."""
        return (self.location.directory if self.location else Path(self.outside)) / self.name

    @property
    def kept_on(self) -> str:
        """The host whose worker can open it."""
        return self.location.host if self.location else self.host

    @property
    def proofs(self) -> tuple["Proof", ...]:
        """The four badges, in the order in which an archive gets them."""
        failed = self.state == ArchiveState.FAILED
        return (
            Proof("Finished", "check", False if failed else bool(self.finished_at) or None, self.finished_at),
            Proof("Checksums", "hash", self.checksums_good, self.checksums_at),
            Proof("Structure", "braces", self.structure_good, self.structure_at),
            Proof("Drilled", "rotate-clockwise-2", self.drilled_good, self.drilled_at),
        )

    @property
    def closed_at(self) -> datetime | None:
        """When it was finished; for one that came to nothing when its run ended."""
        return self.finished_at or (self.run.ended_at if self.run else None)

    @property
    def run(self) -> Run | None:
        return self.made_by.run if self.made_by else None

    @property
    def is_there(self) -> bool:
        return self.state in THERE


def _digest(fields: list) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
