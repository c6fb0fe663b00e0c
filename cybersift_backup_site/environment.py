"""Settings from the environment, read through small helpers that fail loudly.

Every helper takes the setting's name. ``NAME_FILE`` may name a file that holds the value instead (for
secrets handed over by systemd or a container); a value and a file at once are refused. ``DECLARED`` remembers
every name that was asked for, so that a test can hold ``docs/settings.md`` against it.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

DECLARED: set[str] = set()

_TRUE = {"1", "yes", "true", "on"}
_FALSE = {"0", "no", "false", "off"}


def text(name: str, default: str | None = None, *, environ: Mapping[str, str] | None = None) -> str:
    """The setting as text, stripped. Raises ImproperlyConfigured when it is missing and has no default."""
    environ = os.environ if environ is None else environ
    DECLARED.add(name)
    value, file = environ.get(name), environ.get(f"{name}_FILE")
    if value is not None and file is not None:
        raise ImproperlyConfigured(f"Set {name} or {name}_FILE, not both.")
    if file is not None:
        try:
            value = Path(file).read_text(encoding="utf-8")
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE names {file}, which cannot be read: {error}.") from error
    if value is None:
        value = default
    if value is None:
        raise ImproperlyConfigured(f"The setting {name} is missing. See docs/settings.md.")
    return value.strip()


def flag(name: str, default: bool, **kwargs) -> bool:
    """yes or no."""
    value = text(name, "yes" if default else "no", **kwargs).lower()
    if value not in _TRUE | _FALSE:
        raise ImproperlyConfigured(f"{name} is {value!r}; write yes or no.")
    return value in _TRUE


def number(name: str, default: float, *, low: float = 0, high: float = 10**9, **kwargs) -> int | float:
    """A number between low and high; whole numbers come as int."""
    value = text(name, str(default), **kwargs)
    try:
        parsed = float(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is {value!r}; write a number.") from error
    if not low <= parsed <= high:
        raise ImproperlyConfigured(f"{name} is {value}; it must be between {low:g} and {high:g}.")
    return int(parsed) if parsed.is_integer() else parsed


def names(name: str, default: str = "", **kwargs) -> list[str]:
    """A list separated by commas or spaces."""
    return text(name, default, **kwargs).replace(",", " ").split()


def label(name: str, default: str, **kwargs) -> str:
    """A name that is safe as a part of file names."""
    value = text(name, default, **kwargs)
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", value):
        raise ImproperlyConfigured(f"{name} is {value!r}; write up to 64 letters, digits, dots, - or _.")
    return value


def path(name: str, default: Path, **kwargs) -> Path:
    """An absolute path."""
    value = Path(text(name, str(default), **kwargs))
    if not value.is_absolute():
        raise ImproperlyConfigured(f"{name} is {value}; write an absolute path.")
    return value


def secret(name: str, file: Path, *, made_by: str, **kwargs) -> str:
    """A secret from the environment, else from a key file that a command has made."""
    try:
        default = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        default = None
    except OSError as error:
        raise ImproperlyConfigured(f"The key file {file} cannot be read: {error}.") from error
    value = text(name, "" if default is None else default, **kwargs)
    if not value:
        raise ImproperlyConfigured(f"The key {file} is missing. Run `{made_by}` first, or set {name}.")
    return value


def database(name: str, sqlite: Path, **kwargs) -> dict:
    """Django's database settings: a SQLite file by default, or postgresql://user:password@host:port/name."""
    url = text(name, "", **kwargs)
    if not url:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": sqlite,
            "CONN_MAX_AGE": 600,
            # IMMEDIATE takes the write lock at BEGIN and waits; a deferred transaction that has read cannot
            # wait and fails at once. FULL: an approval must survive a power cut.
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; "
                "PRAGMA journal_size_limit=67108864; PRAGMA temp_store=MEMORY;",
            },
        }
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
        raise ImproperlyConfigured(f"{name} must look like postgresql://user:password@host:5432/name.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": parts.port or "",
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
    }
