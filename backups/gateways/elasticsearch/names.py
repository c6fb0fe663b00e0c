"""Names that mean one thing only.

The server takes an empty list for "everything", ``-a`` and ``*`` for a choice, ``_all`` for all and ``<…>`` for date
math. None of these leaves the console.
"""

from collections.abc import Sequence


def exact(name: str) -> str:
    """The name of one repository, snapshot, index or alias. Found ones may break our own rule for names, but these
    raise ``ValueError``."""
    if not name or name[0] in "_-<" or any(character in name for character in "*?,"):
        raise ValueError(f"{name!r} is not the name of one repository, snapshot or index.")
    return name


def exact_list(names: Sequence[str], of: str) -> list[str]:
    """At least one name, each exact. ``of`` is what needs them ("A restore"), for the error."""
    if isinstance(names, str) or not names:
        raise ValueError(f"{of} needs at least one index: an empty list would mean all of them.")
    return [exact(name) for name in names]
