"""The fault run: real consoles (web, worker, database) at work on snapshots and archives, while faults strike.

    python tests/faults/run.py 40 [--database sqlite|postgres] [--broker redis] [--seed 7]

Prints one table a database, and exits 1 when something was lost, doubled or left behind. On PostgreSQL there are two
hosts. Elasticsearch is the fake one of the tests, in this process: it keeps working while consoles die, and counts
the creates that it accepted for each name.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.faults.place import Place, apart  # noqa: E402

BAD = ("lost", "doubled", "effects missing", "left behind", "wrong histories", "orphans")
SHOWN = ("runs", "succeeded", *BAD, "chain", "seconds")


def main() -> int:
    asked = arguments()
    if not asked.database:
        each = [subprocess.run([sys.executable, *sys.argv, "--database", name]) for name in ("sqlite", "postgres")]
        return max(done.returncode for done in each)
    apart()
    place = Place(asked.database, asked.broker)
    if asked.database == "sqlite" and not place.small_disk:
        print("not tested: disk full (no disk can be mounted here)", flush=True)
    print(f"{asked.faults} faults on {asked.database}, seed {asked.seed}, hosts {', '.join(place.hosts)}", flush=True)
    os.environ |= {name: v for name, v in place.environ("a").items() if name != "PYTHONPATH"}
    bad = True
    try:
        figures = burn(place, asked)
        print(as_table(figures), flush=True)
        bad = any(figures[name] for name in BAD) or figures["chain"] != "intact"
    finally:
        place.leave(keep_logs=bad)
    return int(bad)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("faults", type=int)
    parser.add_argument("--database", choices=["sqlite", "postgres"])
    parser.add_argument("--broker", choices=["database", "redis"], default="database")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    return parser.parse_args()


def burn(place: Place, asked: argparse.Namespace) -> dict:
    import django

    django.setup()
    from tests.faults.fire import Fire

    began = time.monotonic()
    figures = Fire(place, asked.faults, asked.seed).burn()
    return figures | {"seconds": round(time.monotonic() - began)}


def as_table(figures: dict) -> str:
    rows = [*figures["faults"].items(), ("", ""), *((name, figures[name]) for name in SHOWN)]
    width = max(len(name) for name, _ in rows)
    return "\n".join([*(f"{name:<{width}}  {value}" for name, value in rows), *figures["troubles"]])


if __name__ == "__main__":
    sys.exit(main())
