"""Certificates come from one folder; nothing leads out of it."""

import pytest

from backups.clusters import authorities
from backups.gateways.elasticsearch.errors import Untrusted


def test_a_certificate_is_read_by_name(ca_dir):
    (ca_dir / "soc.pem").write_text("-----BEGIN CERTIFICATE-----")

    assert authorities.names() == ["soc.pem"]
    assert authorities.read("soc.pem") == "-----BEGIN CERTIFICATE-----"


def test_no_name_means_the_authorities_of_the_system(ca_dir):
    assert authorities.read("") == ""


@pytest.mark.parametrize("name", ["gone.pem", "../secret.pem", "/etc/hostname", "link.pem", "folder", ".hidden"])
def test_a_path_outside_is_never_read(ca_dir, name):
    (ca_dir.parent / "secret.pem").write_text("secret")
    (ca_dir / ".hidden").write_text("secret")
    (ca_dir / "link.pem").symlink_to(ca_dir.parent / "secret.pem")
    (ca_dir / "folder").mkdir()

    with pytest.raises(Untrusted, match="is not in the folder"):
        authorities.read(name)


def test_what_is_no_text_is_said(ca_dir):
    (ca_dir / "binary.pem").write_bytes(b"\xff\xfe")

    with pytest.raises(Untrusted, match="cannot be read"):
        authorities.read("binary.pem")


def test_without_a_folder_there_is_nothing_to_choose(settings, tmp_path):
    settings.CA_DIR = tmp_path / "none"

    assert authorities.names() == []
