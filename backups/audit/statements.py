"""Which signed statements a check of some entries needs: each once, be it a line of a file, a row, or both."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from django.conf import settings
from django.db.models import Max, Q

from . import checkpoints
from .models import AuditHead, Checkpoint

CHUNK = 1000

Placed = tuple[str, dict | None]


class Statements:
    """Statements about the entries after ``since`` up to ``until``, those that name entries beyond the head, and the
    newest one about what came before: it vouches for all of that.

    ``copies`` are files that were kept elsewhere. Once all were read, ``proven_until`` and ``proven_at`` say how far
    the files reach, ``missing`` which rows of this host lack their line in the file, and ``late`` which of them lack
    it only because the file was copied before the database.
    """

    def __init__(self, since: int, until: int, copies: Iterable[Path] = ()) -> None:
        self.after = since or -1  # a checkpoint of the empty log belongs to the beginning
        self.until = until
        self.copies = copies
        self.head = AuditHead.objects.filter(pk=1).values_list("seq", flat=True).first() or 0
        # Asked before the files are read: a line is always there before its row.
        self.newest_row = Checkpoint.objects.aggregate(newest=Max("pk"))["newest"] or 0
        self.proven_until, self.proven_at = 0, ""
        self.missing: list[str] = []
        self.late: list[str] = []
        self._seen: set[tuple] = set()
        self._before: Placed | None = None

    def __iter__(self) -> Iterator[Placed]:
        yield from self._lines(checkpoints.from_files())
        yield from self._rows()  # before the copies, which must not stand in for lines of the file
        yield from self._lines(checkpoints.from_copies(self.copies))
        if self._before:
            yield self._before

    def _lines(self, lines: Iterable[Placed]) -> Iterator[Placed]:
        for place, statement in lines:
            if statement is None:
                yield place, None
                continue
            seq = statement["seq"]
            proven = max((self.proven_until, self.proven_at), (seq, str(statement.get("at"))))
            self.proven_until, self.proven_at = proven
            if self._concerns(seq):
                if _key(statement) not in self._seen:
                    self._seen.add(_key(statement))
                    yield place, statement
            elif seq <= self.after and (self._before is None or seq > self._before[1]["seq"]):
                self._before = place, statement

    def _rows(self) -> Iterator[Placed]:
        late = set(checkpoints.rows_after_file().values_list("pk", flat=True))
        concerned = Q(seq__gt=self.after, seq__lte=self.until) | Q(seq__gt=self.head)
        for row in _in_chunks(Checkpoint.objects.filter(concerned, pk__lte=self.newest_row)):
            statement = checkpoints.statement_of(row)
            if _key(statement) not in self._seen:
                self._without_line(row, late)
                yield _place(row), statement
        earlier = Checkpoint.objects.filter(seq__lte=self.after, pk__lte=self.newest_row)
        before = earlier.order_by("-seq", "-pk").first()
        if before and (self._before is None or before.seq > self._before[1]["seq"]):
            self._without_line(before, late)
            self._before = _place(before), checkpoints.statement_of(before)

    def _concerns(self, seq: int) -> bool:
        return self.after < seq <= self.until or seq > self.head

    def _without_line(self, row: Checkpoint, late: set[int]) -> None:
        if row.host == settings.WORKER_HOST:  # the files of other hosts are on other hosts
            (self.late if row.pk in late else self.missing).append(_place(row))


def _in_chunks(rows) -> Iterator[Checkpoint]:
    """Not one open cursor: a check may be put aside between two rows."""
    after = -(2**63)
    while chunk := list(rows.filter(pk__gt=after).order_by("pk")[:CHUNK]):
        yield from chunk
        after = chunk[-1].pk


def _place(row: Checkpoint) -> str:
    return f"checkpoint row {row.pk}"


def _key(statement: dict) -> tuple:
    return statement["seq"], *(str(statement.get(name)) for name in ("at", "digest", "host", "signature"))
