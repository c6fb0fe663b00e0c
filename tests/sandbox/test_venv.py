"""The virtual environment is made once, and brought up to date when the requirements change."""

import pytest

from deploy import venv


@pytest.fixture
def pip(tmp_path, monkeypatch):
    """A checkout with an environment whose Python notes what it is asked to install, and fails as often as told."""
    (tmp_path / "requirements.txt").write_text("django==5.2\n")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"""#!/bin/sh
[ "$1" = -c ] && exit 0
echo "$@" >> {tmp_path}/calls
echo "Downloading django.whl (8 MB)"
[ "$(wc -l < {tmp_path}/calls)" -gt "${{PIP_FAILS:-0}}" ] || {{ echo "ERROR: the network is away"; exit 1; }}
""")
    python.chmod(0o755)
    monkeypatch.setattr(venv, "CHECKOUT", tmp_path)
    monkeypatch.setattr(venv, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(venv, "PYTHON", python)
    monkeypatch.setattr(venv.time, "sleep", lambda seconds: None)
    return tmp_path


def calls(checkout) -> int:
    file = checkout / "calls"
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_nothing_happens_when_it_is_up_to_date(pip, capsys):
    venv.main(["requirements.txt"])
    assert "Downloading django.whl" in capsys.readouterr().out

    venv.main(["requirements.txt"])

    assert calls(pip) == 1
    assert capsys.readouterr().out == ""


def test_changed_requirements_are_installed(pip):
    venv.main(["requirements.txt"])
    (pip / "requirements.txt").write_text("django==5.3\n")

    venv.main(["requirements.txt"])

    assert calls(pip) == 2


def test_a_failed_installation_is_tried_again(pip, monkeypatch, capsys):
    monkeypatch.setenv("PIP_FAILS", "2")

    venv.main(["requirements.txt"])

    assert calls(pip) == 3
    assert "try 2 of 3): ERROR: the network is away" in capsys.readouterr().out


def test_what_cannot_be_installed_leaves_no_stamp(pip, monkeypatch):
    monkeypatch.setenv("PIP_FAILS", "9")

    with pytest.raises(SystemExit, match="could not be installed. Try: "):
        venv.main(["requirements.txt"])

    assert list((pip / ".venv").glob("*.installed")) == []


def test_without_the_module_the_package_is_named(pip, monkeypatch):
    venv.PYTHON.unlink()
    monkeypatch.setattr(venv.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(venv.os, "geteuid", lambda: 1000)

    with pytest.raises(SystemExit, match="On Debian: sudo apt-get install python3-venv"):
        venv.main(["requirements.txt"])
