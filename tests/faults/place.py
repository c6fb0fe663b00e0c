"""Where a fault run takes place: a database, perhaps a Redis, and a home for each host. Made before Django starts."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cybersift_backup_site import keys
from deploy.sandbox import postgres
from deploy.sandbox.redis import Redis

HERE = Path(__file__).resolve().parent
DISK_MB = 48


class Place:
    """``database``: sqlite (one host, its home on a small disk of its own where that can be mounted) or postgres
    (two hosts); ``broker``: database or redis."""

    def __init__(self, database: str, broker: str) -> None:
        self.database, self.broker = database, broker
        self.home = Path(tempfile.mkdtemp(prefix="console-faults-"))
        self.hosts = ("a", "b") if database == "postgres" else ("a",)
        self.server = postgres.start() if database == "postgres" else None
        self.redis = Redis() if broker == "redis" else None
        self.mounted: list[Path] = []
        self.small_disk = database == "sqlite" and self.mount(self.home_of("a"), DISK_MB)
        keys.make_keys(self.home_of("a") / "keys")
        for host in self.hosts[1:]:
            shutil.copytree(self.home_of("a") / "keys", self.home_of(host) / "keys")
        for host in self.hosts:
            self.clock_of(host).write_text("0")
        if self.server:
            self.server.wait_ready()

    def home_of(self, host: str) -> Path:
        folder = self.home / host
        folder.mkdir(exist_ok=True)
        return folder

    def clock_of(self, host: str) -> Path:
        return self.home / f"{host}.clock"

    def environ(self, host: str) -> dict[str, str]:
        """What a console on this host is started with."""
        found = {
            "DJANGO_SETTINGS_MODULE": "cybersift_backup_site.settings",
            "CONSOLE_HOME": str(self.home_of(host)),
            "STATIC_ROOT": str(self.home / f"static-{host}"),
            "WORKER_HOST": host,
            "HTTPS": "no",
            "LEASE_SECONDS": "4",
            "HEARTBEAT_SECONDS": "1",
            "STALL_SECONDS": "10",
            "WORKER_PROCESSES": "2",
            "WEB_PROCESSES": "1",
            "LOG_LEVEL": "WARNING",
        }
        if self.server:
            found |= {"DATABASE_URL": self.server.url()}
            found |= {"CLOCK_FILE": str(self.clock_of(host)), "PYTHONPATH": str(HERE / "wrong_clock")}
        if self.redis:
            found["BROKER_REDIS_URL"] = self.redis.url
        return found

    def leave(self, *, keep_logs: bool) -> None:
        for directory in self.mounted:
            subprocess.run(["umount", "-l", directory], check=False)
        for server in (self.server, self.redis):
            if server:
                server.stop()
        for one in self.home.iterdir():
            if not (keep_logs and one.suffix == ".log"):
                shutil.rmtree(one) if one.is_dir() else one.unlink()
        if not keep_logs:
            self.home.rmdir()

    def mount(self, directory: Path, megabytes: int) -> bool:
        """A small disk; the mount is seen by this process and its children only (see ``apart``). Whether it could be
        made."""
        directory.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "console-faults", directory]
        done = "FAULTS_APART" in os.environ and subprocess.run(command, capture_output=True).returncode == 0
        self.mounted += [directory] if done else []
        return done


def apart() -> None:
    """Start this program again in a mount namespace of its own, so that a killed run leaves no mount behind."""
    works = subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0
    if works and "FAULTS_APART" not in os.environ:
        os.environ["FAULTS_APART"] = "1"
        os.execvp("unshare", ["unshare", "--mount", sys.executable, *sys.argv])  # noqa: S606, S607
