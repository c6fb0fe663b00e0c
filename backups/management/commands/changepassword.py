"""manage.py changepassword: Django's own would change a password without an entry, so this one refuses."""

from django.contrib.auth.management.commands import changepassword
from django.core.management.base import CommandError


class Command(changepassword.Command):
    help = "Refuses: a password is changed by its owner, or by manage.py one_time_password."

    def handle(self, *args, **options) -> None:
        raise CommandError(
            "Passwords are not changed here, because that would leave no entry in the audit log. People change their "
            "own on the page Account; for somebody who cannot sign in: manage.py one_time_password NAME"
        )
