"""``manage.py audit_verify`` on a million entries with a thousand checkpoints, from its start to its verdict.

The peer is what an auditor would write for an export: a few lines of Python that compare digests and links. It does
not look at MACs, columns, times, the head or checkpoints. Other work on the machine shows in the rate, hardly in the
seconds of CPU, which stand beside the bar.
"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.bench.console import ROOT, set_up
from tests.bench.history import seed_entries
from tests.bench.run import Row

ENTRIES, CHECKPOINTS, REPETITIONS, BAR = 1_000_000, 1_000, 3, 100_000
PEER = """
import hashlib, json, sys
before = "0" * 64
for line in open(sys.argv[1]):
    entry = json.loads(line)
    assert hashlib.sha256(entry["text"].encode()).hexdigest() == entry["digest"]
    assert json.loads(entry["text"])["prev"] == before
    before = entry["digest"]
"""


def rows() -> list[Row]:
    home = set_up()
    _seed()
    export = _export(home / "audit-log.jsonl")
    ours, peer = [], []
    for _ in range(REPETITIONS):
        ours.append(_timed([str(ROOT / "manage.py"), "audit_verify"]))
        peer.append(_timed(["-c", PEER, str(export)]))
    a, b = statistics.median(ours)[0], statistics.median(peer)[0]
    cpu = statistics.median(cpu for _, cpu in ours)
    bar = f"at least {BAR:,}/s; {cpu:.1f} s of CPU"
    name = f"verify {ENTRIES:,} entries"
    return [Row(name, f"{ENTRIES / a:,.0f}/s", f"{ENTRIES / b:,.0f}/s", f"{a / b:.2f}", bar, ENTRIES / a >= BAR)]


def _seed() -> None:
    from backups.audit.checkpoints import make_checkpoint

    for _ in range(CHECKPOINTS // 100):
        seed_entries(ENTRIES * 100 // CHECKPOINTS)
        for _ in range(100):
            make_checkpoint()


def _export(file: Path) -> Path:
    from backups.audit.models import AuditEntry
    from backups.evidence.views import json_lines

    entries = AuditEntry.objects.order_by("seq")
    with file.open("w") as lines:
        for start in range(0, ENTRIES, 10_000):
            lines.writelines(json_lines(entries.filter(seq__gt=start)[:10_000]))
    return file


def _timed(arguments: list[str]) -> tuple[float, float]:
    """Seconds, and seconds of CPU of the process and its children."""
    began, before = time.perf_counter(), os.times()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    took, after = time.perf_counter() - began, os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return took, spent
