"""The directory of a location, as it may be written down. Pure: nothing is looked at."""

import os
from pathlib import PurePosixPath

LONGEST = 1000


class BadPath(ValueError):
    """Not a directory that archives may lie in; the message is for the person who wrote it."""


def clean(text: str, keys_dir: str) -> str:
    """The path without what says nothing: doubled slashes, dots, one at the end. Raises BadPath."""
    if not text.startswith("/"):
        raise BadPath("Write the directory from the root on, like /srv/archives.")
    if len(text) > LONGEST:
        raise BadPath(f"Write the directory with at most {LONGEST:,} characters.")
    if not text.isprintable():
        raise BadPath("The directory contains a character that cannot be shown.")
    if ".." in PurePosixPath(text).parts:
        raise BadPath("The directory contains '..'. Write the whole path.")
    path = "/" + os.path.normpath(text).lstrip("/")
    if path == "/":
        raise BadPath("Archives cannot lie in the root directory. Make a directory for them.")
    if PurePosixPath(path).is_relative_to(keys_dir):
        raise BadPath(f"{keys_dir} holds the console's own keys. Choose another directory.")
    return path
