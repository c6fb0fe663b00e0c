#!/usr/bin/env python3
"""Django's command line, with one addition: ``init`` makes the keys before the settings ask for them.

``up`` on a new machine runs ``init`` first.
"""

import os
import subprocess
import sys
from pathlib import Path

from cybersift_backup_site import environment, keys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cybersift_backup_site.settings")
    os.umask(0o077)  # the database holds sessions: what the console writes is for its own account only
    if sys.argv[1:2] == ["init"]:
        keys.make_keys(keys_folder())
    elif sys.argv[1:2] == ["up"] and not any((keys_folder() / name).exists() for name in keys.NAMES):
        subprocess.run([sys.executable, __file__, "init"], check=True)
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


def keys_folder() -> Path:
    """Where the settings will look for the keys."""
    home = environment.path("CONSOLE_HOME", Path(__file__).resolve().parent / "var")
    return environment.path("KEYS_DIR", home / "keys")


if __name__ == "__main__":
    main()
