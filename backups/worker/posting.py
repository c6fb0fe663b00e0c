"""Mail: the ticker sends a task when letters are due; the task talks to the mail server, for which no ticker has
time."""

from django_q.brokers import get_broker
from django_q.tasks import async_task

# Runs come first: a queue that is this long gets no more letters. A task that is lost is sent again.
MOST_WAITING = 4


def ring_mail() -> None:
    if get_broker().queue_size() < MOST_WAITING:
        async_task("backups.worker.tasks.send_mail")
