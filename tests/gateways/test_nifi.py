"""A NiFi's flow: where it is, and whether what was read of it can be trusted."""

import gzip
import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.gateways import nifi
from backups.gateways.nifi import PAUSE, TRIES, FlowCheck, check_flow, find_flows

JSON = json.dumps({"rootGroup": {"processors": [{"name": "ü", "bulletin": [1, 2.5, None]}] * 200}}).encode()
XML = b'<?xml version="1.0" encoding="UTF-8"?>\n<flowController encoding-version="1.4">' + b"<p>x</p>" * 500
XML += b"</flowController>\n"


def flow(folder: Path, content: bytes, name: str = "flow.json.gz") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def checked(path: Path) -> FlowCheck:
    """Without a pause that is needed."""

    def wait(_: float) -> None:
        raise AssertionError("nobody writes to it")

    return check_flow(path, wait)


def test_flows_are_found_at_any_depth_and_links_are_not_followed(tmp_path):
    for folder in ("opt/nifi/conf", "other/conf", "conf"):
        (tmp_path / folder).mkdir(parents=True)
    expected = [
        tmp_path / "conf/flow.xml.gz",
        tmp_path / "opt/nifi/conf/flow.json.gz",
        tmp_path / "opt/nifi/conf/flow.xml.gz",
    ]
    for path in (*expected, tmp_path / "other/conf/flow.json.gz.bak", tmp_path / "other/conf/a-flow.json.gz"):
        path.touch()
    (tmp_path / "other/conf/flow.json.gz").symlink_to(expected[0])
    (tmp_path / "other/flow.xml.gz").mkdir()
    (tmp_path / "linked").symlink_to("opt")
    os.mkfifo(tmp_path / "other/flow.json.gz")

    assert find_flows(tmp_path) == expected
    assert find_flows(tmp_path / "opt/nifi/conf") == expected[1:]
    assert find_flows(tmp_path / "none") == []


@pytest.mark.parametrize(("name", "plain"), [("flow.json.gz", JSON), ("flow.xml.gz", XML)])
@pytest.mark.parametrize("members", [1, 3])
def test_a_flow_that_is_whole_is_ok(tmp_path, name, plain, members):
    third = len(plain) // members + 1
    data = b"".join(gzip.compress(plain[at : at + third]) for at in range(0, len(plain), third))
    path = flow(tmp_path, data, name)

    assert checked(path) == FlowCheck(path, len(data), hashlib.sha256(data).hexdigest(), "ok")


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


PACKED = gzip.compress(JSON)


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("flow.json.gz", b"", "it is empty"),
        ("flow.json.gz", JSON, "no whole gzip file"),
        ("flow.json.gz", PACKED[:-1], "its end is missing"),
        ("flow.json.gz", PACKED[: len(PACKED) // 2], "its end is missing"),
        ("flow.json.gz", flipped(PACKED, len(PACKED) - 6), "no whole gzip file"),
        ("flow.json.gz", PACKED + b"more", "no whole gzip file"),
        ("flow.json.gz", PACKED + PACKED[:10], "its end is missing"),
        ("flow.json.gz", gzip.compress(JSON[:-1]), "no JSON"),
        ("flow.json.gz", gzip.compress(b"[1]"), "no JSON object"),
        ("flow.json.gz", gzip.compress(b"\xff\xfe\xfa"), "no JSON"),
        ("flow.json.gz", gzip.compress(b"[" * 1_000_000), "no JSON"),
        ("flow.xml.gz", gzip.compress(XML[:-10]), "no XML"),
        ("flow.xml.gz", gzip.compress(b"<html></html>"), "begins with <html>"),
        (
            "flow.xml.gz",
            gzip.compress(b'<!DOCTYPE a [<!ENTITY b "c">]><flowController>&b;</flowController>'),
            "entities",
        ),
    ],
)
def test_a_flow_that_cannot_be_loaded_is_damaged(tmp_path, name, data, why):
    found = checked(flow(tmp_path, data, name))

    assert found.state == "damaged" and why in found.why
    assert (found.size, found.sha256) == (len(data), hashlib.sha256(data).hexdigest())


@given(at=st.integers(0, len(PACKED) - 1), bit=st.integers(0, 7))
def test_no_flipped_bit_of_the_data_goes_unseen(tmp_path_factory, at, bit):
    """But for those that mean nothing: time and system in the header, and what fills the last byte of the data."""
    broken = PACKED[:at] + bytes([PACKED[at] ^ 1 << bit]) + PACKED[at + 1 :]

    found = checked(flow(tmp_path_factory.mktemp("flow"), broken))

    assert found.state == "damaged" or gzip.decompress(broken) == JSON


@pytest.mark.parametrize("name", nifi.NAMES)
def test_a_bomb_is_not_inflated(tmp_path, monkeypatch, name):
    monkeypatch.setattr(nifi, "MOST", 4 << 20)

    assert "more than 4 MB" in checked(flow(tmp_path, gzip.compress(b" " * (5 << 20)), name)).why


def test_a_flow_that_is_not_there_or_not_to_be_read_is_damaged(tmp_path):
    (tmp_path / "flow.json.gz").mkdir()

    assert checked(tmp_path / "flow.xml.gz").why == "vanished"
    assert checked(tmp_path / "flow.json.gz").why == "became something else"


def test_a_flow_that_changes_once_is_read_again(tmp_path, monkeypatch):
    path, pauses, inflate = flow(tmp_path, PACKED), [], nifi._inflated
    new = gzip.compress(b'{"new": 1}')

    def replaced(file):
        monkeypatch.setattr(nifi, "_inflated", inflate)
        flow(tmp_path, new, "new").replace(path)
        return inflate(file)

    monkeypatch.setattr(nifi, "_inflated", replaced)
    found = check_flow(path, pauses.append)

    assert (found.state, found.sha256, pauses) == ("ok", hashlib.sha256(new).hexdigest(), [PAUSE])


def test_a_flow_that_changes_all_the_time_is_changing(tmp_path, monkeypatch):
    path, pauses, inflate = flow(tmp_path, PACKED), [], nifi._inflated

    def touched(file):
        os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))
        return inflate(file)

    monkeypatch.setattr(nifi, "_inflated", touched)

    assert check_flow(path, pauses.append).state == "changing" and pauses == [PAUSE] * (TRIES - 1)


def test_a_flow_that_is_half_written_when_it_is_read_is_changing_and_not_damaged(tmp_path, monkeypatch):
    path, inflate = flow(tmp_path, PACKED[:100]), nifi._inflated

    def grown(file):
        path.write_bytes(path.read_bytes() + b"x")
        return inflate(file)

    monkeypatch.setattr(nifi, "_inflated", grown)

    assert check_flow(path, lambda _: None).state == "changing"
