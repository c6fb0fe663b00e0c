"""Settings from the environment fail loudly, understand NAME_FILE, and are all documented."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from cybersift_backup_site import environment as env
from cybersift_backup_site import keys, settings

ROOT = Path(__file__).resolve().parent.parent


def test_every_setting_is_documented_and_every_documented_setting_exists():
    assert settings.BASE_DIR == ROOT
    documented = set(re.findall(r"^\| `([A-Z0-9_]+)` \|", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE))

    assert documented == env.DECLARED - {name for name in env.DECLARED if name.startswith("TEST_")}


def test_a_value_may_come_from_a_file(tmp_path):
    file = tmp_path / "secret"
    file.write_text("from the file\n")

    assert env.text("TEST_A", environ={"TEST_A_FILE": str(file)}) == "from the file"


@pytest.mark.parametrize(
    ("call", "environ", "says"),
    [
        (lambda e: env.text("TEST_A", environ=e), {}, "missing"),
        (lambda e: env.text("TEST_A", environ=e), {"TEST_A": "x", "TEST_A_FILE": "/y"}, "not both"),
        (lambda e: env.text("TEST_A", environ=e), {"TEST_A_FILE": "/does/not/exist"}, "cannot be read"),
        (lambda e: env.flag("TEST_A", False, environ=e), {"TEST_A": "maybe"}, "yes or no"),
        (lambda e: env.number("TEST_A", 5, environ=e), {"TEST_A": "five"}, "write a number"),
        (lambda e: env.number("TEST_A", 5, low=1, high=9, environ=e), {"TEST_A": "10"}, "between 1 and 9"),
        (lambda e: env.path("TEST_A", ROOT, environ=e), {"TEST_A": "var"}, "absolute"),
        (lambda e: env.label("TEST_A", "a", environ=e), {"TEST_A": "../b"}, "letters, digits"),
        (lambda e: env.label("TEST_A", "a", environ=e), {"TEST_A": "b" * 65}, "up to 64"),
        (lambda e: env.database("TEST_A", ROOT, environ=e), {"TEST_A": "mysql://x/y"}, "postgresql://"),
    ],
)
def test_bad_values_are_refused_in_words(call, environ, says):
    with pytest.raises(ImproperlyConfigured, match=says):
        call(environ)


def test_a_postgresql_address_becomes_settings():
    found = env.database("TEST_A", ROOT, environ={"TEST_A": "postgresql://me:p%40ss@db:5433/console"})

    assert (found["USER"], found["PASSWORD"], found["HOST"], found["PORT"]) == ("me", "p@ss", "db", 5433)
    assert found["NAME"] == "console"


def test_keys_are_made_once_private_and_never_replaced(tmp_path):
    folder = tmp_path / "keys"

    assert sorted(keys.make_keys(folder)) == sorted(keys.NAMES)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert keys.make_keys(folder) == []

    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}


def test_a_lost_private_key_is_not_replaced_behind_the_public_one(tmp_path):
    keys.make_keys(tmp_path)
    (tmp_path / "secrets.pem").unlink()

    with pytest.raises(FileNotFoundError, match="bring it back"):
        keys.make_keys(tmp_path)


def test_what_the_console_writes_is_for_its_own_account_only(tmp_path):
    """The database holds sessions and password hashes."""
    environ = {"PATH": "/usr/bin:/bin", "CONSOLE_HOME": str(tmp_path), "HTTPS": "no"}
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "init"], env=environ, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr

    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir() if file.is_file()}
    assert set(modes.values()) == {0o600}, modes
    again = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "init"], env=environ, capture_output=True, text=True
    )
    assert again.returncode == 1
    assert "set up already" in again.stderr
