"""manage.py add_cluster: connects a cluster from the command line, as the form does."""

import os
import shutil
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from backups.audit.origin import origin_context
from backups.clusters.models import Cluster
from backups.clusters.services import ClusterError, save_cluster


class Command(BaseCommand):
    help = (
        "Adds a cluster, or brings its address up to date. Passwords come from the environment: "
        "EVERYDAY_PASSWORD and RESTRICTED_PASSWORD."
    )

    def add_arguments(self, parser) -> None:
        parser.add_argument("--name", required=True)
        parser.add_argument("--address", required=True, action="append", help="https://host:9200; may be repeated")
        parser.add_argument("--ca", type=Path, help="certificate of the authority; copied to the CA folder")
        parser.add_argument("--everyday", required=True, help="user for pages and backups")
        parser.add_argument("--restricted", help="user for register, verify, delete and restore")

    def handle(self, *args, name, address, ca, everyday, restricted, **options) -> None:
        ca_file = ""
        if ca:
            settings.CA_DIR.mkdir(parents=True, exist_ok=True)
            ca_file = f"{name}.pem"
            shutil.copyfile(ca, settings.CA_DIR / ca_file)
        credentials = {"everyday": (everyday, _password("EVERYDAY_PASSWORD"))}
        if restricted:
            credentials["restricted"] = (restricted, _password("RESTRICTED_PASSWORD"))
        try:
            with origin_context(command="add_cluster"):
                cluster = save_cluster(
                    cluster=Cluster.objects.filter(name=name).first(),
                    name=name,
                    addresses=address,
                    ca_file=ca_file,
                    credentials=credentials,
                    actor=None,
                )
        except ClusterError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Cluster {cluster} is known; the worker checks its credentials now.")


def _password(variable: str) -> str:
    if not os.environ.get(variable):
        raise CommandError(f"Set {variable} in the environment.")
    return os.environ[variable]
