"""Tasks that failed: django-q2 keeps a row of each for ever. The log has the cause; the rows go after a day."""

from datetime import timedelta

from django.utils import timezone
from django_q.models import Task

KEPT = timedelta(days=1)


def remove_old_failures() -> int:
    """Delete the rows of tasks that failed more than a day ago. The ticker calls this."""
    return Task.objects.filter(success=False, stopped__lt=timezone.now() - KEPT).delete()[0]
