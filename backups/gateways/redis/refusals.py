"""Turns an error line of Redis into one of our errors. Its first word says which kind it is."""

from . import errors

WORDS: dict[str, tuple[type[errors.Answered], str]] = {
    "WRONGPASS": (
        errors.BadCredential,
        "Redis refused the user name or the password. Check both; without a user name the password is that of the "
        "user 'default'.",
    ),
    "NOAUTH": (errors.BadCredential, "Redis wants a password and none was given. Enter the password of this server."),
    "NOMASTERLINK": (
        errors.NoPrimary,
        "This server is a replica that has lost its primary, so it hands out no copy of its data. Wait until they "
        "are connected again, or back up the primary.",
    ),
    "MASTERDOWN": (
        errors.NoPrimary,
        "This server is a replica that has lost its primary and answers no questions meanwhile. Wait until they are "
        "connected again, or use the primary.",
    ),
    "READONLY": (
        errors.ReadOnly,
        "This server is a replica and takes no writes. Give the address of the primary.",
    ),
    "LOADING": (
        errors.Loading,
        "Redis is still reading its own data from disk. Try again when it has started.",
    ),
    "OOM": (
        errors.Full,
        "Redis has reached its maxmemory and takes no more data. Raise maxmemory or make room.",
    ),
    "MISCONF": (
        errors.Answered,
        "Redis takes no writes because it cannot save its own data to disk. Look at the server's log and its disk.",
    ),
    "DENIED": (
        errors.Forbidden,
        "Redis runs in protected mode and talks to its own machine only. Set a password, or connect from there.",
    ),
    "MOVED": (
        errors.Answered,
        "This key belongs to another server of the cluster. Clusters are not restored to yet.",
    ),
    "CROSSSLOT": (errors.Answered, "This server is part of a cluster. Clusters are not restored to yet."),
    "ERR": (errors.Answered, "Redis refused the command {command}."),
}
NONE_SET = "without any password configured"
NONE_ASKED = (
    "A password was given, but the server has none set. Take the password away, or set one on the server "
    "(requirepass or ACL SETUSER)."
)


def judge(line: str, command: str = "") -> errors.Answered:
    """The error for an error line. ``command`` is what was asked, in upper case; words that we do not know become
    ``Answered`` with the server's line as detail."""
    word = line.split(" ", 1)[0].upper()
    if word == "NOPERM":
        return forbidden(line, command)
    if "unknown command" in line.lower():
        return unsupported(line, command)
    if NONE_SET in line or line.startswith("ERR AUTH <password> called"):
        return errors.BadCredential(NONE_ASKED, line)
    if line.startswith("ERR invalid password"):  # before 6.0
        word = "WRONGPASS"
    kind, message = WORDS.get(word, WORDS["ERR"])
    return kind(message.format(command=command or "that it was sent"), line)


def forbidden(line: str, command: str) -> errors.Forbidden:
    what = "this key" if names_a_key(line) else f"the command {command}"
    return errors.Forbidden(
        f"The Redis user may not use {what}. Let the administrator of the server allow it with ACL SETUSER.",
        line,
        command=command,
    )


def unsupported(line: str, command: str) -> errors.Unsupported:
    return errors.Unsupported(
        f"The server does not know the command {command}: it is too old, or its provider has switched it off.", line
    )


def names_a_key(line: str) -> bool:
    """A NOPERM that is about a key, not about a command; the words differ between versions."""
    return "permissions to access" in line and "key" in line
