"""What a server's home is configured with: everything anew at each start, but passwords and certificates."""

import base64
import hashlib
import json
import re
import secrets
import shutil
from pathlib import Path

from deploy.sandbox import certificates
from deploy.sandbox.files import write_whole
from deploy.sandbox.kinds import DEFAULT, ServerKind

PORTS = "19200-19999"  # below the ports that systems hand out by themselves
ROLES = """\
everyday:
  cluster: [monitor, monitor_snapshot, create_snapshot]
  indices:
    - names: ['*']
      privileges: [monitor, view_index_metadata]
restricted:
  cluster: [manage]
  indices:
    - names: ['*']
      privileges: [manage, read]
"""
OLD_OPTION = re.compile(r"gc\.log|CMS|ConcMarkSweep|^8:")
USERS = {"everyday": "everyday", "restricted": "restricted", "superuser": "superuser"}  # name: role


def configure(
    home: Path, unzipped: Path, path_repo: Path, http_port: int | None, kind: ServerKind = DEFAULT
) -> dict[str, str]:
    """Write the configuration anew, whatever was there, around the passwords and certificates that stay."""
    config = home / "config"
    for left in config.glob("*.tmp"):  # a server that was killed in its first second; the next one would refuse
        left.unlink()
    (config / "jvm.options.d").mkdir(parents=True, exist_ok=True)
    write_whole(config / "log4j2.properties", (unzipped / "config" / "log4j2.properties").read_text())
    write_whole(config / "jvm.options", _jvm_options(home, unzipped))
    settings = _settings(home, path_repo, _ports(home, http_port)) | (_security(kind) if kind.secure else {})
    lines = (f"{name}: {json.dumps(value)}\n" for name, value in settings.items())
    write_whole(config / f"{kind.product}.yml", "".join(lines))
    passwords = _passwords(home)
    if kind.secure:
        _make_certificates(config / "certs")
        _add_users(config, unzipped, passwords)
    return passwords


def _jvm_options(home: Path, unzipped: Path) -> str:
    """The server's own, without what the Java of today refuses (CMS, options for Java 8) and without files that
    would land beside the unpacked server."""
    options = (unzipped / "config" / "jvm.options").read_text().splitlines()
    kept = (line for line in options if not OLD_OPTION.search(line))
    return "\n".join(kept).replace("logs/hs_err", f"{home}/logs/hs_err") + "\n"


def _add_users(config: Path, unzipped: Path, passwords: dict[str, str]) -> None:
    write_whole(config / "role_mapping.yml", (unzipped / "config" / "role_mapping.yml").read_text())
    write_whole(config / "roles.yml", ROLES)
    hashes = "".join(f"{name}:{_hashed(passwords[name])}\n" for name in USERS)
    write_whole(config / "users", hashes, 0o600)
    write_whole(config / "users_roles", "".join(f"{role}:{name}\n" for name, role in USERS.items()))


def _settings(home: Path, path_repo: Path, ports: str) -> dict:
    return {
        "cluster.name": "sandbox",
        "node.name": "sandbox-1",
        "node.portsfile": True,
        "discovery.type": "single-node",
        "network.host": "127.0.0.1",
        "http.port": ports,
        "transport.port": "0",
        "path.data": str(home / "data"),
        "path.logs": str(home / "logs"),
        "path.repo": [str(path_repo)],
        "cluster.routing.allocation.disk.threshold_enabled": False,
    }


def _security(kind: ServerKind) -> dict:
    settings = {
        "xpack.security.enabled": True,
        "xpack.security.transport.ssl.enabled": False,
        "xpack.security.http.ssl.enabled": True,
        "xpack.security.http.ssl.certificate": "certs/server.pem",
        "xpack.security.http.ssl.key": "certs/server.key",
    }
    return settings | ({"xpack.security.enrollment.enabled": False} if kind.major >= 8 else {})


def _make_certificates(folder: Path) -> None:
    """Made once, as one directory: a killed run leaves either all three files or none."""
    if folder.is_dir():
        return
    made = certificates.make()
    beside = folder.with_name("certs.part")
    shutil.rmtree(beside, ignore_errors=True)
    write_whole(beside / "ca.pem", made.ca)
    write_whole(beside / "server.pem", made.server)
    write_whole(beside / "server.key", made.key, 0o600)
    beside.rename(folder)


def _passwords(home: Path) -> dict[str, str]:
    file = home / "passwords.json"
    if not file.is_file():
        write_whole(file, json.dumps({name: secrets.token_urlsafe(18) for name in USERS}), 0o600)
    return json.loads(file.read_text())


def _hashed(password: str) -> str:
    """As `elasticsearch-users` writes it, which would take seconds for each user."""
    rounds, salt = 10000, secrets.token_bytes(32)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds, 32)
    return f"{{PBKDF2}}{rounds}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"


def _ports(home: Path, wanted: int | None) -> str:
    """The setting `http.port`: the wanted one, or the one of last time when it is free, before any other."""
    if wanted:
        return str(wanted)
    before = home / "port"
    return f"{before.read_text().strip()},{PORTS}" if before.is_file() else PORTS
