"""Benchmarks: the console beside what people use today, in the same run on the same machine.

    python tests/bench/run.py [NAME]

One line a row: name, ours, peer, ratio, bar, ok or short. Medians of interleaved repetitions. Exits 1 when a row is
short, and when a peer could not be measured. Each benchmark has a process and a console of its own.
"""

import importlib
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

BENCHMARKS = ("snapshot", "run_list", "refresh", "lists", "watching", "verify", "archives", "restores", "file_plans")


@dataclass(frozen=True)
class Row:
    """``met`` is None when the peer could not be measured."""

    name: str
    ours: str
    peer: str
    ratio: str
    bar: str
    met: bool | None

    def __str__(self) -> str:
        verdict = {True: "ok", False: "short", None: "not measured"}[self.met]
        return f"{self.name:<34} {self.ours:>12} {self.peer:>12} {self.ratio:>8}  {self.bar:<28} {verdict}"


def main() -> None:
    print(f"{'name':<34} {'ours':>12} {'peer':>12} {'ratio':>8}  bar", flush=True)
    if len(sys.argv) > 1:
        sys.exit(0 if measure(sys.argv[1]) else 1)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as processes:
        sys.exit(0 if all([*processes.map(measure, BENCHMARKS)]) else 1)


def measure(name: str) -> bool:
    """Print the rows of a benchmark; whether all of them are met."""
    met = []
    for row in importlib.import_module(f"tests.bench.{name}").rows():
        print(row, flush=True)
        met.append(row.met)
    return bool(met) and all(met)


if __name__ == "__main__":
    # Benchmarks import Row from this module; it must be one module, not __main__ and its twin.
    from tests.bench import run

    run.main()
