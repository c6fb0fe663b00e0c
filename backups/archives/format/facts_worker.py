"""A helper process: ``python -m backups.archives.format.facts_worker SECONDS MEMORY TEXT < ARCHIVE``.

It opens an archive that anybody may have made, with so many seconds of the processor and bytes of memory, and prints
JSON: one line of what the head of its manifest says (``codec``, ``foreign`` and ``of_head``), then one of ``of_all``,
if the manifest has at most TEXT bytes. What stands against it is a line with ``error`` (the name of the reader's
exception, or TOO_MUCH) and ``text``.
"""

import json
import os
import resource
import sys
from collections.abc import Iterator

from backups.archives import cybersift_restore as reader

from . import facts

TOO_MUCH = "TooMuch"


def main(seconds: int, memory: int, text: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))  # SIGXCPU, by which the caller sees why it died
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    try:
        with os.fdopen(0, "rb") as file:
            for found in told(reader.Source(file), text):
                say(found)
    except MemoryError:
        say({"error": TOO_MUCH})
    except reader.ArchiveError as error:
        say({"error": type(error).__name__, "text": str(error)})


def say(what: dict) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


def told(source: "reader.Source", text: int) -> Iterator[dict]:
    codec = reader.codec_of(source)
    footer = codec.footer(source)
    known = {"codec": type(codec).__name__, "foreign": footer is None}
    if footer is None:
        found = reader.opened(source)
        if not isinstance(codec, reader.ZstdBlocks):  # that one may need another program
            next(found.walk(), None)
        yield known
        return
    head = facts.read_head(source, codec, *footer)
    yield known | facts.of_head(head.line, footer[0])
    if head.size > text:
        raise MemoryError
    yield facts.few(facts.of_all(reader.opened(source)))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
