"""An archive beside the folders that it was made of."""

import os

import pytest
from django.urls import reverse

from backups.archives import making, reading
from backups.archives.comparing import folders
from backups.archives.comparing.compared import ATTRIBUTES, CHANGED, ONLY_ARCHIVE, ONLY_THERE
from backups.archives.models import Archive
from backups.archives.services import ArchiveRefused, queue_archive, queue_compare
from backups.runs.models import RunState
from tests.turns import work

pytestmark = pytest.mark.db


@pytest.fixture
def archive(profile, tree, cast):
    with (tree / "models/sparse.bin").open("wb") as file:
        file.truncate(8 << 20)
        file.seek(5 << 20)
        file.write(b"middle")
    (tree / "models/small-holes.bin").write_bytes(b"")
    os.truncate(tree / "models/small-holes.bin", 70_000)
    os.link(tree / "models/detector/weights.bin", tree / "models/again.bin")
    (tree / "models/current").symlink_to("detector")
    os.mkfifo(tree / "models/pipe")
    (tree / os.fsdecode(b"models/\xff.bin")).write_bytes(b"odd")
    work(queue_archive(actor=cast["operator"], profile=profile))
    return Archive.objects.get()


def compared(archive, *, full: bool = False) -> dict[str, set[tuple[str, str]]]:
    """kind -> what differs, over all sources."""
    found = {}
    with reading.opened(archive) as opened:
        for source in making.sources_of(archive):
            for kind, path, what in folders.compare(opened, source, full=full).differences:
                found.setdefault(kind, set()).add((path, what))
    return found


@pytest.mark.parametrize("full", [False, True])
def test_what_nobody_touched_is_the_same(archive, full):
    assert compared(archive, full=full) == {}


def test_each_difference_is_named_for_what_it_is(archive, tree):
    (tree / "params/p1.json").write_text('{"rate": 1000}')
    (tree / "params/p2.json").unlink()
    (tree / "params/new.json").write_text("{}")
    (tree / "params/p3.json").chmod(0o600)
    (tree / "models/current").unlink()
    (tree / "models/current").symlink_to("nowhere")
    (tree / "models/cache/more.tmp").write_text("excluded, so nobody asks")

    found = compared(archive)

    assert ("files/params/p1.json", "+3 bytes") in found[CHANGED]
    assert found[ONLY_ARCHIVE] == {("files/params/p2.json", "")}
    assert found[ONLY_THERE] == {("files/params/new.json", "")}
    assert ("files/params/p3.json", "mode 600 instead of 644") in found[ATTRIBUTES]
    assert ("files/models/current", "leads elsewhere") in found[CHANGED]


def test_the_same_size_and_time_hides_a_change_only_from_the_quick_look(archive, tree):
    weights = tree / "models/detector/weights.bin"
    facts, data = weights.stat(), bytearray(weights.read_bytes())
    data[1000] ^= 1
    weights.write_bytes(data)
    os.utime(weights, ns=(facts.st_atime_ns, facts.st_mtime_ns))

    assert CHANGED not in compared(archive)
    paths = {path for path, _ in compared(archive, full=True)[CHANGED]}
    assert paths == {"files/models/detector/weights.bin", "files/models/again.bin"}


def test_the_run_keeps_numbers_for_the_page_and_names_for_the_log(archive, tree, as_person, cast):
    (tree / "params/p2.json").unlink()
    client = as_person("approver")

    answer = client.post(reverse("archives:compare", args=[archive.pk]))
    run = work(archive.made_by.run.__class__.objects.filter(kind="compare_archive").get())

    assert answer["Location"] == run.get_absolute_url()
    assert run.state == RunState.SUCCEEDED
    assert "Only in the archive: files/params/p2.json" in "\n".join(run.log.values_list("text", flat=True))
    page = client.get(archive.get_absolute_url()).content.decode()
    assert "Compared with what is there" in page and "by size and time" in page


def test_a_folder_that_is_gone_is_said(archive, tree, cast):
    tree.rename(tree.with_name("gone"))

    run = work(queue_compare(archive, actor=cast["operator"]))

    assert (run.state, run.error) == (RunState.PARTIAL, "Not compared: models, params.")
    assert "cannot be looked at" in "\n".join(run.log.values_list("text", flat=True))


def test_only_one_at_a_time(archive, cast):
    queue_compare(archive, actor=cast["operator"])

    with pytest.raises(ArchiveRefused, match="being compared already"):
        queue_compare(archive, actor=cast["operator"])
