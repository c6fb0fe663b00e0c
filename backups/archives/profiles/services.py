"""Verbs on profiles, and what is known of them: previews of their folders, their last runs, how much they pack."""

import hashlib
import json
from collections.abc import Sequence
from typing import NamedTuple

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from backups.access import Denied, may
from backups.audit import act
from backups.audit.timeline import changed_meanwhile
from backups.runs.check_views import SHOWN_FOR
from backups.runs.models import CHECK, Run, RunState
from backups.runs.services import queue_check

from .. import names, sources
from ..models import Archive, ArchiveLocation, ArchiveProfile, ArchiveRecipient, RedisServer
from ..services import ArchiveRefused

PREVIEW = "archives:profile"
FIELDS = ("name", "location", "sources", "codec", "name_template", "unreadable", "read_back", "keep_index")


class SourcesRefused(ArchiveRefused):
    """Some of the folders cannot be kept; ``problems`` says which, and why."""

    def __init__(self, problems: Sequence[sources.Problem]) -> None:
        super().__init__(" ".join(problem.message for problem in problems))
        self.problems = tuple(problems)


def save_profile(
    *,
    actor,
    profile: ArchiveProfile,
    redis: Sequence[RedisServer] = (),
    recipients: Sequence[ArchiveRecipient] = (),
    seen: str = "",
    reason: str = "",
) -> ArchiveProfile:
    """Add or change a profile, with the servers and recipients that it has from now on. ``seen`` is the digest that
    the person's form was made from. Raises Denied, SourcesRefused, and ArchiveRefused when somebody changed it since,
    when the name is taken, or when a server is on another host."""
    if actor is not None and not may(actor, "profile.manage"):
        raise Denied("profile.manage")
    _refuse_bad(actor, profile, redis)
    stored = ArchiveProfile.objects.get(pk=profile.pk) if profile.pk else None
    if stored and stored.digest != seen:
        raise ArchiveRefused(changed_meanwhile(stored, "profile.changed"))
    before = _shown(stored, stored.redis.all(), stored.recipients.all()) if stored else {}
    after = _shown(profile, redis, recipients)
    changed = {key: value for key, value in after.items() if before.get(key) != value}
    change = {key: {"before": before[key], "after": value} if before else value for key, value in changed.items()}
    with act(actor, reason=reason) as a:
        try:
            with transaction.atomic():
                profile.save()
        except IntegrityError as error:
            raise ArchiveRefused(f"A profile {profile} exists already.", "name") from error
        profile.redis.set(redis)
        profile.recipients.set(recipients)
        if change:
            a.record("profile.changed" if stored else "profile.added", profile, change=change)
    return profile


def queue_preview(*, actor, location: ArchiveLocation, source: dict, form: str) -> Run:
    """Ask the worker on the location's host what this folder holds. One per person and ``form``, which begins with
    PREVIEW."""
    if not may(actor, "profile.manage"):
        raise Denied("profile.manage")
    params = {
        "source": source,
        "about": _about(location, source),
        "apart": location.path,
        "template": "backups/archives/_source_preview.html",
    }
    return queue_check("sources", actor=actor, form=form, params=params, host=location.host)


def previews(actor, location: ArchiveLocation | None, wanted: Sequence[dict]) -> list[Run | None]:
    """For each of these folders, exactly as they are, the newest preview that this person asked for a moment ago and
    that nobody gave up."""
    if location is None or not wanted:
        return [None] * len(wanted)
    about = [_about(location, source) for source in wanted]
    runs = Run.objects.filter(kind=CHECK, actor=actor, subject__startswith=PREVIEW, params__about__in=about)
    lately = runs.filter(queued_at__gt=timezone.now() - SHOWN_FOR).exclude(state=RunState.CANCELLED)
    newest = {run.params["about"]: run for run in lately.order_by("pk")}
    return [newest.get(each) for each in about]


def not_looked_at(actor, profile: ArchiveProfile) -> list[str]:
    """The folders of which this person has seen no preview: nobody knows whether they hold anything."""
    seen = previews(actor, profile.location, profile.sources)
    known = [run is not None and bool(run.result.get("found")) for run in seen]
    return [source["path"] for source, is_known in zip(profile.sources, known, strict=True) if not is_known]


class Pace(NamedTuple):
    """How the last archive of a profile went: what became of each byte that was read, in bytes and seconds, and how
    many bytes each Redis server (by name) sent."""

    packed: float
    seconds: float
    dumps: dict[str, int]


def pace(profile: ArchiveProfile) -> Pace | None:
    """Of the newest archive that was packed as the profile packs now; None where there is none."""
    if profile.pk is None:
        return None
    rows = Archive.objects.filter(profile=profile.pk, codec=profile.codec, size__gt=0, made_by__seconds__gt=0)
    last = rows.order_by("-pk").values_list("size", "made_by__seconds", "bytes", "redis").first()
    if last is None:
        return None
    size, seconds, files, servers = last
    dumps = {each["name"]: each.get("size") or 0 for each in servers}
    read = (files or 0) + sum(dumps.values())
    return Pace(size / read, seconds / read, dumps) if read else None


def keys_of(server: RedisServer) -> int | None:
    """How many keys it had at its last good check; None where that is not known."""
    keys = server.facts.get("keys")
    if isinstance(keys, dict):
        return sum(keys.values())
    databases = server.facts.get("databases")
    if keys is None and isinstance(databases, dict) and all(isinstance(each, int) for each in databases.values()):
        return sum(databases.values())
    return keys if isinstance(keys, int) else None


def _about(location: ArchiveLocation, source: dict) -> str:
    """What a preview is about: another name of the folder in the archive changes nothing of what it holds."""
    facts = sources.Source.of(source).as_json() | {"name": ""}
    return hashlib.sha256(json.dumps([location.host, location.path, facts], sort_keys=True).encode()).hexdigest()


def _refuse_bad(actor, profile: ArchiveProfile, redis: Sequence[RedisServer]) -> None:
    try:
        profile.sources = sources.checked(profile.sources, (str(settings.KEYS_DIR),))
    except sources.BadSources as error:
        raise SourcesRefused(error.problems) from error
    try:
        names.expand(profile.name_template, profile.host, timezone.now())
    except names.BadName as error:
        raise ArchiveRefused(str(error), "name_template") from error
    if not profile.sources and not redis:
        raise ArchiveRefused("There is nothing to archive yet. Add a folder, or choose a Redis server.")
    for server in redis:
        if server.host != profile.host:
            raise ArchiveRefused(
                f"{server} is reached from {server.host}, and location {profile.location} is on {profile.host}. "
                "One host makes an archive; choose a location on that host, or leave the server out.",
                "redis",
            )
    if problems := [*_in_the_location(profile), *_seen_empty(actor, profile)]:
        raise SourcesRefused(problems)


def _in_the_location(profile: ArchiveProfile) -> list[sources.Problem]:
    words = f"This is location {profile.location} itself: each archive would hold the ones before it."
    paths = [source["path"] for source in profile.sources]
    return [
        sources.Problem(number, "path", words) for number, path in enumerate(paths) if path == profile.location.path
    ]


def _seen_empty(actor, profile: ArchiveProfile) -> list[sources.Problem]:
    """Folders of which this person's newest preview said that they hold nothing."""
    problems = []
    for number, run in enumerate(previews(actor, profile.location, profile.sources)):
        if run is None or not run.result.get("empty"):
            continue
        error = run.result["found"]["error"]
        nothing = "Nothing in this folder matches. A folder that brings nothing is never saved: change its patterns."
        has_patterns = not error and profile.sources[number]["include"]
        problems.append(sources.Problem(number, "include" if has_patterns else "path", error or nothing))
    return problems


def _shown(profile: ArchiveProfile, redis, recipients) -> dict:
    shown = {field: _plain(getattr(profile, field)) for field in FIELDS}
    return shown | {"redis": sorted(map(str, redis)), "recipients": sorted(map(str, recipients))}


def _plain(value):
    return value if isinstance(value, (bool, list)) else str(value)
