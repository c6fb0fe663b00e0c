"""manage.py createsuperuser: Django's own would add a person without an entry, so this one refuses."""

from django.contrib.auth.management.commands import createsuperuser
from django.core.management.base import CommandError


class Command(createsuperuser.Command):
    help = "Refuses: people are added on the page People, the first ones by manage.py init."

    def handle(self, *args, **options) -> None:
        raise CommandError(
            "People are not added here, because that would leave no entry in the audit log, and there are no "
            "superusers. The first people: manage.py init. Further ones: an administrator, on the page People."
        )
