"""manage.py one_time_password: the way back in for somebody who cannot sign in, with its entry in the log."""

from django.core.management.base import BaseCommand, CommandError

from backups.access.models import User
from backups.accounts.services import AccountError, set_one_time_password
from backups.audit.origin import origin_context


class Command(BaseCommand):
    help = "Sets a one-time password, which must be changed at the next sign-in. The person's sessions end."

    def add_arguments(self, parser) -> None:
        parser.add_argument("name", help="the sign-in name")

    def handle(self, *args, name: str, **options) -> None:
        person = User.objects.filter(username=name).first()
        if person is None:
            raise CommandError(f"There is nobody with the sign-in name {name}.")
        try:
            with origin_context(command="one_time_password"):
                one_time = set_one_time_password(person, actor=None, reason="Asked for on the command line.")
        except AccountError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{name}\t{one_time}")
        self.stdout.write("This password is shown once, and must be changed at the next sign-in.")
