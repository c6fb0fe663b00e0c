"""A console in a temporary home, for benchmarks: settings first, then Django."""

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def console(**environ: str) -> Iterator[str]:
    """Web and worker, as ``manage.py up`` starts them. Yields the address once it answers."""
    from backups.worker.supervisor import die_with_parent
    from deploy.sandbox.console import free_port

    bind = f"127.0.0.1:{free_port(8100)}"
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "up", "--bind", bind],
        env=os.environ | environ,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=die_with_parent,
    )
    try:
        _wait_for(f"http://{bind}/", process)
        yield f"http://{bind}"
    finally:
        process.terminate()
        process.wait()


def _wait_for(url: str, process: subprocess.Popen) -> None:
    browser = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while True:
        try:
            browser.open(url, timeout=10).close()
            return
        except OSError as error:
            if process.poll() is not None:
                raise RuntimeError("The console did not start.") from error
            time.sleep(0.1)
