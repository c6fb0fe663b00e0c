"""System checks: what the console refuses to start with."""

import os
from pathlib import Path

from django.conf import settings
from django.core.checks import Error, Tags, Warning, register
from django.db import DatabaseError, connection
from django.urls import get_resolver

from .audit import triggers

NETWORK_FILE_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p", "glusterfs", "ceph"}


@register(Tags.security)
def keys_are_private(app_configs, **kwargs) -> list:
    """E001: keys that others on the machine can read protect nothing."""
    loose = [
        file.name
        for file in sorted(settings.KEYS_DIR.glob("*"))
        if not file.name.endswith(".pub") and file.stat().st_mode & 0o077
    ]
    if not loose:
        return []
    hint = f"Run: chmod 600 {settings.KEYS_DIR}/*"
    return [Error(f"Keys are readable by others: {', '.join(loose)}.", hint=hint, id="backups.E001")]


@register(Tags.security)
def views_are_gated(app_configs, **kwargs) -> list:
    """E002: every view declares who may call it (role_required), or that nobody needs to be signed in."""
    return [
        Error(f"The view of URL {name} declares no right.", id="backups.E002")
        for name, view in _views(get_resolver())
        if not hasattr(view, "act") and getattr(view, "login_required", True)
    ]


@register(Tags.database)
def triggers_are_in_place(app_configs, databases=None, **kwargs) -> list:
    """W002, W003: the log's protection in the database is complete, and nothing stands beside it. Warnings only:
    ``migrate`` puts back what is missing, and what is too much a person has to look at."""
    if not databases:
        return []
    try:
        if "backups_auditentry" not in connection.introspection.table_names():
            return []
        missing, foreign = triggers.missing(), triggers.foreign()
    except DatabaseError as error:
        return [Warning(f"The database cannot be asked: {error}", id="backups.W001")]
    found = []
    if missing:
        hint = "`manage.py migrate` puts them back. Then run `manage.py audit_verify`, and find out who removed them."
        found.append(Warning(f"Triggers of the log are missing: {', '.join(missing)}.", hint=hint, id="backups.W002"))
    if foreign:
        hint = "They can swallow entries. Find out who put them there, and when; then drop them."
        text = f"On the tables of the log is what the console did not put there: {', '.join(foreign)}."
        found.append(Warning(text, hint=hint, id="backups.W003"))
    return found


@register(Tags.database)
def sqlite_is_local(app_configs, databases=None, **kwargs) -> list:
    """E003: SQLite's locks do not hold on network file systems."""
    if connection.vendor != "sqlite":
        return []
    kind = _file_system_of(Path(str(settings.DATABASES["default"]["NAME"])))
    if kind not in NETWORK_FILE_SYSTEMS:
        return []
    hint = "Move CONSOLE_HOME to a local disk, or use PostgreSQL (DATABASE_URL)."
    return [Error(f"The SQLite database lies on a network file system ({kind}).", hint=hint, id="backups.E003")]


def _views(resolver, prefix: str = ""):
    for pattern in resolver.url_patterns:
        if hasattr(pattern, "url_patterns"):
            yield from _views(pattern, f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix)
        else:
            yield f"{prefix}{pattern.name}", pattern.callback


def _file_system_of(file: Path) -> str:
    """Type of the file system that holds the file, from the longest mount point above it."""
    best, kind = "", ""
    try:
        mounts = Path("/proc/mounts").read_text().splitlines()
    except OSError:
        return ""
    where = os.path.realpath(file)
    for line in mounts:
        _, point, found, *_ = line.split()
        if (where + "/").startswith(point.rstrip("/") + "/") and len(point) >= len(best):
            best, kind = point, found
    return kind
