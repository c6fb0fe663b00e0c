"""A wrong clock for one host: Python loads this first where PYTHONPATH names the folder.

The file CLOCK_FILE says by how many seconds the wall clock is off; it may change while the processes run. Everything
that the console and django-q2 decide by the wall clock asks one of these two functions. (libfaketime 0.9.10 cannot be
used: Python 3.11's time.sleep fails under it.)
"""

import os
import time
from datetime import timedelta
from pathlib import Path

from django.utils import timezone

_true_time, _true_now = time.time, timezone.now


def off() -> float:
    return float(Path(os.environ["CLOCK_FILE"]).read_text() or 0)


time.time = lambda: _true_time() + off()
timezone.now = lambda: _true_now() + timedelta(seconds=off())
