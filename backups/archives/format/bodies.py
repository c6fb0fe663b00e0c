"""The content of entries that own their blocks."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .blocks import LONGEST
from .headers import padding
from .pipeline import Pipeline, Progress


class Body(NamedTuple):
    """What was put in: bytes and SHA-256 (hex), without the padding."""

    size: int
    sha256: str

    @classmethod
    def of(cls, content: bytes) -> "Body":
        return cls(len(content), hashlib.sha256(content).hexdigest())


def put_body(pipeline: Pipeline, pieces: Iterable[bytes], progress: Progress | None = None) -> Body:
    """One block a piece; the last is filled to whole blocks of tar. Hashing runs beside compressing."""
    digest, size, held = hashlib.sha256(), 0, b""
    for piece in pieces:
        if held:
            pipeline.put(held)
        digest.update(piece)
        size, held = size + len(piece), piece
        if progress:
            progress.add(len(piece))
    if held:
        pipeline.put(held + padding(size))
    return Body(size, digest.hexdigest())


def gathered(chunks: Iterable[bytes], length: int = LONGEST) -> Iterator[bytes]:
    """The same bytes in pieces of ``length``, the last one shorter."""
    kept, size = [], 0
    for chunk in chunks:
        kept.append(chunk)
        size += len(chunk)
        if size >= length:
            whole = b"".join(kept)
            for start in range(0, size - size % length, length):
                yield whole[start : start + length]
            kept, size = [whole[size - size % length :]] if size % length else [], size % length
    if size:
        yield b"".join(kept)
