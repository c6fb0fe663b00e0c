"""What somebody can do to the log, what he holds, and what shows it. The tests do every cell, and the same table
stands in docs/security.md:

    python -m tests.audit.attack_table
"""

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

# The log that is attacked: entries 1 to 25, signed after 10 and after 20.
SIGNED, WRITTEN = 20, 25

CHAIN, MAC, ROW, FILE, SIGNATURE = "chain", "MAC", "checkpoint row", "checkpoint file", "signature"
NOT_PROVABLE, ELSEWHERE, NEVER = "*not provable*", "a copy elsewhere", "*nothing*"

HOLDS = ("the database", "+ MAC key", "+ signing key", "+ checkpoint file")
SAYS = {
    CHAIN: "Entry 5: |The head",
    MAC: r"Entry \d+: was not written by this console: its MAC is wrong",
    FILE: r"Entry \d+ (is not the one that|was cut off:) \S+\.jsonl line \d+ vouches for",
    ROW: r"Entry \d+ (is not the one that|was cut off:) checkpoint row \d+ vouches for",
    SIGNATURE: "was not signed with this console's key",
}


class Attack(NamedTuple):
    """``shown``: by what, for each of HOLDS; empty where he does not hold what he needs."""

    what: str
    do: Callable
    shown: tuple[str, str, str, str]


def edit(attacker):
    attacker.edit(5, reason="another reason")


def delete(attacker):
    attacker.delete(5)


def set_back(attacker):
    from backups.audit.models import AuditEntry

    attacker.edit(5, at=AuditEntry.objects.get(seq=5).at - timedelta(days=1))
    attacker.hash_again(5)


def delete_and_renumber(attacker):
    attacker.delete(5)
    attacker.close_the_gap(after=5)
    attacker.hash_again(5)


def edit_and_hash(attacker):
    attacker.edit(5, reason="another reason")
    attacker.hash_again(5)


def sign_with_own_key(attacker):
    edit_and_hash(attacker)
    attacker.sign_again(attacker.own_key)


def sign_with_stolen_key(attacker):
    from backups.audit import keys

    edit_and_hash(attacker)
    attacker.sign_again(keys.signing_key())


def cut_entries(attacker):
    attacker.cut(after=15)
    attacker.cut_checkpoint_lines(after=15)


def cut_entries_and_checkpoints(attacker):
    cut_entries(attacker)
    attacker.cut_checkpoint_rows(after=15)


def begin_anew(attacker):
    attacker.wipe()


def edit_the_newest(attacker):
    attacker.edit(23, reason="another reason")
    attacker.hash_again(23)


def cut_the_newest(attacker):
    attacker.cut(after=22)


def append(attacker):
    attacker.append("what nobody did")


ATTACKS = (
    Attack("edit an entry", edit, (CHAIN, CHAIN, CHAIN, CHAIN)),
    Attack("delete an entry in the middle", delete, (CHAIN, CHAIN, CHAIN, CHAIN)),
    Attack("set an entry back in time, hash again", set_back, (MAC, CHAIN, CHAIN, CHAIN)),
    Attack("delete an entry, renumber and hash again", delete_and_renumber, (MAC, FILE, FILE, FILE)),
    Attack("edit an entry, hash everything after it again", edit_and_hash, (MAC, FILE, FILE, FILE)),
    Attack("… and sign with a key of his own", sign_with_own_key, (MAC, FILE, FILE, SIGNATURE)),
    Attack("… and sign with the stolen key", sign_with_stolen_key, ("", "", FILE, ELSEWHERE)),
    Attack("cut the last entries, leave the checkpoint rows", cut_entries, (FILE, FILE, FILE, ROW)),
    Attack("cut entries and their checkpoints", cut_entries_and_checkpoints, (FILE, FILE, FILE, ELSEWHERE)),
    Attack("delete everything, begin a new log", begin_anew, (FILE, FILE, FILE, ELSEWHERE)),
    Attack("edit after the last checkpoint, hash again", edit_the_newest, (MAC, *[NOT_PROVABLE] * 3)),
    Attack("cut after the last checkpoint", cut_the_newest, (NOT_PROVABLE,) * 4),
    Attack("append an entry about what nobody did", append, (MAC, NEVER, NEVER, NEVER)),
)


def as_markdown() -> str:
    head = [f"| Attack by somebody who has | {' | '.join(HOLDS)} |", "| --- " * 5 + "|"]
    return "\n".join([*head, *(f"| {a.what} | {' | '.join(shown or '–' for shown in a.shown)} |" for a in ATTACKS)])


if __name__ == "__main__":
    print(as_markdown())
