"""manage.py audit_verify: checks the whole audit trail."""

import sys

from django.core.management.base import BaseCommand

from backups.audit import verify, watch
from backups.audit.origin import origin_context


class Command(BaseCommand):
    help = "Checks every entry, link, MAC, trigger and checkpoint. Exit status 0: intact; 1: broken."

    def add_arguments(self, parser) -> None:
        parser.add_argument("--since", type=int, default=0, help="start after this entry")

    def handle(self, *args, since: int, **options) -> None:
        verdict = verify.verify(since)
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
            f"{verdict.checkpoints:,} checkpoints; provable up to entry {verdict.proven_until:,}."
        )
