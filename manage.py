#!/usr/bin/env python3
"""Django's command line, with two additions: ``init`` makes the keys before the settings ask for them, and a Python
without the packages hands over to that of this checkout.

``up`` on a new machine runs ``init`` first.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

VENV = Path(__file__).resolve().parent / ".venv"


def main() -> None:
    if not importlib.util.find_spec("django"):
        hand_over()
    from cybersift_backup_site import keys

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cybersift_backup_site.settings")
    os.umask(0o077)  # the database holds sessions: what the console writes is for its own account only
    if sys.argv[1:2] == ["init"]:
        keys.make_keys(keys_folder())
    elif sys.argv[1:2] == ["up"] and not any((keys_folder() / name).exists() for name in keys.NAMES):
        subprocess.run([sys.executable, __file__, "init"], check=True)
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


def hand_over() -> None:
    """Start again with the packages of this checkout, or say what is missing."""
    python = VENV / "bin" / "python"
    if python.exists() and Path(sys.prefix).resolve() != VENV.resolve():
        os.execv(python, [python, *sys.argv])  # noqa: S606 no shell is wanted
    sys.exit(f"Django is missing for {sys.executable}. This installs what the console needs: make packages")


def keys_folder() -> Path:
    """Where the settings will look for the keys."""
    from cybersift_backup_site import environment

    home = environment.path("CONSOLE_HOME", Path(__file__).resolve().parent / "var")
    return environment.path("KEYS_DIR", home / "keys")


if __name__ == "__main__":
    main()
