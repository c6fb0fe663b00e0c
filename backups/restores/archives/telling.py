"""Says how far a restore is, for its page."""

from backups import clock
from backups.archives.format.errors import Cancelled
from backups.runs import Turn


class Telling:
    """Called with bytes that were done; ends the work when the run was cancelled."""

    def __init__(self, turn: Turn, total: int):
        self.turn, self.done = turn, 0
        self.facts = {"bytes_total": total, "since": clock.now().isoformat()}

    def __call__(self, count: int) -> None:
        if self.turn.cancel_requested:
            raise Cancelled("cancelled")
        self.done += count
        self.turn.progress = self.facts | {"bytes_done": self.done, "at": clock.now().isoformat()}
