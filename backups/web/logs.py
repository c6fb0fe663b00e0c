"""Logs: one JSON object a line on stderr. Text from outside cannot forge a line, and secrets are blanked out."""

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache

from django.conf import settings

# What a caller may hand over by ``extra={...}``; everything else in a record stays out of the log.
EXTRA = ("run", "step", "host", "worker", "cluster", "status_code", "seconds")

BLANK = "***"
# name=value, "name": "value" and Name: value, for names that mean a secret; a quoted value ends with its quote.
_NAMED = re.compile(
    r"""((?:password|passwd|passphrase|secret|token|(?:api|secret|private|session)[_-]?key|sessionid)
        ['"]?\s*[:=]\s*)
        ("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^\s,;&'"}\])]+)""",
    re.IGNORECASE | re.VERBOSE,
)
_HEADER = re.compile(r"((?:authorization|cookie)['\"]?\s*[:=]\s*)[^\n]+", re.IGNORECASE)
_SCHEME = re.compile(r"\b(basic|bearer|apikey)\s+[A-Za-z0-9+/=_.~-]{8,}", re.IGNORECASE)
_IN_ADDRESS = re.compile(r"(://[^\s:/@]*:)[^\s/@]+@")

_request: ContextVar[dict | None] = ContextVar("log fields", default=None)


@contextmanager
def log_fields(**fields) -> Iterator[None]:
    """Records made inside carry these fields: ``request`` and ``user``."""
    token = _request.set({name: value for name, value in fields.items() if value is not None})
    try:
        yield
    finally:
        _request.reset(token)


class JsonLines(logging.Formatter):
    """Turns a record into one line of JSON: time, level, logger, message, process; request and user where there is
    a request; what EXTRA names; and ``error``, the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": redact(record.getMessage()),
            "process": record.process,
        } | (_request.get() or {})
        reference = getattr(getattr(record, "request", None), "reference", None)
        if reference:
            fields["request"] = reference
        fields |= {name: plain(getattr(record, name)) for name in EXTRA if hasattr(record, name)}
        if record.exc_info:
            fields["error"] = redact(self.formatException(record.exc_info))
        return json.dumps(fields)


def plain(value):
    """Numbers as they are, everything else as text without secrets."""
    return value if isinstance(value, (int, float)) else redact(str(value))


def redact(text: str) -> str:
    """``text`` without anything that is named like a secret, looks like one, or is one of the console's own."""
    text = _HEADER.sub(rf"\1{BLANK}", text)
    text = _SCHEME.sub(rf"\1 {BLANK}", text)
    text = _NAMED.sub(rf"\1{BLANK}", text)
    text = _IN_ADDRESS.sub(rf"\1{BLANK}@", text)
    for secret in own_secrets():
        text = text.replace(secret, BLANK)
    return text


@cache
def own_secrets() -> tuple[str, ...]:
    """The secrets that this process holds in its settings."""
    found = [settings.SECRET_KEY, *(database.get("PASSWORD", "") for database in settings.DATABASES.values())]
    return tuple(str(secret) for secret in found if len(str(secret)) >= 6)
