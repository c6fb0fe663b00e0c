"""The app, with the few receivers that Django calls."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class BackupsConfig(AppConfig):
    name = "backups"
    verbose_name = "CyberSift backup console"

    def ready(self) -> None:
        from . import checks  # noqa: F401 - registers the system checks

        post_migrate.connect(after_migrate, sender=self)


def after_migrate(sender, **kwargs) -> None:
    """Roles exist from the first migration on; triggers are put back, because SQLite drops them with a table
    that a migration rebuilds."""
    from django.contrib.auth.models import Group

    from .access.roles import ROLES
    from .approvals import triggers as approvals
    from .audit import triggers
    from .restores import triggers as restores

    for role in ROLES:
        Group.objects.get_or_create(name=role)
    triggers.install()
    approvals.install()
    restores.install()
