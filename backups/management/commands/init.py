"""manage.py init: keys, database, roles and the first people. Refuses a second time."""

import os
import secrets
from pathlib import Path

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from backups.access.models import User
from backups.access.roles import ADMINISTRATOR
from backups.accounts.cast import CAST
from backups.accounts.services import add_first_people
from backups.audit.origin import origin_context


class Command(BaseCommand):
    help = (
        "Sets up a new console: makes its keys, the database, the roles, and one administrator "
        "(or, with --people, a person for every role)."
    )

    def add_arguments(self, parser) -> None:
        parser.add_argument("--people", type=Path, help="make the cast and write names and passwords to this file")

    def handle(self, *args, people: Path | None = None, **options) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        if User.objects.filter(groups__name=ADMINISTRATOR).exists():
            raise CommandError("This console is set up already. Nothing was changed.")
        chosen = CAST if people else [("admin", "Administrator", [ADMINISTRATOR])]
        made = [(name, secrets.token_urlsafe(12), full, roles) for name, full, roles in chosen]
        if people:
            # The file comes first: a kill in between may leave a file without people, never people without it.
            write_people(people, made)
        with origin_context(command="init"):
            add_first_people(made, must_change=not people)
        for name, password, _, roles in made:
            self.stdout.write(f"{name}\t{password}\t{','.join(roles)}")
        if not people:
            self.stdout.write("This password is shown once, and must be changed at the first sign-in.")


def write_people(file: Path, people: list[tuple]) -> None:
    """One person a line: name, password, roles; separated by tabs. Readable by the owner only."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        for name, password, _, roles in people:
            handle.write(f"{name}\t{password}\t{','.join(roles)}\n")
    partial.rename(file)
