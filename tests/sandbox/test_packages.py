"""Programs that are missing are named in one line with the command; Java is taken when its version fits."""

import pytest

from deploy.sandbox import packages


def java_that_says(tmp_path, version: str):
    binary = tmp_path / "jdk" / "bin" / "java"
    binary.parent.mkdir(parents=True)
    binary.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
    binary.chmod(0o755)
    return binary


@pytest.mark.parametrize(("says", "version"), [("17.0.15", 17), ("1.8.0_392", 8), ("21", 21), ("25-ea", 25)])
def test_the_version_of_java_is_read(tmp_path, says, version):
    assert packages.java_version(java_that_says(tmp_path, says)) == version


def test_what_is_no_java_has_no_version(tmp_path):
    assert packages.java_version(tmp_path / "nothing") == 0


def test_a_java_out_of_range_is_left_alone(tmp_path, monkeypatch):
    binary = java_that_says(tmp_path, "11.0.2")
    monkeypatch.setattr(packages.shutil, "which", lambda name: str(binary))
    monkeypatch.setattr(packages, "JAVA_PLACES", ())

    assert packages.find_java(17, 24) is None
    assert packages.find_java(11, 24) == tmp_path / "jdk"


def test_without_root_the_command_is_named(monkeypatch):
    monkeypatch.setattr(packages.os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(packages.Missing) as missing:
        packages.program("mvn", "maven", print)

    assert str(missing.value) == "mvn is missing. On Debian: sudo apt-get install maven"


APT = """#!/bin/sh
[ "$1" = update ] && exit 0
echo "Get:1 http://mirror.test/debian stable/main amd64 openjdk-17-jre-headless amd64 17.0.15+6-1 [43.8 MB]"
echo "Get:2 http://mirror.test/debian stable/main amd64 maven all 3.8.7-1 [18.3 kB]"
echo "E: Unable to fetch some archives"
exit 100
"""


def test_as_root_it_is_said_first_and_the_failure_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "apt-get").write_text(APT)
    (tmp_path / "apt-get").chmod(0o755)
    monkeypatch.setattr(packages.os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    said = []

    with pytest.raises(packages.Missing, match=r"^maven could not be installed \(E: Unable to fetch some archives\)"):
        packages.install("maven", ["maven"], said.append)

    assert said == [
        "maven is missing; installing system packages: maven",
        "  Downloading openjdk-17-jre-headless (43.8 MB)",
    ]
