"""Prints what the console of this checkout knows already: is there an administrator, and which clusters, and which
of them have a credential that nobody tested yet.

A process of its own, because a new console has no keys yet, and without them its settings cannot be read.
"""

import json
import os

import django
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError


def known() -> dict:
    from backups.access.models import User
    from backups.access.roles import ADMINISTRATOR
    from backups.clusters.models import Cluster, CredentialState

    untested = Cluster.objects.filter(credentials__state=CredentialState.UNCHECKED).distinct()
    return {
        "administrator": User.objects.filter(groups__name=ADMINISTRATOR).exists(),
        "clusters": list(Cluster.objects.values_list("name", flat=True)),
        "untested": list(untested.values_list("name", flat=True)),
    }


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cybersift_backup_site.settings")
    try:
        django.setup()
        answer = known()
    except (ImproperlyConfigured, DatabaseError):  # no keys or no tables yet; `init` says what else is wrong
        answer = {"administrator": False, "clusters": [], "untested": []}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
