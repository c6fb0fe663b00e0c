"""Where an act comes from: set at the edge (middleware, command, worker), read by the ledger alone.

Fields: ``address``, ``session`` (a hash, never the key), ``agent``, ``request``, ``command``, ``host``, ``process``.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.conf import settings

_origin: ContextVar[dict | None] = ContextVar("origin", default=None)


@contextmanager
def origin_context(**fields: str) -> Iterator[None]:
    """Entries written inside carry these fields."""
    token = _origin.set({name: str(value)[:300] for name, value in fields.items() if value})
    try:
        yield
    finally:
        _origin.reset(token)


def current_origin() -> dict[str, str]:
    """The fields of the present origin, with the host and process that write the entry."""
    return {"host": settings.WORKER_HOST, "process": str(os.getpid())} | (_origin.get() or {})
