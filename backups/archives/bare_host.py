"""The commands that verify and restore an archive where there is no console, for people to copy."""

import shlex

from .models import Archive
from .sources import NAME


def commands(archive: Archive) -> str:
    """One a line, quoted: the file may have been named by anybody, and so may what is in it."""
    identity = " --identity key.txt" if archive.encrypted else ""
    file = quoted(archive.name)
    lines = [f"sha256sum -c {quoted(f'{archive.name}.sha256')}"] if archive.sha256 else []
    lines.append(f"python3 cybersift_restore.py verify {file}{identity}")
    lines.append(f"python3 cybersift_restore.py extract {file}{identity} --to /srv/restore")
    directories = [directory_of(server) for server in archive.redis]
    lines += [f"redis-server --dir /srv/restore/{each} --dbfilename dump.rdb" for each in directories if each]
    return "\n".join(lines)


def quoted(name: str) -> str:
    """A file of the current directory, as a shell takes it, and never as an option."""
    return shlex.quote(f"./{name}" if name.startswith("-") else name)


def directory_of(server: dict) -> str:
    """Where the archive has the data of a Redis server; empty where it is called what no console calls one."""
    name = str(server["path"].split("/")[1] if "path" in server else server["name"])
    return f"redis/{name}" if NAME.fullmatch(name) else ""
