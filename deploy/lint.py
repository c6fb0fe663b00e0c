"""What `make lint` runs: style, Django's checks with production settings, and a list of what has grown long."""

import ast
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cybersift_backup_site.keys import make_keys

CHECKOUT = Path(__file__).resolve().parents[1]
CODE = ("manage.py", "cybersift_backup_site", "backups", "deploy", "tests")
LONG_FILE, LONG_FUNCTION = 300, 50


def main() -> int:
    """The number of checks that failed."""
    failed = [name for name, command in checks() if not passes(name, command)]
    for line in long_things():
        print(f"  long: {line}")
    return len(failed)


def checks() -> list[tuple[str, list[str]]]:
    ruff, manage = [sys.executable, "-m", "ruff"], [sys.executable, "manage.py"]
    return [
        ("style (ruff check)", [*ruff, "check", "--quiet", "."]),
        ("format (ruff format)", [*ruff, "format", "--quiet", "--check", "."]),
        ("production settings (check --deploy)", [*manage, "check", "--deploy", "--fail-level", "WARNING"]),
        ("migrations (makemigrations --check)", [*manage, "makemigrations", "--check", "--dry-run"]),
    ]


def passes(name: str, command: list[str]) -> bool:
    with tempfile.TemporaryDirectory() as home:
        make_keys(Path(home) / "keys")
        done = subprocess.run(command, cwd=CHECKOUT, env=production(home), capture_output=True, text=True)
    print(f"  {'ok' if done.returncode == 0 else 'FAILED'}: {name}")
    if done.returncode != 0:
        print((done.stdout + done.stderr).strip())
    return done.returncode == 0


def production(home: str) -> dict[str, str]:
    """A site behind a proxy, whatever is set where this runs."""
    return {
        "PATH": os.environ.get("PATH", ""),
        "HOME": os.environ.get("HOME", "/"),
        "CONSOLE_HOME": home,
        "ALLOWED_HOSTS": "console.example.org",
        "BEHIND_PROXY": "yes",
    }


def long_things() -> Iterator[str]:
    for file in python_files():
        text = file.read_text(encoding="utf-8")
        if (lines := text.count("\n")) > LONG_FILE:
            yield f"{file.relative_to(CHECKOUT)} has {lines} lines"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and (lines := node.end_lineno - node.lineno + 1) > LONG_FUNCTION:
                yield f"{file.relative_to(CHECKOUT)}:{node.lineno} {node.name}() has {lines} lines"


def python_files() -> Iterator[Path]:
    for place in CODE:
        path = CHECKOUT / place
        files = [path] if path.is_file() else sorted(path.rglob("*.py"))
        yield from (file for file in files if file.parent.name != "migrations")  # written by Django


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
