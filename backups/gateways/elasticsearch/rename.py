"""New names for restored indices, as the server makes them: Java's ``String.replaceAll``.

Pure, so that a plan can show the names before anything is sent. What Java and Python would read differently is
refused, also where the server would take it: a preview that is wrong is worse than none. Source: what real servers
made of the names, which is the table in the tests.
"""

import re
from collections.abc import Iterator, Sequence

FORBIDDEN = ' "*\\<|,>/?#:'
"""What no name of an index may hold, on any version."""

MOST_BYTES = 255
PLACE = "{index}"

# Unicode and classes within classes, blanks that do not count, and what either of the two does not know.
READ_DIFFERENTLY = re.compile(r"\\[pPQERGXhHNkvVbB]|&&|\[[^\]\\]*\[|\(\?(?:P|\(|#|[a-zA-Z-]*[aLuxUd])")

GROUP_NAME = re.compile(r"(?<!\\)\(\?<([A-Za-z][A-Za-z0-9]*)>")
REFERENCE = re.compile(
    r"\\(?P<literal>.)|\$\{(?P<name>[A-Za-z][A-Za-z0-9]*)\}|\$(?P<digits>[0-9]+)|(?P<text>[^\\$]+)", re.DOTALL
)
PYTHON_REFERENCE = re.compile(r"\\(?:[0-9]|g<)")


class BadRename(ValueError):
    """The message is a sentence for people: what is wrong, and what to write instead."""


def renamed(pattern: str, replacement: str, name: str) -> str:
    """The name that the server gives to a restored index; the same one where the pattern is not found in it.

    Every match is replaced, wherever it is found. ``$1`` and ``${name}`` are groups, ``\\$`` is a dollar sign.
    """
    expression = _compiled(pattern)
    pieces = list(_pieces(replacement, expression))
    return expression.sub(lambda found: _replaced(found, pieces, pattern), name)


def targets(indices: Sequence[str], rename: tuple[str, str] | None) -> dict[str, str]:
    """Each index with the name that it will have. Raises ``BadRename`` where a new name is not allowed, or two
    indices would get the same one."""
    if rename is None:
        return {index: index for index in indices}
    made: dict[str, str] = {}
    for index in indices:
        name = renamed(*rename, index)
        check_index_name(name)
        if name in made:
            raise BadRename(f"{made[name]} and {index} would both become {name}. Keep what tells them apart.")
        made[name] = index
    return {index: name for name, index in made.items()}


def template_rename(template: str) -> tuple[str, str]:
    """Pattern and replacement for a name like ``restored-{index}``."""
    before, found, after = template.partition(PLACE)
    if not found or PLACE in after:
        raise BadRename(f"The new name must hold {PLACE} exactly once, like restored-{PLACE}.")
    return "^(.+)$", f"{_literal(before)}$1{_literal(after)}"


def check_index_name(name: str) -> None:
    """Raise ``BadRename`` unless every version takes this for the name of a new index."""
    if problem := _problem(name):
        raise BadRename(f"{name!r} cannot be the name of an index: it {problem}.")


def _problem(name: str) -> str:
    found = [character for character in FORBIDDEN if character in name]
    if not name:
        return "is empty"
    if name in (".", ".."):
        return "is . or .."
    if name[0] in "_-+":
        return "must not begin with _, - or +"
    if found:
        return f"must not hold {'a space' if found[0] == ' ' else found[0]}"
    if name != name.lower():
        return "must be in lower case"
    size = len(name.encode("utf-8", "replace"))
    return f"is too long: {size} bytes, and at most {MOST_BYTES} are allowed" if size > MOST_BYTES else ""


def _compiled(pattern: str) -> re.Pattern:
    if not pattern:
        raise BadRename("The pattern is empty. Write ^(.+)$ for the whole name.")
    if found := READ_DIFFERENTLY.search(pattern):
        raise BadRename(
            f"The console cannot foresee what {found[0]} in the pattern does on the server. Write it in another way."
        )
    try:
        return re.compile(GROUP_NAME.sub(r"(?P<\1>", pattern), re.ASCII)
    except (re.error, ValueError, OverflowError, RecursionError) as error:
        raise BadRename(f"The pattern is not a regular expression: {error}.") from None


def _pieces(replacement: str, expression: re.Pattern) -> Iterator[str | int]:
    """Literal text, and the numbers of groups."""
    at = 0
    while at < len(replacement):
        if found := PYTHON_REFERENCE.match(replacement, at):
            raise BadRename(f"The server reads {found[0]} as plain text. A group is written $1, or ${{name}}.")
        found = REFERENCE.match(replacement, at)
        if not found:
            raise BadRename(
                "The replacement has a $ or \\ that stands alone. A group is written $1, a dollar sign \\$."
            )
        at = found.end()
        yield from _piece(found, expression)


def _piece(found: re.Match, expression: re.Pattern) -> Iterator[str | int]:
    if (name := found["name"]) is not None:
        if name not in expression.groupindex:
            raise BadRename(f"The replacement names the group {name}, which the pattern does not have.")
        yield expression.groupindex[name]
    elif (digits := found["digits"]) is not None:
        yield from _numbered(digits, expression.groups)
    else:
        yield found["literal"] or found["text"]


def _numbered(digits: str, groups: int) -> Iterator[str | int]:
    """As many digits as make a group that exists; the others are text, so ``$10`` can be group 1 and a 0."""
    if int(digits[0]) > groups:
        raise BadRename(
            f"The replacement uses ${digits[0]}, but the pattern has {groups or 'no'} "
            f"{'group' if groups == 1 else 'groups'}. A group is written in round brackets."
        )
    size = 1
    while size < len(digits) and int(digits[: size + 1]) <= groups:
        size += 1
    yield int(digits[:size])
    yield digits[size:]


def _replaced(found: re.Match, pieces: list[str | int], pattern: str) -> str:
    if found.start() == found.end():
        raise BadRename(
            f"The pattern {pattern} also matches where there is no text, so the replacement would appear twice. "
            "Write ^(.+)$ for the whole name."
        )
    return "".join(piece if isinstance(piece, str) else found[piece] or "" for piece in pieces)


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("$", "\\$")
