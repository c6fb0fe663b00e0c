"""One line under "Needs attention"."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Trouble:
    """``kind`` is fail or warn. ``key`` is a stable id for its link."""

    kind: str
    icon: str
    title: str
    text: str
    url: str
    key: str
