"""A home is configured anew at each start; what people and programs remember stays."""

import pytest

from deploy.sandbox.configuration import configure


@pytest.fixture
def unzipped(tmp_path):
    config = tmp_path / "elasticsearch" / "config"
    config.mkdir(parents=True)
    (config / "log4j2.properties").write_text("status = error\n")
    (config / "role_mapping.yml").write_text("# none\n")
    (config / "jvm.options").write_text("-XX:+UseG1GC\n-Xlog:gc*:file=logs/gc.log\n")
    return config.parent


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def test_a_second_start_keeps_passwords_and_certificates(home, unzipped):
    first = configure(home, unzipped, home / "repo", None)
    certificate = (home / "config/certs/ca.pem").read_text()
    (home / "config/roles.yml").write_text("half")

    assert configure(home, unzipped, home / "repo", None) == first
    assert (home / "config/certs/ca.pem").read_text() == certificate
    assert "monitor_snapshot" in (home / "config/roles.yml").read_text()


def test_secrets_are_for_the_owner_only(home, unzipped):
    configure(home, unzipped, home / "repo", None)

    for secret in ("passwords.json", "config/users", "config/certs/server.key"):
        assert (home / secret).stat().st_mode & 0o077 == 0, secret


def test_passwords_are_not_in_the_server_s_files(home, unzipped):
    passwords = configure(home, unzipped, home / "repo", None)

    written = "".join(file.read_text() for file in (home / "config").rglob("*") if file.is_file())
    assert not [password for password in passwords.values() if password in written]


def test_half_made_certificates_are_made_again(home, unzipped):
    (home / "config/certs.part").mkdir(parents=True)
    (home / "config/certs.part/ca.pem").write_text("half")

    configure(home, unzipped, home / "repo", None)

    assert {file.name for file in (home / "config/certs").iterdir()} == {"ca.pem", "server.pem", "server.key"}
    assert not (home / "config/certs.part").exists()


def test_the_half_made_keystore_of_a_killed_server_is_removed(home, unzipped):
    (home / "config").mkdir()
    (home / "config/elasticsearch.keystore.tmp").touch()

    configure(home, unzipped, home / "repo", None)

    assert not (home / "config/elasticsearch.keystore.tmp").exists()


@pytest.mark.parametrize(
    ("before", "wanted", "ports"),
    [
        (None, None, "19200-19999"),
        ("19207\n", None, "19207,19200-19999"),
        ("19207\n", 19300, "19300"),
    ],
)
def test_the_port_of_last_time_comes_first(home, unzipped, before, wanted, ports):
    if before:
        (home / "port").write_text(before)

    configure(home, unzipped, home / "repo", wanted)

    assert f'http.port: "{ports}"' in (home / "config/elasticsearch.yml").read_text()
