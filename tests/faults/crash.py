"""Runs of archives under kill -9, one after the other, and what each of them leaves.

    python tests/faults/crash.py 100 [--seed 7]

Where ``run.py`` looks at everything at its end, this looks after every single kill. Prints a table, and exits 1 when
anything is wrong.
"""

import argparse
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.faults.place import Place  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("kills", type=int)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    place = Place("sqlite", "database")
    print(f"{asked.kills} kills, seed {asked.seed}", flush=True)
    os.environ |= place.environ("a")
    bad = True
    try:
        bad = bool(burn(place, asked))
    finally:
        place.leave(keep_logs=bad)
    return int(bad)


def burn(place: Place, asked: argparse.Namespace) -> list[str]:
    """Prints what happened, and returns what is wrong."""
    import django

    django.setup()
    from tests.faults.crashes import Crashes

    began, crashes = time.monotonic(), Crashes(place, asked.seed)
    crashes.burn(asked.kills)
    for name, count in [*sorted(crashes.seen.items()), ("seconds", round(time.monotonic() - began))]:
        print(f"{name:<40} {count}")
    print("\n".join(crashes.wrong) or "nothing is wrong", flush=True)
    return crashes.wrong


if __name__ == "__main__":
    sys.exit(main())
