"""manage.py add_redis_server: a Redis server for archives from the command line, as the form does it."""

import os

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from backups.archives.models import RedisServer
from backups.archives.redis.services import save_server
from backups.archives.services import ArchiveRefused
from backups.audit.origin import origin_context


class Command(BaseCommand):
    help = "Adds a Redis server of this host, or brings its address up to date. REDIS_PASSWORD is its password."

    def add_arguments(self, parser) -> None:
        parser.add_argument("--name", required=True)
        parser.add_argument("--address", required=True, help="host:port, or the path of a unix socket")
        parser.add_argument("--user", default="", help="a user who may read everything and change nothing")

    def handle(self, *args, name, address, user, **options) -> None:
        server = RedisServer.objects.filter(name=name).first()
        try:
            with origin_context(command="add_redis_server"):
                saved = save_server(
                    actor=None,
                    server=server,
                    name=name,
                    host=settings.WORKER_HOST,
                    address=address,
                    username=user,
                    password=os.environ.get("REDIS_PASSWORD", ""),
                )
        except ArchiveRefused as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Redis server {saved} is known; the worker tests it now.")
