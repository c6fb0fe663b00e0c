"""The one clock of all hosts: the database's. The clocks of hosts differ, and jump."""

from datetime import datetime

from django.db import connection
from django.utils import timezone


def now() -> datetime:
    """The present moment, the same on every host. SQLite has one host only, so that its clock is the one clock."""
    if connection.vendor == "sqlite":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]
