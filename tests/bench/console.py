"""A console in a temporary home, for benchmarks: settings first, then Django."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def set_up() -> Path:
    """Make a home with keys and database, and load Django with it. Once per process. Returns the home."""
    home = Path(os.environ.get("CONSOLE_HOME", "") or tempfile.mkdtemp(prefix="console-bench-"))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cybersift_backup_site.settings")
    os.environ |= {
        "CONSOLE_HOME": str(home),
        "HTTPS": "no",
        "LOG_LEVEL": "WARNING",
    }
    from cybersift_backup_site import keys

    keys.make_keys(home / "keys")
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    call_command("collectstatic", verbosity=0, interactive=False)
    return home


def start_worker() -> subprocess.Popen:
    """The product's own worker, supervised as in production."""
    from backups.worker.supervisor import die_with_parent

    return subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "worker"],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=die_with_parent,
    )
