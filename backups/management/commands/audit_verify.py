"""manage.py audit_verify: checks the whole audit trail."""

import os
import sys
from datetime import datetime
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from backups.audit import verify, watch
from backups.audit.origin import origin_context
from backups.audit.verdict import Verdict
from backups.templatetags import formats


class Command(BaseCommand):
    help = "Checks every entry, link, MAC, trigger and checkpoint. Exit status 0: intact; 1: broken."

    def add_arguments(self, parser) -> None:
        parser.add_argument("--since", type=int, default=0, help="start after this entry")
        copies = {"type": Path, "metavar": "FILE", "nargs": "+", "default": []}
        parser.add_argument("--checkpoints", help="copies of checkpoint files, to be compared as well", **copies)
        cores = len(os.sched_getaffinity(0))
        parser.add_argument("--processes", type=int, default=cores, help="how many share a long log (all cores)")

    def handle(self, *args, since: int, checkpoints: list[Path], processes: int, **options) -> None:
        for file in checkpoints:
            if not file.is_file():
                raise CommandError(f"There is no file {file}.")
        verdict = verify.verify(since, processes=processes, copies=checkpoints)
        if not (since and verdict.intact):  # a part that is well says nothing about the whole
            with origin_context(command="audit_verify"):
                watch.remember(verdict)
        for note in verdict.notes:
            self.stdout.write(f"Note: {note}")
        if not verdict.intact:
            self.stderr.write(f"BROKEN. {verdict.problem}")
            sys.exit(1)
        self.stdout.write(
            f"Intact: {verdict.seq - since:,} entries up to number {verdict.seq:,}, "
            f"{verdict.checkpoints:,} checkpoints; {_proven(verdict)}"
        )


def _proven(verdict: Verdict) -> str:
    if not verdict.proven_at:
        return "nothing is provable without a checkpoint."
    at = formats.stamp(datetime.fromisoformat(verdict.proven_at))
    return f"provable up to entry {verdict.proven_until:,}, not provable since {at}."
