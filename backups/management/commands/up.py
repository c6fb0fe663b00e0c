"""manage.py up: web and worker in one terminal."""

import os
import sys

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from backups.access.models import User
from backups.access.roles import ADMINISTRATOR
from backups.worker.supervisor import Child, Supervisor

LOOPBACK = ("127.", "localhost", "[::1]")


def _migrate() -> None:
    """Bring the database up to date; of several hosts that start together one after the other does."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_advisory_lock(hashtext('backups_migrate'))")
        try:
            call_command("migrate", verbosity=0, interactive=False)
        finally:
            if connection.vendor == "postgresql":
                cursor.execute("SELECT pg_advisory_unlock(hashtext('backups_migrate'))")


class Command(BaseCommand):
    help = "Brings the database up to date, then runs web and worker until Ctrl-C."

    def add_arguments(self, parser) -> None:
        parser.add_argument("--bind", default="127.0.0.1:8000", help="address and port of the web server")

    def handle(self, *args, bind: str, **options) -> None:
        if not bind.startswith(LOOPBACK) and not settings.HTTPS:
            raise CommandError("HTTPS=no is for loopback only. Bind to 127.0.0.1, or set HTTPS=yes.")
        _migrate()
        call_command("collectstatic", verbosity=0, interactive=False)
        if not User.objects.filter(groups__name=ADMINISTRATOR, is_active=True).exists():
            call_command("init")
        Supervisor(self._children(bind)).run()

    def _children(self, bind: str) -> list[Child]:
        # Plain HTTP is for a browser on this machine, where a certificate would prove nothing.
        loopback = bind.startswith(LOOPBACK)
        environ = {"HTTPS": os.environ.get("HTTPS", "no" if loopback else "yes")}
        if loopback:
            environ["COOKIE_SUFFIX"] = os.environ.get("COOKIE_SUFFIX", f"-{bind.rpartition(':')[2]}")
        gunicorn = [sys.executable, "-m", "gunicorn", "cybersift_backup_site.wsgi"]
        config = ["-c", str(settings.BASE_DIR / "deploy" / "gunicorn.conf.py"), "-b", bind]
        worker = [sys.executable, str(settings.BASE_DIR / "manage.py"), "worker"]
        self.stderr.write(f"Console on http://{bind}")
        return [Child("web", gunicorn + config, environ=environ), Child("worker", worker, environ=environ)]
