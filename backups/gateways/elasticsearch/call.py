"""One request to Elasticsearch as a value."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode


@dataclass(frozen=True)
class Call:
    """What a plan shows, an approver approves, an entry keeps and the wire carries.

    ``parts`` are the pieces of the path, not yet quoted. A list of names is one part, joined by commas.
    """

    method: str
    parts: tuple[str, ...]
    params: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    timeout: float = 20.0

    def __post_init__(self):
        if any(part in ("", ".", "..") for part in self.parts):
            raise ValueError(f"An empty part, . or .. would change the meaning of the path: {self.parts}")

    @property
    def reads(self) -> bool:
        """True when sending it twice is the same as sending it once."""
        return self.method in ("GET", "HEAD")

    @property
    def target(self) -> str:
        """Path and query, quoted."""
        path = "/" + "/".join(quote(part, safe=",*") for part in self.parts)
        query = urlencode({key: _plain(value) for key, value in self.params.items()}, safe=",*")
        return f"{path}?{query}" if query else path

    @property
    def payload(self) -> str | None:
        """The body exactly as it is sent."""
        return None if self.body is None else json.dumps(self.body, ensure_ascii=False, separators=(",", ":"))

    def text(self) -> str:
        """The call for people: the first line is the request line, then the body."""
        line = f"{self.method} {self.target}"
        return line if self.body is None else f"{line}\n{json.dumps(self.body, ensure_ascii=False, indent=2)}"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(value)
    return str(value)
