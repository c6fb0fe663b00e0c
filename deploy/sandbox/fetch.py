"""Get the zip of a server through Maven, and unpack it once for everybody in this checkout."""

import shutil
import subprocess
import tempfile
import time
import zipfile
from pathlib import Path

from deploy.sandbox import guard
from deploy.sandbox.kinds import ServerKind
from deploy.sandbox.packages import Missing, Say, program

TRIES = 3
SAY_EVERY = 3.0
LEFT_BEHIND_AFTER = 3600.0  # nobody unpacks for an hour: somebody was killed


def unpacked(kind: ServerKind, servers: Path, say: Say) -> Path:
    """The read-only directory of the server, downloaded and unpacked when it is not there yet."""
    home = servers / kind.slug
    if not home.is_dir():
        try:
            unpack(download(kind, say), home)
        except zipfile.BadZipFile:
            say("The zip is damaged; getting it again")
            zip_path(kind).unlink()
            unpack(download(kind, say), home)
    return home


def repository() -> Path:
    """Maven's local repository: the package cache of this account."""
    return Path.home() / ".m2" / "repository"


def zip_path(kind: ServerKind) -> Path:
    """Where Maven keeps the zip."""
    return repository().joinpath(*kind.group.split("."), kind.product, kind.version, f"{kind.slug}.zip")


def download(kind: ServerKind, say: Say) -> Path:
    """The zip in Maven's local repository; a second call needs no network."""
    zip_file = zip_path(kind)
    if zip_file.is_file():
        return zip_file
    maven = program("mvn", "maven", say)
    # The coordinates are the file's name; -Dmaven.repo.local makes sure that we look where Maven writes.
    artifact = f"{kind.group}:{kind.product}:{kind.version}:zip"
    command = [maven, "--batch-mode", "-q", f"-Dmaven.repo.local={repository()}"]
    command += ["dependency:get", "-Dtransitive=false", f"-Dartifact={artifact}"]
    say(f"Downloading {kind} (about {kind.megabytes} MB, once; kept in {repository()})")
    for attempt in range(1, TRIES + 1):
        problem = _get(command, zip_file.parent, say)
        if not problem and zip_file.is_file():
            return zip_file
        say(f"The download failed (try {attempt} of {TRIES}): {problem}")
        time.sleep(attempt)
    raise Missing(f"{kind} could not be downloaded. Try: {' '.join(command)}")


def _get(command: list[str], folder: Path, say: Say) -> str:
    """Run Maven once, saying how far it is; '' when it went well, else its last word."""
    with tempfile.TemporaryFile("w+") as output:
        maven = guard.start(command, grace=2, stdout=output, stderr=output)
        try:
            _follow(maven, folder, say)
        finally:
            maven.terminate()
            maven.wait()
        if maven.returncode == 0:
            return ""
        output.seek(0)
        errors = [line for line in output.read().splitlines() if line.startswith("[ERROR]")]
        return errors[0].removeprefix("[ERROR] ") if errors else f"Maven ended with {maven.returncode}"


def _follow(maven: subprocess.Popen, folder: Path, say: Say) -> None:
    said = 0
    while True:
        try:
            maven.wait(SAY_EVERY)
            return
        except subprocess.TimeoutExpired:
            size = max((part.stat().st_size for part in folder.glob("*.zip*")), default=0)
            if size > said:
                say(f"  {size / 1e6:.0f} MB so far")
                said = size


def unpack(zip_file: Path, home: Path) -> None:
    """Unpack beside and rename; whoever comes second uses what the first one made."""
    home.parent.mkdir(parents=True, exist_ok=True)
    for left in home.parent.glob(".unpacking-*"):
        if time.time() - left.stat().st_mtime > LEFT_BEHIND_AFTER:
            shutil.rmtree(left, ignore_errors=True)
    beside = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=home.parent))
    try:
        with zipfile.ZipFile(zip_file) as archive:
            archive.extractall(beside)
        inner = next(beside.iterdir())
        for script in (inner / "bin").iterdir():
            script.chmod(0o755)
        inner.rename(home)
    except OSError:
        if not home.is_dir():
            raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)
