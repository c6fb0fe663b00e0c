"""gunicorn's settings. Pages read the database only and answer in milliseconds; threads are for waiting readers."""

import os

from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cybersift_backup_site.settings")

worker_class = "gthread"
workers = settings.WEB_PROCESSES
threads = settings.WEB_THREADS

# A worker whose main loop stalls; no limit on a request.
timeout = 60
graceful_timeout = 10
keepalive = 5
# Connections to the database are made after the fork, and a leak never lives long.
preload_app = False
max_requests, max_requests_jitter = 5000, 500

# The heartbeat of the workers belongs in memory: on a busy disk it would look like a stall.
worker_tmp_dir = "/dev/shm"  # noqa: S108 a place, not a file of ours
# gunicorn opens a socket for remote control unless told otherwise.
control_socket_disable = True
limit_request_line = 4094
limit_request_fields = 60

umask = 0o077
# The same JSON lines as everything else; secrets are blanked out there too.
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "backups.web.logs.JsonLines"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {"gunicorn.error": {"handlers": ["stderr"], "level": "INFO", "propagate": False}},
}
