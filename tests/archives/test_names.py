"""What files in an archive are called is not for everybody: not in logs, errors and messages either."""

import errno
import os

import pytest
from django.urls import reverse

from backups.archives import cybersift_restore as reader
from backups.archives.format import index
from backups.archives.format.errors import UnreadableFile
from backups.archives.format.writer import ArchiveWriter
from backups.archives.models import Archive, ArchiveState
from backups.archives.services import queue_archive, queue_compare, queue_take_out, queue_verify
from backups.runs.models import Run, RunState
from tests.archives.making import Item, Maker
from tests.archives.test_collector import put, refresh
from tests.archives.test_opening import COUNTED
from tests.turns import work

pytestmark = pytest.mark.db

SECRET = "merger-with-acme"
PATH = f"files/models/{SECRET}/{SECRET}.bin"


@pytest.fixture
def said(as_person):
    """Everything that a person is told of a run and its archive: pages, live tail and text of the log."""

    def ask(who: str, run: Run | None = None) -> str:
        client, archive = as_person(who), Archive.objects.get()
        pages = [reverse("archives:list"), archive.get_absolute_url(), reverse("archives:live", args=[archive.pk])]
        for each in [run] if run else Run.objects.all():
            pages += [reverse(f"runs:{name}", args=[each.pk]) for name in ("detail", "live", "log", "log_text")]
        answers = [client.get(page) for page in pages]
        assert {answer.status_code for answer in answers} == {200}
        return "\n".join(answer.getvalue().decode() for answer in answers)

    return ask


@pytest.fixture
def archive(profile, tree, cast) -> Archive:
    (tree / f"models/{SECRET}").mkdir()
    (tree / f"models/{SECRET}/{SECRET}.bin").write_bytes(os.urandom(2 << 20))
    os.mkfifo(tree / f"models/{SECRET}.pipe")
    (tree / f"models/{SECRET}/flow.json.gz").write_bytes(b"no flow")
    work(queue_archive(actor=cast["operator"], profile=profile))
    return Archive.objects.get()


def flip(archive: Archive) -> None:
    """A byte of the secret file."""
    with reader.open_archive(str(archive.path)) as found:
        at = next(member.at for member in found.manifest.members if member.path == PATH)
    data = bytearray(archive.path.read_bytes())
    data[at + (1 << 20)] ^= 1
    archive.path.write_bytes(data)


def hidden_from_viewers_only(said, run: Run | None = None) -> bool:
    return SECRET in said("operator", run) and SECRET not in said("viewer", run)


def test_of_what_was_packed_and_what_was_not(said, archive):
    run = archive.run
    text = said("operator", run)

    assert run.state == RunState.PARTIAL and SECRET not in run.error
    assert f"NAME Not in the archive: files/models/{SECRET}.pipe (a FIFO)" in text
    assert f"NAME files/models/{SECRET}/flow.json.gz" in text
    assert hidden_from_viewers_only(said, run)
    assert "1 entry is not in the archive" in said("viewer", run)
    assert "files/models/…/flow.json.gz: NiFi could not load it" in said("viewer", run)


def test_of_a_file_that_stops_an_archive(said, profile, cast, monkeypatch):
    def refused(*_, **__):  # by root everything can be read
        raise UnreadableFile(PATH, "Permission denied", errno.EACCES)

    monkeypatch.setattr(ArchiveWriter, "add_tree", refused)
    run = work(queue_archive(actor=cast["operator"], profile=profile))

    assert "A file cannot be read (Permission denied), and the profile wants all files or no archive" in run.error
    assert hidden_from_viewers_only(said, run)


def test_of_what_differs(said, archive, tree, cast):
    (tree / f"models/{SECRET}/{SECRET}.bin").unlink()
    run = work(queue_compare(archive, actor=cast["operator"]))

    assert f"NAME Only in the archive: {PATH}" in said("operator", run)
    assert hidden_from_viewers_only(said, run)
    assert "models: 1 difference." in said("viewer", run)


def test_of_what_is_damaged(said, archive, cast):
    flip(archive)
    run = work(queue_verify(archive, actor=cast["operator"]))

    assert Archive.objects.get().state == ArchiveState.DAMAGED
    assert "The archive is damaged: 1 entry of it." in run.error
    assert hidden_from_viewers_only(said, run)


def test_of_what_cannot_be_taken_out(said, archive, cast):
    with index.opened(index.index_of(archive.path), archive.manifest_sha256) as found:
        number = found.entry(PATH).number
    flip(archive)
    run = work(queue_take_out(archive, actor=cast["operator"], number=number, path=PATH))

    assert run.error == "It could not be taken out: the archive is damaged there."
    assert SECRET not in said("viewer", run)


def test_of_an_archive_that_others_made_badly(said, location):
    item = Item(f"files/{SECRET}", data=b"x", extra={"at": 0})
    put(location, "theirs.tar.gz", Maker(head=COUNTED).bytes_of([item]))
    refresh(location)

    assert Archive.objects.get().state == ArchiveState.DAMAGED
    assert hidden_from_viewers_only(said)


def test_of_one_whose_list_of_files_was_broken_since(said, location, cast):
    item = Item(f"files/{SECRET}", data=b"x", extra={"at": 0})
    path = put(location, "theirs.tar.gz", Maker(head=COUNTED).bytes_of([item]))
    found = Archive.objects.create(location=location, name=path.name, codec="gz", state=ArchiveState.FOUND)
    run = work(queue_verify(found, actor=cast["operator"]))

    assert run.state == RunState.FAILED
    assert hidden_from_viewers_only(said, run)
