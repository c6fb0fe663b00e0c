"""The act ``save_location``: it works with its entry, it refuses, it is safe twice."""

import pytest
from django.conf import settings
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from backups.access import Denied
from backups.archives.locations import paths
from backups.archives.locations.services import AlreadyThere, save_location
from backups.archives.models import Archive, ArchiveLocation, ArchiveState
from backups.archives.services import ArchiveRefused
from backups.audit.models import AuditEntry
from backups.runs.models import Run, WorkerHost

pytestmark = pytest.mark.db


@pytest.fixture
def save(cast):
    """Saves a location as an administrator; arguments replace what is asked for."""
    for host in ("node-01", "node-02"):
        WorkerHost.objects.create(name=host, beat_at=timezone.now(), started_at=timezone.now())

    def do(**changes) -> ArchiveLocation:
        asked = {"name": "share", "host": "node-01", "path": "/srv/archives", "actor": cast["administrator"]}
        return save_location(**asked | changes)

    return do


def entries() -> list[tuple[str, str]]:
    return list(AuditEntry.objects.order_by("seq").values_list("action", "object_name"))


def changed(location: ArchiveLocation, **columns) -> ArchiveLocation:
    ArchiveLocation.objects.filter(pk=location.pk).update(**columns)
    location.refresh_from_db()
    return location


def test_it_is_saved_and_due_at_once_without_a_run(save):
    location = save(path=" /srv//archives/./ ")

    assert (location.path, location.state, location.collect_at) == ("/srv/archives", "unchecked", None)
    assert entries() == [("location.added", "share")]
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"name": ""}, "name", "name"),
        ({"name": "a" * 61}, "name", "60"),
        ({"name": "a\nb"}, "name", "name"),
        ({"path": ""}, "path", "root on"),
        ({"path": "srv/archives"}, "path", "root on"),
        ({"path": "/"}, "path", "root directory"),
        ({"path": "//"}, "path", "root directory"),
        ({"path": "/srv/../etc"}, "path", r"'\.\.'"),
        ({"path": "/srv/\0"}, "path", "cannot be shown"),
        ({"path": "/" + "a" * 1000}, "path", "1,000"),
        ({"path": str(settings.KEYS_DIR)}, "path", "own keys"),
        ({"path": f"/{settings.KEYS_DIR}//inner"}, "path", "own keys"),
        ({"host": "node-09"}, "host", "No worker has ever run on node-09"),
    ],
)
def test_it_refuses_in_plain_words_and_writes_nothing(save, changes, field, words):
    with pytest.raises(ArchiveRefused, match=words) as refused:
        save(**changes)

    assert refused.value.field == field
    assert not ArchiveLocation.objects.exists() and entries() == []


@pytest.mark.parametrize("person", ["viewer", "operator", "approver", "auditor"])
def test_only_administrators_may(save, cast, person):
    with pytest.raises(Denied):
        save(actor=cast[person])

    assert not ArchiveLocation.objects.exists()


def test_sent_twice_makes_one(save):
    first = save()

    with pytest.raises(AlreadyThere) as there:
        save()
    assert there.value.location == first
    assert entries() == [("location.added", "share")]


@pytest.mark.parametrize(("changes", "field"), [({"name": "other"}, "path"), ({"path": "/srv/other"}, "name")])
def test_a_directory_and_a_name_are_taken_once(save, changes, field):
    save()

    with pytest.raises(ArchiveRefused) as refused:
        save(**changes)
    assert refused.value.field == field and ArchiveLocation.objects.count() == 1


def test_a_move_forgets_what_was_known_and_is_looked_at_at_once(save):
    location = changed(save(), state="good", space_free=1, space_total=2, looked_at=timezone.now())
    changed(location, collect_at=timezone.now())

    moved = save(location=location, path="/srv/other", seen=location.digest)

    assert (moved.state, moved.space_total, moved.looked_at, moved.collect_at) == ("unchecked", None, None, None)
    entry = AuditEntry.objects.get(action="location.changed")
    assert '"path":{"after":"/srv/other","before":"/srv/archives"}' in entry.text.replace(" ", "")


def test_another_name_changes_the_name_only(save):
    location = changed(save(), state="good", space_total=2)

    named = save(location=location, name="Cold share")

    assert (named.name, named.state, named.space_total) == ("Cold share", "good", 2)
    assert entries()[-1] == ("location.changed", "Cold share")


def test_saved_as_it_was_leaves_no_entry(save):
    save(location=save())

    assert entries() == [("location.added", "share")]


@pytest.mark.parametrize("state", [ArchiveState.VERIFIED, ArchiveState.WANTED, ArchiveState.FOUND])
@pytest.mark.parametrize("changes", [{"host": "node-02"}, {"path": "/srv/other"}])
def test_what_holds_archives_is_not_moved(save, state, changes):
    location = save()
    Archive.objects.create(location=location, name="a.tar.gz", codec="gz", state=state)

    with pytest.raises(ArchiveRefused, match="it would be missing") as refused:
        save(location=location, **changes)
    assert refused.value.field in changes
    assert save(location=location, name="renamed").path == "/srv/archives"


def test_archives_that_are_gone_hold_nothing(save):
    location = save()
    Archive.objects.create(location=location, name="a.tar.gz", codec="gz", state=ArchiveState.MISSING)

    assert save(location=location, path="/srv/other").path == "/srv/other"


def test_a_form_that_is_older_than_a_change_is_refused(save):
    location = save()
    seen = location.digest
    save(location=location, name="renamed")

    with pytest.raises(ArchiveRefused, match="Someone else changed it just now"):
        save(location=location, name="third", seen=seen)


@given(st.text(alphabet="/.ab \\", max_size=30))
def test_a_path_that_passes_is_absolute_tidy_and_outside_the_keys(text):
    try:
        path = paths.clean("/" + text, "/ab")
    except paths.BadPath:
        return
    assert path == paths.clean(path, "/ab") and path.startswith("/") and path != "/"
    assert "//" not in path and ".." not in path.split("/") and not f"{path}/".startswith("/ab/")
