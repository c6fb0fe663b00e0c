"""The page of servers says what was seen, and no more."""

import datetime as dt
from importlib import import_module

from deploy import servers_page
from deploy.sandbox.kinds import KINDS

KNOWN = "test_it_is_known_for_what_it_is"
TODAY = dt.date(2026, 11, 24)


def row(page: str, words: str) -> list[str]:
    line = next(line for line in page.splitlines() if line.startswith(f"| {words} |"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_only_what_passed_is_called_tested():
    seen = {("test_the_second_one_copies_only_what_is_new", "elasticsearch-7.2.0"): "tested"}

    page = servers_page.servers_page(seen, TODAY)

    assert row(page, "Second snapshot incremental") == ["tested"] + ["not tested"] * (len(KINDS) - 1)


def test_what_a_server_lacks_is_not_there():
    cells = row(servers_page.servers_page({}, TODAY), "Two snapshots running at once")

    assert cells[0] == "not there"
    assert "not there" not in cells[1:]


def test_every_row_names_a_test_on_real_servers_or_one_on_the_fake_of_each():
    real = {name for module in servers_page.REAL for name in vars(import_module(module))}

    assert [f.words for f in servers_page.FEATURES if f.test and f.test not in real] == []
    assert [f.words for f in servers_page.FEATURES if not f.test and not of_every_fake(f.fake)] == []


def of_every_fake(where: str) -> bool:
    """Whether this test runs on the fake of each server."""
    file, _, name = where.partition("::")
    test = getattr(import_module(f"tests.{file.removesuffix('.py').replace('/', '.')}"), name)
    marks = (mark.args for mark in getattr(test, "pytestmark", ()) if mark.name == "parametrize")
    return ("fake_elasticsearch", tuple(kind.slug for kind in KINDS)) in marks


def test_what_is_not_on_the_real_server_is_called_so():
    cells = row(servers_page.servers_page({}, TODAY), "Global state without feature states")

    assert cells[:2] == ["not there", "on the fake only"]


def test_a_failed_or_skipped_test_is_said(tmp_path, monkeypatch):
    cases = "".join(
        f'<testcase classname="{servers_page.REAL[0]}" name="{KNOWN}[{kind.slug}]">{inner}</testcase>'
        for kind, inner in zip(KINDS, ("", "<failure/>", "<skipped/>"), strict=False)
    )
    (tmp_path / "servers.xml").write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    monkeypatch.setattr(servers_page, "DOCS", tmp_path)

    servers_page.write_servers([tmp_path / "servers.xml", tmp_path / "none.xml"], TODAY)
    servers_page.write_long({"servers": "1 passed"}, TODAY)

    page = (tmp_path / "servers.md").read_text()
    cells = row(page, "Product, version, nodes and paths are known")
    assert cells[:4] == ["tested", "**fails**", "not tested", "not tested"]
    assert "| servers | 1 passed |" in (tmp_path / "test-long.md").read_text()
