"""Restores by the one file alone, as tests want them."""

import json
import os
import subprocess
import sys
from pathlib import Path

from backups.archives import cybersift_restore as reader
from tests.archives.making import Maker, Redis
from tests.archives.restoring import PROGRAM, archive_file

from .servers import Server


def archive_of(folder: Path, dump: bytes, name: str = "backup.tar.gz", **options) -> str:
    return archive_file(folder, Maker(redis=[Redis(dump=dump)], **options).bytes_of([]), name)


def url(server: Server, before: str = "") -> str:
    return f"redis://{before}127.0.0.1:{server.process.port}"


def run(path: str, where: str, *options: str, password: str = "") -> subprocess.CompletedProcess:
    command = [sys.executable, str(PROGRAM), "redis", path, "--url", where, *options]
    env = {**os.environ, **({"REDIS_PASSWORD": password} if password else {})}
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=120, check=False)


def restored(path: str, where: str, *options: str) -> dict:
    """What it says that it did."""
    done = run(path, where, "--json", *options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def restore(path: str, server: Server, **options) -> reader.RedisRestored:
    with reader.open_archive(path) as archive:
        return reader.restore_redis(archive, reader.redis_address(url(server)), reader.RedisOptions(**options))
