"""manage.py add_archive_profile: a profile of archives and its location from the command line, as the forms do it."""

from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from backups.archives.locations.services import AlreadyThere, save_location
from backups.archives.models import ArchiveLocation, ArchiveProfile, RedisServer
from backups.archives.profiles.services import save_profile
from backups.archives.services import ArchiveRefused
from backups.audit.origin import origin_context


class Command(BaseCommand):
    help = "Adds a profile of archives, and the location where they lie, on this host. What is there is left alone."

    def add_arguments(self, parser) -> None:
        parser.add_argument("--name", required=True)
        parser.add_argument("--location", required=True, type=Path, help="directory for the archives; it must exist")
        parser.add_argument("--folder", action="append", default=[], metavar="NAME=PATH", help="may be repeated")
        parser.add_argument(
            "--exclude", action="append", default=[], metavar="PATTERN", help="left out of every folder"
        )
        parser.add_argument("--redis", action="append", default=[], metavar="NAME", help="a known Redis server")

    def handle(self, *args, name, location, folder, exclude, redis, **options) -> None:
        if ArchiveProfile.objects.filter(name=name).exists():
            self.stdout.write(f"Profile {name} is there already.")
            return
        servers = list(RedisServer.objects.filter(name__in=redis))
        if unknown := set(redis) - {server.name for server in servers}:
            raise CommandError(f"There is no Redis server {', '.join(sorted(unknown))}.")
        sources = [_source(text, exclude) for text in folder]
        try:
            with origin_context(command="add_archive_profile"):
                profile = ArchiveProfile(name=name, location=_location(location), sources=sources)
                save_profile(actor=None, profile=profile, redis=servers)
        except ArchiveRefused as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Profile {profile} of {profile.host} is known; its archives go to {location}.")


def _source(text: str, exclude: list[str]) -> dict:
    name, equals, path = text.partition("=")
    if not equals:
        raise CommandError(f"{text!r} is no folder: write NAME=PATH.")
    return {"name": name, "path": path, "include": [], "exclude": exclude}


def _location(directory: Path) -> ArchiveLocation:
    """The one of this directory; a new one is called by the directory's last part."""
    path = str(directory.resolve())
    known = ArchiveLocation.objects.filter(host=settings.WORKER_HOST, path=path).first()
    try:
        return known or save_location(name=directory.name, host=settings.WORKER_HOST, path=path, actor=None)
    except AlreadyThere as error:
        return error.location
