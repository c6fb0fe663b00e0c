"""What the benchmarks of archives pack: made once for a run, the same bytes each time."""

import json
import random
from array import array
from pathlib import Path

SMALL_FILES, A_DIRECTORY = 200_000, 100
TINY_FILES, TINY_PARTS = 1_000_000, 5
WEIGHTS_MIB = (512, 512, 400, 300, 200, 100, 20, 4)
LOGS, LOG_MIB = 50, 10


def small_files(root: Path) -> None:
    """Hyperparameters and results of experiments, 0.2 to 2 KB of JSON each."""
    noise = random.Random(2)
    for number in range(SMALL_FILES // A_DIRECTORY):
        folder = root / f"experiment{number // 100:03}" / f"run{number:05}"
        folder.mkdir(parents=True)
        for trial in range(A_DIRECTORY):
            (folder / f"trial-{trial:04}.json").write_text(json.dumps(_trial(noise, number, trial)))


def tiny_files(root: Path) -> None:
    """A million, in five equal parts."""
    for number in range(TINY_FILES // 1000):
        folder = root / f"part{number * TINY_PARTS * 1000 // TINY_FILES}" / f"{number:04}"
        folder.mkdir(parents=True)
        for name in range(1000):
            (folder / f"{name:04}.json").touch()


def _trial(noise: random.Random, run: int, trial: int) -> dict:
    metrics = {f"m{number}": noise.random() for number in range(noise.choice([2, 4, 8, 8, 16, 60]))}
    settings = {"lr": noise.random() * 1e-3, "batch": noise.choice([16, 32, 64, 128]), "seed": noise.getrandbits(32)}
    return {"run": run, "trial": trial, **settings, "metrics": metrics}


def weights(root: Path) -> None:
    """Float32 around 0, as models have them: 2 GB. One piece of 8 MB comes again and again, farther apart than any of
    the programs here looks back."""
    root.mkdir(parents=True)
    noise = random.Random(1)
    piece = array("f", (noise.gauss(0, 0.02) for _ in range(2 << 20))).tobytes()
    for number, mib in enumerate(WEIGHTS_MIB):
        with (root / f"model-{number:05}.bin").open("wb") as file:
            for _ in range(mib // 8 or 1):
                file.write(piece[: mib << 20])


def logs(root: Path) -> None:
    """Lines of text, 0.5 GB."""
    root.mkdir(parents=True)
    noise = random.Random(3)
    words = [
        "ERROR",
        "INFO",
        "WARN",
        "DEBUG",
        "processor",
        "flowfile",
        "queue",
        "timeout",
        "session",
        "commit",
        "redis",
    ]
    for number in range(LOGS):
        lines, size = [], 0
        while size < LOG_MIB << 20:
            text = " ".join(noise.choices(words, k=6))
            lines.append(
                f"{1.7e9 + noise.random() * 1e6:.3f} {text} id={noise.getrandbits(32):08x} took {size % 9973} ms\n"
            )
            size += len(lines[-1])
        (root / f"app-{number:03}.log").write_text("".join(lines))


def redis_commands(keys: int):
    """Commands that fill a server: strings of which some expire, hashes, lists, sets, sorted sets, big values."""
    noise = random.Random(4)
    for number in range(keys):
        kind, name = number % 20, f"soc:{number % 97}:{number}"
        if kind < 10:
            expiry = ("PX", 10**10 + number) if kind < 3 else ()
            yield "SET", name, noise.randbytes(noise.randrange(8, 400)).hex(), *expiry
        elif kind < 14:
            yield "HSET", name, *(word for field in range(8) for word in (f"field{field}", noise.getrandbits(40)))
        elif kind < 16:
            yield "RPUSH", name, *(noise.getrandbits(32) for _ in range(12))
        elif kind < 18:
            yield "SADD", name, *(f"10.0.{noise.getrandbits(8)}.{noise.getrandbits(8)}" for _ in range(10))
        else:
            yield "ZADD", name, *(word for rank in range(10) for word in (noise.random(), f"host{rank}"))
    for number in range(200):
        yield "SET", f"model:{number}", noise.randbytes(1 << 20)
