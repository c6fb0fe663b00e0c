"""Plans from archives, by tables: nothing is looked at, and the same facts give the same plan."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from backups.restores.archives.asked import Asked, Database
from backups.restores.archives.differing import units
from backups.restores.archives.found import CREATE, REMOVE, REPLACE, DatabaseFound, Difference, FolderFound, Found
from backups.restores.archives.plan import make_plan
from backups.restores.archives.redis.databases import matching
from backups.restores.archives.rows import MOST_ROWS
from backups.restores.archives.undo.plan import make_undo_plan
from backups.restores.archives.ways import ENTRIES, SCRATCH, SWAP, way_of
from backups.restores.document import canonical

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MADE = datetime(2026, 11, 22, 3, 40, tzinfo=UTC)
EARLIER, LATER = (int(MADE.timestamp() + seconds) * 10**9 for seconds in (-60, 60))
ASKED = Asked(token="0" * 16, folders=("models",), remove=True)
CHANGED = Difference("a", REPLACE, "f", "content", "f", 10, 20, EARLIER, EARLIER)
NEW = Difference("b", CREATE, "f", size=10)
GONE = Difference("c", REMOVE, "f", over="f", size_now=5, mtime_now=EARLIER)
FLOW = replace(CHANGED, path="conf/flow.json.gz")
FOLDER = FolderFound(
    name="models",
    target="/opt/models",
    identity="1:2",
    differences=(CHANGED, NEW, GONE),
    entries=3,
    total=30,
    free=1 << 30,
    size_of_disk=1 << 31,
)
FOUND = Found(NOW, "node-01", "files.tar.gz", made_at=MADE, verified_at=MADE, digest="d" * 64, folders=(FOLDER,))
DATABASE = DatabaseFound(
    "state", 1, "main", run_id="r1", keys_now=100, in_archive=90, added=5, overwritten=20, same=60,
    only_there=15, expired=5, spare=9, memory=1000,
)  # fmt: skip
REDIS = replace(FOUND, folders=(), databases=(DATABASE,), safety_free=1 << 30)


def with_folder(**changes) -> Found:
    return replace(FOUND, folders=(replace(FOLDER, **changes),))


def redis_asked(mode: str, **changes) -> Asked:
    return replace(ASKED, folders=(), redis=(Database("state", 1, 7, mode),), **changes)


def fails(plan) -> str:
    return " | ".join(f"{line['text']}: {line['sub']}" for line in plan.document["checks"] if line["state"] == "fail")


WAYS = {
    "the whole folder": (ASKED, {}, SWAP),
    "it stays what the archive does not have": (replace(ASKED, remove=False), {}, ENTRIES),
    "only some files": (replace(ASKED, only=("models/a",)), {}, ENTRIES),
    "one was taken out": (replace(ASKED, skip=frozenset({"models/a"})), {}, ENTRIES),
    "the profile has patterns": (ASKED, {"patterns": True}, ENTRIES),
    "it is a mount point": (ASKED, {"is_mount": True}, ENTRIES),
    "something of the console is in it": (ASKED, {"holds": ("/opt/models/keys",)}, ENTRIES),
    "it is not there": (replace(ASKED, remove=False, only=("x",)), {"identity": ""}, SWAP),
    "elsewhere": (replace(ASKED, to="/srv/new", remove=False), {}, SCRATCH),
}


@pytest.mark.parametrize(("asked", "changes", "way"), WAYS.values(), ids=WAYS)
def test_a_folder_is_exchanged_as_a_whole_only_where_nothing_of_it_has_to_stay(asked, changes, way):
    assert way_of(asked, replace(FOLDER, **changes)) == way


STOPS = {
    "a path that no lock can name": (ASKED, with_folder(target=f"/srv/{'x' * 700}"), "A path is too long"),
    "damaged": (ASKED, replace(FOUND, problem="It is damaged."), "cannot be used: It is damaged."),
    "no such folder": (ASKED, replace(FOUND, missing=("nifi",)), "does not have this: nifi"),
    "nothing differs": (ASKED, with_folder(differences=()), "Nothing is left to restore"),
    "not to be looked at": (ASKED, with_folder(why="The worker may not write to /opt."), "models cannot be restored"),
    "unreadable": (ASKED, with_folder(unread=2), "2 entries of models cannot be looked at"),
    "no room": (ASKED, with_folder(free=100), "Not enough space"),
    "NiFi runs": (ASKED, replace(with_folder(differences=(FLOW,), flows=(FLOW.path,)), nifi=12), "1 file is blocked"),
    "a folder in the way of a file": (
        replace(ASKED, remove=False), with_folder(differences=(replace(CHANGED, over="d"),)), "1 file is blocked",
    ),
    "locked": (ASKED, replace(FOUND, busy=frozenset({"path:node-01:/opt"})), "Another restore works there"),
    "locked below": (ASKED, replace(FOUND, busy=frozenset({"path:node-01:/opt/models/a"})), "Another restore"),
    "Redis refuses": (
        redis_asked("replace"), replace(REDIS, databases=(replace(DATABASE, stops=("No.",)),)), "1 file is blocked",
    ),
    "no room for the dump": (redis_asked("merge"), replace(REDIS, safety_free=10), "Not enough space for the dump"),
}  # fmt: skip


@pytest.mark.parametrize(("asked", "found", "words"), STOPS.values(), ids=STOPS)
def test_what_stands_in_the_way_is_said_and_nothing_can_be_asked_for(asked, found, words):
    plan = make_plan(asked, found)

    assert plan.blocked and not plan.document["calls"]
    if "Redis" not in words and found is not STOPS["Redis refuses"][1]:
        assert words in fails(plan)


def test_lines_about_files_do_not_name_them():
    plan = make_plan(ASKED, replace(with_folder(differences=(FLOW,), flows=(FLOW.path,)), nifi=12))

    assert "flow.json.gz" not in str(plan.document["checks"]) + plan.title + plan.document["consequence"]


def test_what_drops_out_is_part_of_the_worst_that_it_does():
    newer = replace(CHANGED, mtime_now=LATER)

    plan = make_plan(ASKED, with_folder(differences=(newer, GONE)))

    assert plan.document["consequence"] == (
        "1 live file is replaced and 1 removed; 1 newer file drops out on node-01."
    )


GOOD = {
    "another restore elsewhere": replace(FOUND, busy=frozenset({"path:node-01:/opt/modelsx", "path:other:/opt"})),
    "not read back": replace(FOUND, verified_at=None),
    "NiFi does not run": with_folder(differences=(FLOW,), flows=(FLOW.path,)),
}


@pytest.mark.parametrize("found", GOOD.values(), ids=GOOD)
def test_what_does_not_stand_in_the_way(found):
    assert make_plan(ASKED, found).blocked == 0


RISKS = {
    "it replaces": (ASKED, FOUND, "R2"),
    "it only removes": (ASKED, with_folder(differences=(GONE,)), "R2"),
    "it only adds": (ASKED, with_folder(differences=(NEW,)), "R1"),
    "to an empty place": (replace(ASKED, to="/srv/new"), with_folder(differences=(NEW,)), "R0"),
    "keys are overwritten": (redis_asked("merge"), REDIS, "R2"),
    "a database is replaced": (redis_asked("replace"), REDIS, "R2"),
    "into an empty database": (redis_asked("spare"), REDIS, "R0"),
    "keys are only added": (
        redis_asked("merge"), replace(REDIS, databases=(replace(DATABASE, overwritten=0),)), "R1",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("asked", "found", "risk"), RISKS.values(), ids=RISKS)
def test_the_risk_follows_from_what_happens(asked, found, risk):
    plan = make_plan(asked, found)

    assert (plan.risk, plan.blocked) == (risk, 0)
    assert plan.risk_reason


KEYS = {
    "merge": ("merge", {"after": 105, "added": 5, "overwritten": 20, "removed": 0, "spare": None}),
    "replace": ("replace", {"after": 85, "added": 5, "overwritten": 20, "removed": 15, "spare": 9}),
    "spare": ("spare", {"after": 85, "added": 85, "removed": 0, "spare": 9}),
}


@pytest.mark.parametrize(("mode", "numbers"), KEYS.values(), ids=KEYS)
def test_keys_are_counted_before_and_after(mode, numbers):
    (row,) = make_plan(redis_asked(mode), REDIS).document["rows"]

    assert {name: row[name] for name in numbers} == numbers


def test_what_is_newer_than_the_archive_is_said():
    newer = replace(CHANGED, mtime_now=LATER)

    plan = make_plan(ASKED, with_folder(differences=(newer, NEW)))

    assert plan.document["newer"] == 1
    assert "1 newer file drops out" in str(plan.document["checks"])


def test_many_files_are_counted_folder_by_folder():
    many = tuple(replace(NEW, path=f"folder/{number:05}") for number in range(MOST_ROWS + 50))

    document = make_plan(ASKED, with_folder(differences=many)).document

    assert len(document["rows"]) == MOST_ROWS
    assert document["more"] == [{"folder": "models/folder", "action": "create", "count": 50}]
    assert document["numbers"]["create"] == MOST_ROWS + 50


@pytest.mark.parametrize(
    ("asked", "found"), [(ASKED, FOUND), (redis_asked("replace"), REDIS)], ids=["files", "redis"]
)
def test_the_same_facts_give_the_same_text_and_how_much_there_is_binds_nothing(asked, found):
    document = make_plan(asked, found).document
    assert canonical(document) == canonical(make_plan(Asked.of(asked.as_options()), found).document)

    grown = replace(
        found,
        folders=tuple(replace(f, total=99, free=1 << 29) for f in found.folders),
        databases=tuple(replace(d, keys_now=777, memory=5) for d in found.databases),
    )
    assert make_plan(asked, grown).document["bound"] == document["bound"]
    assert document["locks"]


BOUND = {
    "another archive": (ASKED, replace(FOUND, digest="e" * 64)),
    "another folder": (ASKED, with_folder(identity="1:3")),
    "it became a mount point": (ASKED, with_folder(is_mount=True)),
    "Redis was started again": (redis_asked("replace"), replace(REDIS, databases=(replace(DATABASE, run_id="r2"),))),
    "another spare": (redis_asked("replace"), replace(REDIS, databases=(replace(DATABASE, spare=8),))),
}


@pytest.mark.parametrize(("asked", "found"), BOUND.values(), ids=BOUND)
def test_identities_are_bound(asked, found):
    before = make_plan(asked, REDIS if asked.redis else FOUND).document["bound"]

    assert make_plan(asked, found).document["bound"] != before


def test_what_an_undo_loses_is_its_consequence():
    since = with_folder(differences=(replace(GONE, mtime_now=LATER),), way=SWAP, copy="/opt/models.before-1")

    plan = make_undo_plan(ASKED, replace(since, undoes=7))

    assert "1 file that was written since drop out" in plan.document["consequence"]
    assert plan.document["bound"]["kept /opt/models.before-1"] == "whole"


UNITS = {
    "files alone": ([("a", CREATE, "f", ""), ("d/b", REPLACE, "f", "f")], ["a", "d/b"]),
    "a new folder goes as one": (
        [("d", CREATE, "d", ""), ("d/a", CREATE, "f", ""), ("e", CREATE, "f", "")], ["d", "e"],
    ),
    "a folder in the place of a file": ([("d", REPLACE, "d", "f"), ("d/a", CREATE, "f", "")], ["d"]),
    "a file in the place of a folder": ([("d", REPLACE, "f", "d"), ("d/a", REMOVE, "f", "f")], ["d"]),
    "a folder that goes is emptied": ([("d", REMOVE, "d", "d"), ("d/a", REMOVE, "f", "f")], ["d/a"]),
    "a name that begins alike": ([("d", CREATE, "d", ""), ("d.txt", CREATE, "f", "")], ["d", "d.txt"]),
}  # fmt: skip


@pytest.mark.parametrize(("found", "moved"), UNITS.values(), ids=UNITS)
def test_what_lies_in_a_folder_that_is_moved_goes_with_it(found, moved):
    differences = tuple(Difference(path, action, kind, over=over) for path, action, kind, over in found)

    assert [each.path for each in units(differences)] == moved


PATTERNS = (
    ("", b"anything", True),
    ("user:*", b"user:1", True),
    ("user:*", b"xuser:1", False),
    ("h?llo", b"hello", True),
    ("h[^e]llo", b"hello", False),
    ("h[^e]llo", b"hallo", True),
    (r"a\*b", b"a*b", True),
    (r"a\*b", b"axb", False),
    ("*", b"\xff\n", True),
)


@pytest.mark.parametrize(("pattern", "name", "fits"), PATTERNS)
def test_patterns_of_keys_are_those_of_redis(pattern, name, fits):
    assert matching(pattern)(name) is fits
