"""Archives beside the programs that people use: the same work, one after the other, in a fresh folder each round.

Writing is timed from the first read to the closed file, on a file system in memory, so that syncing costs nothing for
anyone; ours also takes SHA-256 of every file and writes its manifest. Reading is timed as a whole process. Corpora:
``corpora``.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench import corpora
from tests.bench.run import Row

ROUNDS, REDIS_KEYS, REDIS_MB = 3, 1_000_000, 64
PIECE = 4 << 20
IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own in there
NEEDED = 16 << 30
PACK_MB, GROWTH_MB = 300, 20
HERE = Path(__file__).resolve().parents[2]
INSTALLED = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""A program that is installed is compiled once, not each time it starts."""


def rows() -> Iterator[Row]:
    fits = IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > NEEDED
    with tempfile.TemporaryDirectory(dir=IN_MEMORY if fits else None, prefix="console-bench-") as folder:
        place = Place(Path(folder))
        yield from _files(place)
    yield from _redis()


class Place:
    """Fresh folders; corpora and archives are made when they are first asked for."""

    def __init__(self, root: Path) -> None:
        self.root, self.count = root, 0

    def fresh(self) -> Path:
        self.count += 1
        folder = self.root / f"round{self.count}"
        folder.mkdir()
        return folder

    def corpus(self, name: str) -> Path:
        root = self.root / name
        if not root.exists():
            getattr(corpora, name)(root)
        return root


def _files(place: Place) -> Iterator[Row]:
    for name, codec, peer, bar in (
        ("small_files", "tar", "tar cf - -C {0} .", 1.25),
        ("small_files", "gz", "tar cf - -C {0} . | zstd -q -3 -T2", 1.25),
        ("weights", "gz", "tar cf - -C {0} . | zstd -q -3 -T2", 0.85),
        ("logs", "gz", "tar cf - -C {0} . | zstd -q -1 -T2", 0.8),
    ):
        corpus = place.corpus(name)
        yield beside(
            f"pack {name.replace('_', ' ')}, {codec}",
            lambda corpus=corpus, codec=codec: pack(corpus, place.fresh() / "out", codec),
            lambda corpus=corpus, peer=peer: shell(peer.format(corpus) + f" > {place.fresh()}/out"),
            bar,
        )
        if name == "logs":
            shutil.rmtree(corpus)
    yield _encrypting(place)
    yield from _memory(place)
    yield from _reading(place)


def _encrypting(place: Place) -> Row:
    """1 GiB of the weights as it is. Ours is timed in this process, from the first byte read to the closed file, with
    its SHA-256; age as a whole process."""
    from backups.archives.format.age.keys import Identity

    weights, plain = place.corpus("weights"), place.root / "plain"
    shell(f"cat {weights}/model-0000[01].bin > {plain}")
    recipient = Identity(os.urandom(32)).recipient
    return beside(
        "encrypt 1 GiB",
        lambda: _encrypt(plain, _emptied(place) / "out.age", recipient),
        lambda: shell(f"age -r {recipient} -o {_emptied(place)}/out.age {plain}"),
        1.2,
        program=("age", "age"),
    )


def _encrypt(plain: Path, path: Path, recipient) -> float:
    from backups.archives.format.age.sealing import SealedOutput

    began = time.perf_counter()
    output = SealedOutput(path, [recipient])
    with plain.open("rb", buffering=0) as file:
        while piece := file.read(PIECE):
            output.write(piece)
    output.finish()
    return time.perf_counter() - began


PACK = """
import re, sys
from pathlib import Path
from backups.archives.format.writer import About, ArchiveWriter
most = {}
def look(*_):
    # Helpers end with their tree: their peaks are taken while they live, and added up with our own.
    for process in [*Path(f"/proc/self/task/{threads[0]}/children").read_text().split(), "self"]:
        status = Path(f"/proc/{process}/status").read_text()
        most[process] = int(re.search(r"VmHWM:\\s+(\\d+)", status)[1])
threads = [path.name for path in Path("/proc/self/task").iterdir()]
with ArchiveWriter(Path(sys.argv[1]), About("bench"), progress=look) as writer:
    for root in sys.argv[2:]:
        writer.add_tree(Path(root).name, Path(root))
    writer.finish()
look()
print(sum(most.values()) // 1024)
"""


def _memory(place: Place) -> Iterator[Row]:
    """Our own process and its helpers, the memory that they share counted for each."""
    many = place.corpus("tiny_files")
    part, all_of_it = _megabytes(place, many / "part0"), _megabytes(place, many)
    most = max(all_of_it, _megabytes(place, place.corpus("weights"), place.corpus("small_files")))
    yield Row("memory of packing", f"{most} MB", "–", "–", f"at most {PACK_MB} MB", most <= PACK_MB)
    more = all_of_it - part
    yield Row("200,000 to 1,000,000 files", f"{more} MB", "–", "–", f"at most {GROWTH_MB} MB", more <= GROWTH_MB)
    shutil.rmtree(many)


def _megabytes(place: Place, *roots: Path) -> int:
    command = [sys.executable, "-c", PACK, str(place.fresh() / "out"), *map(str, roots)]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(HERE)}
    )
    return int(done.stdout)


def _reading(place: Place) -> Iterator[Row]:
    small, big = place.root / "small.tar.gz", place.root / "weights.tar.gz"
    for archive, name in ((small, "small_files"), (big, "weights")):
        pack(place.corpus(name), archive, "gz")
        shutil.rmtree(place.root / name)
    yield beside(
        "extract small files, checked",
        lambda: _program("extract", small, "--to", place.fresh() / "to"),
        lambda: shell(f"tar xzf {small} -C {place.fresh()}"),
        1.2,
    )
    yield beside("verify small files", lambda: _program("verify", small), lambda: shell(f"gzip -t {small}"), 1.5)
    yield beside(
        "list small files", lambda: _program("list", small), lambda: shell(f"tar tzf {small} > /dev/null"), 0.4
    )
    yield beside(
        "extract weights, checked",
        lambda: _program("extract", big, "--to", _emptied(place) / "to"),
        lambda: shell(f"igzip -d -c {big} | tar x -C {_emptied(place)}"),
        0.6,
        program=("igzip", "isal"),
    )


def _emptied(place: Place) -> Path:
    """A fresh folder, when those of the rounds before are gone: there are few files in them, and gigabytes."""
    for folder in place.root.glob("round*"):
        shutil.rmtree(folder)
    return place.fresh()


def beside(name: str, ours: Callable, peer: Callable, bar: float, program: tuple[str, str] = ()) -> Row:
    if program and not shutil.which(program[0]):
        from deploy.sandbox import packages

        try:
            packages.program(*program, print)
        except packages.Missing:
            return Row(name, "–", "–", "–", f"at most {bar}", None)
    times: dict[Callable, list[float]] = {ours: [], peer: []}
    for turn in range(ROUNDS):
        for work in (ours, peer) if turn % 2 else (peer, ours):
            times[work].append(work())
    a, b = statistics.median(times[ours]), statistics.median(times[peer])
    return Row(name, f"{a:.2f} s", f"{b:.2f} s", f"{a / b:.2f}", f"at most {bar}", a / b <= bar)


def pack(corpus: Path, path: Path, codec: str) -> float:
    from backups.archives.format.writer import About, ArchiveWriter

    began = time.perf_counter()
    with ArchiveWriter(path, About("bench"), codec_name=codec) as writer:
        writer.add_tree("corpus", corpus)
        writer.finish()
    return time.perf_counter() - began


def _program(*arguments) -> float:
    """The console's own reader; the portable one is the same program in ``backups.archives.cybersift_restore``."""
    return _timed([sys.executable, "-m", "backups.archives.format.fast", *map(str, arguments)])


def shell(line: str) -> float:
    return _timed(["bash", "-o", "pipefail", "-c", line])


def _timed(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=HERE, env=INSTALLED)
    return time.perf_counter() - began


COPY = """
import re, sys, time
from pathlib import Path
from backups.gateways.redis.access import RedisAccess
from backups.gateways.redis.sync import rdb_by_sync
began = time.perf_counter()
with open(sys.argv[2], "wb") as file:
    for piece in rdb_by_sync(RedisAccess(port=int(sys.argv[1]))):
        file.write(piece)
seconds = time.perf_counter() - began
# Not ru_maxrss: it has the memory of the process that started this one.
print(seconds, int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def _redis() -> Iterator[Row]:
    with _server() as source, _server() as target, tempfile.TemporaryDirectory(prefix="console-bench-") as folder:
        _fill(source)
        dump, memory = Path(folder) / "dump.rdb", []
        yield beside(
            f"Redis, {REDIS_KEYS:,} keys, backup",
            lambda: _copy(source, dump, memory),
            lambda: shell(f"redis-cli -p {source.port} --rdb {folder}/peer.rdb 2>/dev/null"),
            1.15,
        )
        most = max(memory)
        yield Row("memory of the backup", f"{most} MB", "–", "–", f"at most {REDIS_MB} MB", most <= REDIS_MB)
        records = list(_records(source))
        yield beside(
            f"Redis, {REDIS_KEYS:,} keys, restore",
            lambda: _restore(target, dump),
            lambda: _replay(target, records),
            1.2,
        )


@contextmanager
def _server() -> Iterator:
    from deploy.sandbox.redis import Redis

    server = Redis(options=["--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0"])
    try:
        yield server
    finally:
        server.stop()


def _fill(server) -> None:
    from backups.gateways.redis.resp import pack

    feed = subprocess.Popen(
        ["redis-cli", "-p", str(server.port), "--pipe"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    for words in corpora.redis_commands(REDIS_KEYS):
        feed.stdin.write(pack(*words))
    feed.stdin.close()
    assert feed.wait() == 0


def _copy(server, dump: Path, memory: list[int]) -> float:
    command = [sys.executable, "-c", COPY, str(server.port), str(dump)]
    seconds, megabytes = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    memory.append(int(megabytes))
    return float(seconds)


def _restore(server, dump: Path) -> float:
    from backups.gateways.redis.access import RedisAccess
    from backups.gateways.redis.restore import REPLACE, Restore

    _empty(server)
    began = time.perf_counter()
    with dump.open("rb") as file:
        outcome = Restore(RedisAccess(port=server.port), REPLACE).run(file)
    assert not outcome.refused
    return time.perf_counter() - began


def _records(server) -> Iterator[bytes]:
    """Each key as the command that restores it, dumped by the server itself."""
    import redis

    from backups.gateways.redis.resp import pack

    client = redis.Redis(port=server.port)
    names, moment = list(client.scan_iter(count=10_000)), 10**13
    for start in range(0, len(names), 500):
        pipe = client.pipeline(transaction=False)
        for name in names[start : start + 500]:
            pipe.dump(name).pexpiretime(name)
        answers = pipe.execute()
        for name, value, expires in zip(names[start:], answers[::2], answers[1::2], strict=False):
            yield pack("RESTORE", name, min(max(expires, 0), moment), value, "REPLACE", "ABSTTL")


def _replay(server, records: list[bytes]) -> float:
    """The least that a restore can be: ready commands, 500 at a time, and a look at each answer."""
    import socket

    import hiredis

    _empty(server)
    began, reader = time.perf_counter(), hiredis.Reader()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        for start in range(0, len(records), 500):
            portion = records[start : start + 500]
            connection.sendall(b"".join(portion))
            for _ in portion:
                while (answer := reader.gets()) is False:
                    reader.feed(connection.recv(1 << 16))
                assert answer == b"OK", answer
    return time.perf_counter() - began


def _empty(server) -> None:
    subprocess.run(["redis-cli", "-p", str(server.port), "flushall"], check=True, stdout=subprocess.DEVNULL)
