"""Elasticsearch and PostgreSQL refuse to run as root: what to put before their command when we are root."""

import os
import pwd
import subprocess
from functools import cache
from pathlib import Path

ORDINARY = "nobody"  # an account that every system has: PostgreSQL looks up who it runs as


def prefix(*owned: Path) -> list[str]:
    """The words before a server's command; `owned` are the directories that it has to write into.

    A user namespace is the best way: the server believes that it is somebody else, while its files stay
    root's and no account is needed. Where namespaces are switched off, an ordinary account gets the files.
    """
    if os.geteuid() != 0:
        return []
    account = pwd.getpwnam(ORDINARY)
    namespace = _namespace(account.pw_uid, account.pw_gid)
    if namespace:
        return namespace
    for directory in owned:
        subprocess.run(["chown", "--recursive", ORDINARY, directory], check=True)
    ids = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}"]
    return ["setpriv", *ids, "--clear-groups", "--pdeathsig=KILL"]


@cache
def _namespace(user: int, group: int) -> list[str]:
    """The command for a user namespace, or nothing where this system has none."""
    command = ["unshare", "--user", f"--map-user={user}", f"--map-group={group}"]
    try:
        works = subprocess.run([*command, "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        works = False
    return command if works else []
