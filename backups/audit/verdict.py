"""What a check of the log has seen so far, and the first thing that it found wrong."""

from dataclasses import dataclass, field

from . import chain


@dataclass
class Verdict:
    """``problem`` is empty when everything agrees. ``proven_until`` is the newest entry that a signed checkpoint in
    a file covers, ``proven_at`` the time of that checkpoint: what came later could be cut off unnoticed. Times are
    texts, as entries write them."""

    since: int
    seq: int = 0
    head_digest: str = chain.FIRST
    head_at: str = ""
    problem: str = ""
    first_bad: int | None = None
    proven_until: int = 0
    proven_at: str = ""
    checkpoints: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def intact(self) -> bool:
        return not self.problem

    def fail(self, problem: str, seq: int | None = None) -> "Verdict":
        """Keep the first problem; later ones follow from it. ``seq`` leads to an entry: numbers begin with 1."""
        if not self.problem:
            self.problem, self.first_bad = problem, seq if seq and seq > 0 else None
        return self
