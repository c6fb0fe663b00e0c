"""Many lines of a manifest that are read at once: the same comes of it as when each is read alone."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backups.archives import cybersift_restore as reader

from .making import HEAD, manifest_text

NEVER = re.compile("(?!)")
names = st.lists(st.sampled_from(["a", "b", "c.d", "..", "ü", "", "n" * 255, "n" * 256, 'q"', "x y"]), max_size=4)
odd = st.sampled_from(
    [{}] * 12
    + [{"size": -1}, {"size": 10**18}, {"size": 1.5}, {"mode": 0o10000}, {"uid": 1 << 32}, {"uid": 0xFFFFFFFE}]
    + [{"mtime": -5}, {"mtime": 9_223_372_036_854_775_807}, {"mtime": 1 << 63}, {"sha256": "A" * 64}]
    + [{"sha256": " " + "0" * 63}, {"sha256": "0" * 63 + "g"}, {"changed": True}, {"xattrs": {"user.a": "eA=="}}]
    + [{"type": "l", "target": "x"}, {"type": "h", "target": "files/a"}, {"gname": "ü"}, {"at": 0}, {"at": 10**18}]
)


@st.composite
def records(draw) -> list[dict]:
    found, at = [], 1
    for _ in range(draw(st.integers(0, 40))):
        at += draw(st.integers(0, 1)) * 7
        path = "/".join([draw(st.sampled_from(["files"] * 12 + ["redis", ""])), *draw(names)])
        kind = draw(st.sampled_from("dff"))
        record = {"path": path, "type": kind} | ({"size": draw(st.integers(0, 99))} if kind == "f" else {})
        record |= {
            "mode": draw(st.sampled_from([0o644, 0o600])),
            "uid": 0,
            "gid": 0,
            "uname": "root",
            "gname": "root",
        }
        record |= {"mtime": draw(st.integers(-5, 2 * 10**18))} | ({"sha256": "0a" * 32} if kind == "f" else {})
        found.append({**record, "at": at, **draw(odd)})
    return found


def outcome(text: bytes) -> tuple:
    try:
        manifest = reader.Manifest(reader.Lines([memoryview(text)], len))
    except reader.Damaged as error:
        return (str(error),)
    facts = [[entry.as_json(), entry.xattrs, entry.shown] for entry in manifest.members]
    return facts, manifest.starts, manifest.errors, manifest.redis


@settings(max_examples=300, deadline=None)
@given(records(), st.sampled_from([reader.PORTION, 700, 2000]))
def test_lines_together_and_alone(files, portion):
    text = manifest_text(HEAD, files, [], [{"path": "files/x", "why": "a FIFO"}])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "PORTION", portion)
        together = outcome(text)
        patch.setattr(reader, "PLAIN_LINE", NEVER)
        assert together == outcome(text)


GOOD = {"path": "files/a", "type": "f", "size": 3, "mode": 420, "uid": 0, "gid": 0, "uname": "root", "gname": "root",
        "mtime": 5, "sha256": "0" * 64, "at": 9}  # fmt: skip


def test_most_lines_are_read_together():
    many = ({**GOOD, "path": f"files/{number}"} for number in range(99))
    text = manifest_text(HEAD, [GOOD, GOOD | {"path": "files/ü"}, *many], [], [])
    manifest = reader.Manifest(reader.Lines([memoryview(text)], len))

    assert [type(entry) for entry in manifest.members].count(reader.Line) > 80


@pytest.mark.parametrize(
    "change",
    [
        lambda line: line.replace('"size": 3', '"size": 03'),
        lambda line: line.replace('"at": 9', '"at": +9'),
        lambda line: line.replace('"mode": 420', '"mode": 0420'),
        lambda line: line.replace("}", "} x"),
        lambda line: "x" + line,
        lambda line: line.replace('"mtime": 5', '"mtime": -0'),
        lambda line: line.replace("0" * 64, "0" * 32 + "\n" + "0" * 31),
        lambda line: line.replace("files/a", "files/a\t"),
        lambda line: line.replace("files/a", "files/a\x7f"),
        lambda line: line.replace('"type": "f"', '"type": "d"'),
        lambda line: line + line,
    ],
)
def test_lines_that_are_nearly_right(change):
    text = manifest_text(HEAD, [GOOD], [], [])
    changed = text.replace(json.dumps(GOOD).encode(), change(json.dumps(GOOD)).encode())
    assert changed != text

    with pytest.MonkeyPatch.context() as patch:
        together = outcome(changed)
        patch.setattr(reader, "PLAIN_LINE", NEVER)
        assert together == outcome(changed)


@pytest.mark.parametrize("pattern", [reader.PLAIN_LINE, NEVER], ids=["together", "alone"])
def test_directories_that_nobody_names_have_an_end(monkeypatch, pattern):
    """A line of a very deep name speaks of thousands of them: with no limit, 20 KB took a gigabyte of memory."""
    monkeypatch.setattr(reader, "PLAIN_LINE", pattern)
    deep = "/".join(["files", *"abcdefgh" * 100])
    above = deep.split("/")
    directory = {key: value for key, value in GOOD.items() if key not in ("size", "sha256")} | {"type": "d"}
    named = [directory | {"path": "/".join(above[:depth])} for depth in range(2, len(above) + 1)]
    file = GOOD | {"path": f"{deep}/x"}
    monkeypatch.setattr(reader, "MAX_UNNAMED", len(deep) * len(above) // 4)

    assert outcome(manifest_text(HEAD, [file], [], [])) == ("it has too many directories that it does not name",)
    assert len(outcome(manifest_text(HEAD, [*named, file], [], []))[0]) == len(above)
