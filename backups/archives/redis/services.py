"""Verbs on Redis servers whose data goes into archives."""

import re
from collections.abc import Sequence

from django.conf import settings
from django.db import IntegrityError, transaction

from backups.access import Denied, may
from backups.access.secrets import seal
from backups.audit import act
from backups.audit.acts import Act
from backups.audit.timeline import changed_meanwhile
from backups.clusters import authorities
from backups.runs.models import Run, WorkerHost
from backups.runs.services import queue_check

from .. import sources
from ..models import CheckState, RedisMode, RedisServer
from ..services import ArchiveRefused
from . import addresses

RIGHT = "location.manage"
CHANGES = ("redis.changed", "credential.saved", "credential.promoted")
MOVED = "The address changed, so the password is asked again: a stored one is never sent to another place."


def save_server(
    *,
    actor,
    name: str,
    host: str,
    address: str,
    sentinel_master: str = "",
    tls: bool = False,
    ca_file: str = "",
    mode: str = RedisMode.RDB,
    databases: Sequence[int] = (),
    pattern: str = "",
    username: str = "",
    password: str | None = None,
    server: RedisServer | None = None,
    seen: str = "",
) -> RedisServer:
    """Add a Redis server, or change one, and queue its test.

    ``password``: None leaves the stored one, the empty text is no password. It is sealed here, and put to use by a
    good test. ``seen`` is the digest of the server that the person's form was made from. Raises ArchiveRefused and
    Denied.
    """
    if actor is not None and not may(actor, RIGHT):
        raise Denied(RIGHT)
    values = {
        "name": _name(name),
        "host": _host(host),
        "address": _address(address, sentinel_master),
        "sentinel_master": sentinel_master.strip(),
        "tls": tls,
        "ca_file": _ca_file(ca_file),
        "mode": mode,
        "databases": sorted(set(databases)) if mode == RedisMode.SCAN else [],
        "pattern": pattern.strip() if mode == RedisMode.SCAN else "",
    }
    with act(actor) as a:
        server = _change(a, server, values, username, password, seen) if server else _add(a, values)
        _save_credential(a, server, username.strip(), password)
        queue_check("redis", actor=actor, form=form_of(server), params={"server": server.pk}, host=server.host)
    return server


def request_test(server: RedisServer, *, actor) -> Run:
    """Queue a test, with its entry."""
    if not may(actor, RIGHT):
        raise Denied(RIGHT)
    about = {"recorded": "redis.tested", "about": server}
    return queue_check(
        "redis", actor=actor, form=form_of(server), params={"server": server.pk}, host=server.host, **about
    )


def form_of(server: RedisServer) -> str:
    """What the checks of this server are for: a person has one of them at a time."""
    return f"redis:{server.pk}"


def _add(a: Act, values: dict) -> RedisServer:
    try:
        with transaction.atomic():
            server = RedisServer.objects.create(**values)
    except IntegrityError as error:
        raise _taken(values["name"]) from error
    a.record("redis.added", server, change=values)
    return server


def _change(a: Act, server: RedisServer, values: dict, username: str, password: str | None, seen: str) -> RedisServer:
    stored = RedisServer.objects.select_for_update().get(pk=server.pk)
    if seen and seen != stored.digest:
        raise ArchiveRefused(changed_meanwhile(stored, *CHANGES))
    moved = any(getattr(stored, each) != values[each] for each in ("address", "sentinel_master", "host", "tls"))
    if password is None and stored.sealed and (moved or username.strip() != stored.username):
        raise ArchiveRefused(MOVED if moved else f"Enter the password of {username}.", "password")
    change = {
        key: {"before": getattr(stored, key), "after": value}
        for key, value in values.items()
        if getattr(stored, key) != value
    }
    columns = values | ({"state": CheckState.UNCHECKED, "message": "", "facts": {}} if moved else {})
    if moved:
        columns |= {"sealed": "", "username": ""}
    try:
        with transaction.atomic():
            RedisServer.objects.filter(pk=stored.pk).update(**columns)
    except IntegrityError as error:
        raise _taken(values["name"]) from error
    stored.refresh_from_db()
    if change:
        a.record("redis.changed", stored, change=change)
    return stored


def _save_credential(a: Act, server: RedisServer, username: str, password: str | None) -> None:
    """Another password waits for a good test; to do without one needs no secret, and is so at once."""
    if password is None:
        if server.username != username:  # no password is stored: it was asked for above otherwise
            RedisServer.objects.filter(pk=server.pk).update(username=username)
            change = {"user": {"before": server.username, "after": username}}
            a.record("redis.changed", server, change=change)
        return
    if password:
        columns = {"new_username": username, "new_sealed": seal(server.context(username), password)}
    else:
        columns = {"username": username, "sealed": "", "new_username": "", "new_sealed": ""}
    RedisServer.objects.filter(pk=server.pk).update(**columns)
    a.record("credential.saved", server, change={"user": username or "default", "password": bool(password)})
    server.refresh_from_db()


def _name(name: str) -> str:
    """It becomes a directory in the archive."""
    name = name.strip()
    if not sources.NAME.fullmatch(name):
        raise ArchiveRefused("Use letters, digits, dot, hyphen and underscore, at most 60.", "name")
    return name


def _host(host: str) -> str:
    if host != settings.WORKER_HOST and not WorkerHost.objects.filter(name=host).exists():
        raise ArchiveRefused(f"No worker has ever run on {host}. Start one there (manage.py worker).", "host")
    return host


def _address(address: str, group: str) -> str:
    try:
        found = addresses.clean(address, several=bool(group.strip()))
    except addresses.BadAddress as error:
        raise ArchiveRefused(error.message, "address") from error
    if group.strip() and not re.fullmatch(r"[A-Za-z0-9._-]{1,200}", group.strip()):
        raise ArchiveRefused("Write the group as the Sentinels call it, like mymaster.", "sentinel_master")
    return found


def _ca_file(name: str) -> str:
    if name and not authorities.is_name(name):
        raise ArchiveRefused("Choose one of the certificates by its name.", "ca_file")
    return name


def _taken(name: str) -> ArchiveRefused:
    return ArchiveRefused(f"There is a Redis server {name} already. Choose another name.", "name")
