"""Runs under kill -9, one after the other, and what each of them leaves.

    python tests/faults/crash.py 100 [--of archives|indices|files|full-disk] [--seed 7]

Where ``run.py`` looks at everything at its end, this looks after every single kill. ``indices`` and ``files`` are
restores: on a real Elasticsearch, and from an archive with files and Redis data; for ``full-disk`` the disk is filled
in the middle of them instead. Prints a table, and exits 1 when anything is wrong.
"""

import argparse
import importlib
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.faults.place import Place, apart  # noqa: E402

WHAT = {
    "archives": "tests.faults.crashes:Crashes",
    "indices": "tests.faults.index_kills:IndexKills",
    "files": "tests.faults.file_kills:FileKills",
    "full-disk": "tests.faults.full_disk:FullDisk",
}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("kills", type=int)
    parser.add_argument("--of", choices=WHAT, default="archives")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    if asked.of == "full-disk":
        apart()
    place = Place("sqlite", "database")
    print(f"{asked.kills} kills of {asked.of}, seed {asked.seed}", flush=True)
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
    module, name = WHAT[asked.of].split(":")
    began, kills = time.monotonic(), getattr(importlib.import_module(module), name)(place, asked.seed)
    if kills.missing:
        print(f"not tested: {kills.missing}", flush=True)
        kills.leave()
        return []
    kills.burn(asked.kills)
    for name, count in [*sorted(kills.seen.items()), ("seconds", round(time.monotonic() - began))]:
        print(f"{name:<40} {count}")
    print("\n".join(kills.wrong) or "nothing is wrong", flush=True)
    return kills.wrong


if __name__ == "__main__":
    sys.exit(main())
