"""Settings of the test run: the product's own, in a home of its own, with short leases and quick hashing."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from cybersift_backup_site import keys

HOME = Path(os.environ.get("CONSOLE_HOME") or tempfile.mkdtemp(prefix="console-test-"))
if "CONSOLE_HOME" not in os.environ:
    os.environ["CONSOLE_HOME"] = str(HOME)
    atexit.register(shutil.rmtree, HOME, ignore_errors=True)
keys.make_keys(HOME / "keys")
(HOME / "static").mkdir(exist_ok=True)

os.environ.setdefault("HTTPS", "no")

from cybersift_backup_site.settings import *  # noqa: E402, F403

STATIC_ROOT.mkdir(exist_ok=True)  # noqa: F405 - WhiteNoise warns about a missing one

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
DATABASES["default"].setdefault("TEST", {})  # noqa: F405
if "sqlite3" in DATABASES["default"]["ENGINE"]:  # noqa: F405
    # In a file: several threads and processes meet in it, as they do in the product.
    DATABASES["default"]["TEST"]["NAME"] = HOME / "test.sqlite3"  # noqa: F405
    # No test cuts the power, and a process that is killed loses nothing that it has handed to the system.
    DATABASES["default"]["OPTIONS"]["init_command"] += " PRAGMA synchronous=OFF;"  # noqa: F405
