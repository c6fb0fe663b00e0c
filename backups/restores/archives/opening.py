"""Opens an archive to be restored, an encrypted one with a key that lies on the worker's host."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from backups.archives import cybersift_restore as reader
from backups.archives import reading
from backups.archives.format.age.keys import BadKey, Identity, parse_identities
from backups.archives.models import Archive

NO_KEY = "The archive is encrypted. Name a file with its key, which lies in {directory} on {host}."


@contextmanager
def opened(archive: Archive, identity: str) -> Iterator["reader.Archive | reader.Foreign"]:
    """``identity`` is the name of a file in IDENTITIES_DIR. Raises the reader's errors."""
    if not archive.encrypted or not identity:
        try:
            with reading.opened(archive) as found:
                yield found
        except reading.NoKey as error:
            where = {"directory": settings.IDENTITIES_DIR, "host": settings.WORKER_HOST}
            raise reader.Unavailable(NO_KEY.format(**where)) from error
        return
    with reading.decrypted(archive, identities=identities(identity)) as found:
        yield found


def identities(name: str) -> list[Identity]:
    """The keys in that file. Raises the reader's Unavailable."""
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise reader.Unavailable(f"Write the name of a file in {settings.IDENTITIES_DIR}, without a path.")
    path = settings.IDENTITIES_DIR / name
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, encoding="utf-8") as file:
            return parse_identities(file.read(1 << 20))
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise reader.Unavailable(f"The key file {path} cannot be read: {why}") from None
    except BadKey as error:
        raise reader.Unavailable(f"{path}: {error}") from None
