"""What is told of a plan when it is compared with now, by a table."""

from dataclasses import replace

import pytest

from backups.restores import document
from backups.restores.archives.plan import make_plan
from backups.restores.archives.rows import MOST_ROWS

from .test_plan import ASKED, CHANGED, DATABASE, FOUND, GONE, NEW, REDIS, redis_asked, with_folder

MOVED = {
    "nothing": (ASKED, FOUND, FOUND, [], []),
    "a file more": (
        ASKED,
        with_folder(differences=(CHANGED,)),
        with_folder(differences=(CHANGED, GONE)),
        ["models: 1 to replace, 1 to remove now; 1 to replace when this was asked."],
        ["files/models/c: remove now, and nothing when this was asked."],
    ),
    "a file less": (
        ASKED,
        with_folder(differences=(CHANGED,)),
        with_folder(differences=()),
        ["models: nothing to do now; 1 to replace when this was asked."],
        ["files/models/a: nothing would be done any more (replace when this was asked)."],
    ),
    "it went": (
        ASKED,
        with_folder(differences=(CHANGED,)),
        with_folder(differences=(replace(NEW, path="a"),)),
        ["models: 1 to create now; 1 to replace when this was asked."],
        ["files/models/a: create now, replace when this was asked."],
    ),
    "keys": (
        redis_asked("replace"),
        REDIS,
        replace(REDIS, databases=(replace(DATABASE, keys_now=1102, only_there=17),)),
        ["main database 1 has 1,102 keys now, 100 when this was asked: 5 added, 20 overwritten, 17 removed."],
        [],
    ),
    "so many that not each has a row": (
        ASKED,
        with_folder(differences=(CHANGED,)),
        with_folder(differences=tuple(replace(NEW, path=f"{number:05}") for number in range(MOST_ROWS + 1))),
        ["models: 501 to create now; 1 to replace when this was asked."],
        [],
    ),
}


@pytest.mark.parametrize(("asked", "then", "now", "counts", "names"), MOVED.values(), ids=MOVED)
def test_what_moved_since_the_plan_is_told_without_names_and_with_them(asked, then, now, counts, names):
    frozen, fresh = make_plan(asked, then).document, make_plan(asked, now).document

    assert document.moved(frozen, fresh) == counts
    assert document.moved_files(frozen, fresh) == names
