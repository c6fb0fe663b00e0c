"""The server's zip is fetched once, tried again when the network fails, and never left half unpacked."""

import os
import zipfile

import pytest

from deploy.sandbox import fetch
from deploy.sandbox.kinds import DEFAULT
from deploy.sandbox.packages import Missing

FAKE_MAVEN = """#!/bin/sh
for word in "$@"; do case $word in -Dmaven.repo.local=*) repository=${word#*=};; esac; done
echo "$@" >> "$HOME/calls"
if [ "$(wc -l < "$HOME/calls")" -lt GOOD_TRY ]; then echo "[ERROR] the network is away"; exit 1; fi
folder=$repository/org/elasticsearch/distribution/integ-test-zip/elasticsearch/8.19.0
mkdir -p "$folder" && cp "$HOME/server.zip" "$folder/elasticsearch-8.19.0.zip"
"""


@pytest.fixture
def server_zip(tmp_path):
    file = tmp_path / "server.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("elasticsearch-8.19.0/bin/elasticsearch", "#!/bin/sh\n")
        archive.writestr("elasticsearch-8.19.0/config/jvm.options", "")
    return file


@pytest.fixture
def maven(tmp_path, monkeypatch, server_zip):
    """A Maven that has the zip, from the given try on."""

    def install(good_try: int) -> None:
        program = tmp_path / "bin" / "mvn"
        program.parent.mkdir()
        program.write_text(FAKE_MAVEN.replace("GOOD_TRY", str(good_try)))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setattr(fetch.time, "sleep", lambda seconds: None)

    return install


def test_it_is_downloaded_and_unpacked_once(maven, tmp_path):
    maven(good_try=1)
    said = []

    first = fetch.unpacked(DEFAULT, tmp_path / "servers", said.append)
    second = fetch.unpacked(DEFAULT, tmp_path / "servers", said.append)

    assert first == second
    assert os.access(first / "bin" / "elasticsearch", os.X_OK)
    assert len((tmp_path / "calls").read_text().splitlines()) == 1
    assert said[0].startswith("Downloading Elasticsearch 8.19.0")


def test_a_failed_download_is_tried_again(maven, tmp_path):
    maven(good_try=3)
    said = []

    fetch.unpacked(DEFAULT, tmp_path / "servers", said.append)

    assert [line for line in said if "try 2 of 3): the network is away" in line]


def test_what_cannot_be_had_is_one_line_with_the_command(maven, tmp_path):
    maven(good_try=9)

    with pytest.raises(Missing, match=r"could not be downloaded\. Try: .*mvn .*dependency:get") as missing:
        fetch.unpacked(DEFAULT, tmp_path / "servers", lambda line: None)

    assert "\n" not in str(missing.value)


def test_a_damaged_zip_is_fetched_again(maven, tmp_path):
    maven(good_try=1)
    damaged = fetch.zip_path(DEFAULT)
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"PK\x03\x04 half a zip")

    home = fetch.unpacked(DEFAULT, tmp_path / "servers", lambda line: None)

    assert (home / "bin" / "elasticsearch").is_file()


def test_a_broken_zip_leaves_nothing(tmp_path):
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK\x03\x04 half a zip")

    with pytest.raises(zipfile.BadZipFile):
        fetch.unpack(broken, tmp_path / "servers" / "elasticsearch-8.19.0")

    assert list((tmp_path / "servers").iterdir()) == []


def test_the_second_of_two_who_unpack_uses_what_the_first_made(server_zip, tmp_path):
    home = tmp_path / "servers" / "elasticsearch-8.19.0"
    fetch.unpack(server_zip, home)
    (home / "mark").touch()

    fetch.unpack(server_zip, home)

    assert (home / "mark").exists()
    assert [found.name for found in home.parent.iterdir()] == [home.name]


def test_what_a_killed_unpacking_left_is_removed_but_not_what_another_one_does(server_zip, tmp_path):
    old, new = tmp_path / "servers" / ".unpacking-old", tmp_path / "servers" / ".unpacking-new"
    old.mkdir(parents=True)
    new.mkdir()
    os.utime(old, (0, 0))

    fetch.unpack(server_zip, tmp_path / "servers" / "elasticsearch-8.19.0")

    assert not old.exists()
    assert new.exists()
