"""Which rows and files of a location need a closer look."""

from hypothesis import given
from hypothesis import strategies as st

from backups.archives.locations.folder import File
from backups.archives.locations.matching import SETTLED_NS, Known, match

NOW = 10**18
NAMES = st.sampled_from([f"{letter}.tar" for letter in "abcdef"])
TIMES = st.sampled_from([1, 2, NOW - SETTLED_NS // 2, NOW + 10**12])
STATES = st.sampled_from(["wanted", "finished", "verified", "unknown", "found", "damaged"])

files = st.dictionaries(NAMES, st.tuples(st.integers(1, 2), TIMES)).map(
    lambda given: {name: File(name, *facts) for name, facts in given.items()}
)
rows = st.dictionaries(NAMES, st.tuples(STATES, st.integers(1, 2), TIMES, st.booleans())).map(
    lambda given: [
        Known(pk, name, state, size, at, "", True, True, busy)
        for pk, (name, (state, size, at, busy)) in enumerate(given.items())
    ]
)


@given(rows, files)
def test_each_is_looked_at_once_left_to_its_run_or_as_it_was(rows, files):
    work, by_name = match(rows, files, NOW), {row.name: row for row in rows}

    assert {row.name for row in work.gone} == {row.name for row in rows if not row.is_run_s} - files.keys()
    opened = [file.name for file, _ in work.to_open]
    assert len(opened) == len(set(opened)) and set(opened) <= files.keys()
    for file, row in work.to_open:
        assert row is by_name.get(file.name) and (row is None or not row.is_run_s)
    left = [files[name] for name in files.keys() - set(opened)]
    same = [file for file in left if file.name in by_name and _is_settled_with(by_name[file.name], file)]
    assert len(left) - len(same) == work.unsettled


def _is_settled_with(row: Known, file: File) -> bool:
    return row.is_run_s or file[1:] == (row.size, row.mtime_ns) and row.state != "unknown"


def test_a_file_of_this_moment_waits_and_one_of_the_future_does_not():
    growing, odd = File("a.tar", 1, NOW - 1), File("b.tar", 1, NOW + 1)
    work = match([], {file.name: file for file in (growing, odd)}, NOW)

    assert [file for file, _ in work.to_open] == [odd] and work.unsettled == 1
