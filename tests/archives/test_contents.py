"""Looking into an archive in the browser, and taking one file out of it."""

import os
import re
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from django.urls import reverse
from django.utils import timezone

from backups.archives import services
from backups.archives.contents.taking import remove_old, waiting_file
from backups.archives.format import index, space
from backups.archives.models import Archive
from backups.archives.services import queue_archive
from backups.audit.models import AuditEntry
from backups.runs.models import CHECK, Run, RunState
from tests.turns import work

pytestmark = pytest.mark.db


@pytest.fixture(autouse=True)
def downloads(settings, tmp_path):
    """Where nobody else has anything waiting."""
    settings.DOWNLOADS_DIR = tmp_path / "downloads"
    return settings.DOWNLOADS_DIR


@pytest.fixture
def archive(profile, tree, cast):
    """With a file whose name is no text, one that is sparse, a hard link, and a socket's kin."""
    odd = os.fsencode(tree) + b"/models/\xff\x1b[31m.bin"
    Path(os.fsdecode(odd)).write_bytes(b"odd")
    with (tree / "models/sparse.bin").open("wb") as file:
        file.truncate(3 << 20)  # it ends in a hole
        file.seek(1 << 20)
        file.write(b"middle")
    os.link(tree / "models/sparse.bin", tree / "models/zz-sparse.bin")
    os.link(tree / "models/detector/weights.bin", tree / "models/zz-link.bin")
    os.mkfifo(tree / "models/pipe")
    work(queue_archive(actor=cast["operator"], profile=profile))
    return Archive.objects.get()


@pytest.fixture
def look(as_person, archive):
    """What the worker finds for a page of the contents."""

    def ask(who: str = "operator", **asked) -> str:
        client = as_person(who)
        answer = client.post(reverse("archives:contents", args=[archive.pk]), asked)
        assert answer.status_code == 200
        run = Run.objects.filter(kind=CHECK).latest("pk")
        work(run)
        return client.get(reverse("runs:check", args=[run.pk])).content.decode()

    return ask


def number_of(page: str, name: str) -> str:
    """The number by which the page asks for a directory."""
    return re.search(rf'value="(\d+)">(?:(?!<button).)*?{re.escape(name)}', page, re.DOTALL)[1]


def test_directories_are_walked_and_counted(look):
    root = look()
    assert "files" in root

    files = look(open=number_of(root, "files"))
    assert "models" in files and "params" in files and "120 files" in files

    params = look(open=number_of(files, "params"))
    assert "p0.json" in params and "Next" in params
    more = look(directory=number_of(files, "params"), after="100")
    assert "p99.json" in more and "Next" not in more


def test_a_search_finds_names_anywhere(look):
    assert "files/params/p77.json" in look(q="p77*")
    assert "files/models/detector/weights.bin" in look(q="weights")
    assert "Nothing in the archive has a name like this." in look(q="no-such-thing")


def test_what_was_skipped_is_named_with_the_reason(look):
    page = look(show="skipped")

    assert "files/models/pipe" in page and "a FIFO" in page
    assert "No file was written to while it was read." in look(show="changed")


def test_names_that_are_no_text_move_no_cursor(look):
    page = look(q="31m")

    assert "\\udcff\\x1b[31m.bin" in page
    assert "\x1b" not in page


def take(client, archive, path: str) -> Run:
    with index.opened(index.index_of(archive.path), archive.manifest_sha256) as opened:
        number = opened.entry(path).number
    answer = client.post(reverse("archives:take_out", args=[archive.pk]), {"number": number, "path": path})
    run = Run.objects.get(kind="take_out")
    assert answer["Location"] == reverse("archives:file", args=[run.pk])
    return work(run)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("files/params/p7.json", "p7.json"),
        ("files/models/sparse.bin", "sparse.bin"),
        ("files/models/zz-sparse.bin", "zz-sparse.bin"),
        ("files/models/zz-link.bin", "zz-link.bin"),
    ],
)
def test_one_file_is_taken_out_checked_and_recorded(as_person, archive, tree, path, name):
    client = as_person("operator")
    run = take(client, archive, path)
    assert run.state == RunState.SUCCEEDED, run.error
    assert f"Download {name}" in client.get(reverse("archives:file", args=[run.pk])).content.decode()

    answer = client.get(reverse("archives:download", args=[run.pk]))

    assert b"".join(answer.streaming_content) == (tree / path.removeprefix("files/")).read_bytes()
    assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
    entry = AuditEntry.objects.filter(action="archive.downloaded").get()
    assert path in entry.text


def test_a_number_with_another_name_is_refused(as_person, archive):
    client = as_person("operator")
    client.post(reverse("archives:take_out", args=[archive.pk]), {"number": 5, "path": "files/harmless.txt"})

    run = work(Run.objects.get(kind="take_out"))
    assert (run.state, run.error) == (RunState.FAILED, "It could not be taken out: There is no such file in it.")


def test_a_file_is_for_the_one_who_asked(as_person, archive):
    run = take(as_person("operator"), archive, "files/params/p7.json")

    assert as_person("administrator").get(reverse("archives:download", args=[run.pk])).status_code == 404


def test_a_file_is_removed_after_an_hour(as_person, archive):
    client = as_person("operator")
    run = take(client, archive, "files/params/p7.json")
    os.utime(waiting_file(run), (0, 0))

    assert remove_old() == 1
    assert client.get(reverse("archives:download", args=[run.pk])).status_code == 404
    assert "It is not kept any more" in client.get(reverse("archives:file", args=[run.pk])).content.decode()


def test_a_damaged_file_is_not_handed_out(as_person, archive):
    path = "files/models/detector/weights.bin"
    data = bytearray(archive.path.read_bytes())
    data[len(data) // 2] ^= 1
    archive.path.write_bytes(data)

    run = take(as_person("operator"), archive, path)

    assert run.state == RunState.FAILED
    assert not waiting_file(run).exists()


def test_a_file_for_which_there_is_no_room_is_not_written(as_person, archive, monkeypatch, downloads):
    monkeypatch.setattr(space, "KEPT_FREE", 1.0)

    run = take(as_person("operator"), archive, "files/models/zz-link.bin")

    assert run.state == RunState.FAILED
    assert f"There is no room for it in {downloads}" in run.error
    assert not list(downloads.iterdir())


def test_only_some_files_wait_for_a_person(as_person, archive, cast):
    wanted = {"number": 1, "path": "files/params/p7.json"}
    for _ in range(services.MOST_WAITING):
        services.queue_take_out(archive, actor=cast["operator"], **wanted)
    client = as_person("operator")

    answer = client.post(reverse("archives:take_out", args=[archive.pk]), wanted)
    assert answer["Location"] == archive.get_absolute_url()
    assert "5 files that you took out wait already" in client.get(answer["Location"]).content.decode()
    assert services.queue_take_out(archive, actor=cast["administrator"], **wanted)

    long_ago = timezone.now() - timedelta(hours=2)
    Run.objects.filter(kind="take_out").update(state=RunState.SUCCEEDED, ended_at=long_ago)
    assert services.queue_take_out(archive, actor=cast["operator"], **wanted)


def test_an_index_that_names_what_the_archive_has_not_hands_nothing_out(as_person, archive):
    beside = index.index_of(archive.path)
    with closing(sqlite3.connect(beside)) as database, database:
        database.execute("UPDATE entries SET name = CAST('p999.json' AS BLOB) WHERE CAST(name AS TEXT) = 'p7.json'")

    run = take(as_person("operator"), archive, "files/params/p999.json")

    assert (run.state, run.error) == (
        RunState.FAILED,
        "It could not be taken out: the archive is damaged there.",
    )


def test_an_index_of_another_archive_is_made_anew(look, archive):
    index.index_of(archive.path).write_bytes(b"not an index")

    assert "params" in look(q="params")


def test_the_checksum_file_lies_beside(archive):
    text = archive.path.with_name(f"{archive.name}.sha256").read_text()

    assert text == f"{archive.sha256}  {archive.name}\n"
