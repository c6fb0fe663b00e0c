"""Settings of a process that a test starts: those of the test run, on its database (CHILD_DATABASE)."""

import os

from tests.settings import *  # noqa: F403

DATABASES["default"]["NAME"] = os.environ["CHILD_DATABASE"]  # noqa: F405
