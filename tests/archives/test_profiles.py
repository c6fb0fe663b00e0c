"""Verbs on profiles: adding and changing with their entries, and what is refused."""

import json

import pytest
from django.conf import settings

from backups.access import Denied
from backups.archives.models import ArchiveLocation, ArchiveProfile, ArchiveRecipient, RedisServer
from backups.archives.profiles.services import SourcesRefused, keys_of, queue_preview, save_profile
from backups.archives.services import ArchiveRefused
from backups.audit.models import AuditEntry
from backups.runs.models import CHECK, Run

pytestmark = pytest.mark.db

SOURCE = {"name": "models", "path": "/opt/models", "include": [], "exclude": ["*.tmp"], "one_file_system": False}


@pytest.fixture
def save(cast):
    """Save as the administrator."""
    return lambda profile, **more: save_profile(actor=cast["administrator"], profile=profile, **more)


@pytest.fixture
def server(location):
    return RedisServer.objects.create(name="state", host=location.host, address="127.0.0.1:6379")


@pytest.fixture
def recipient(db):
    return ArchiveRecipient.objects.create(name="Recovery safe", key="age1")


def new(location, **values) -> ArchiveProfile:
    return ArchiveProfile(**{"name": "Files", "location": location, "sources": [SOURCE]} | values)


def change_of(action: str) -> dict:
    return json.loads(AuditEntry.objects.filter(action=action).latest("seq").text)["change"]


def test_it_is_added_with_servers_recipients_and_one_entry(save, location, server, recipient):
    profile = save(new(location), redis=[server], recipients=[recipient], reason="first one")

    assert list(profile.redis.all()) == [server] and list(profile.recipients.all()) == [recipient]
    change = change_of("profile.added")
    assert change["redis"] == ["state"] and change["recipients"] == ["Recovery safe"]
    assert change["sources"] == [SOURCE] and change["location"] == "local"


def test_a_change_names_only_what_changed(save, location, server, recipient):
    profile = save(new(location), redis=[server])
    seen, profile.codec = profile.digest, "zst"

    save(profile, redis=[server], recipients=[recipient], seen=seen)

    assert change_of("profile.changed") == {
        "codec": {"before": "gz", "after": "zst"},
        "recipients": {"before": [], "after": ["Recovery safe"]},
    }


def test_saving_without_a_change_leaves_no_entry(save, location, server):
    profile = save(new(location), redis=[server])

    save(profile, redis=[server], seen=profile.digest)

    assert not AuditEntry.objects.filter(action="profile.changed").exists()


def test_a_change_of_servers_alone_makes_an_older_form_out_of_date(save, location, server):
    profile = save(new(location))
    seen = profile.digest
    profile.redis.add(server)

    with pytest.raises(ArchiveRefused, match="Someone else changed it"):
        save(ArchiveProfile.objects.get(), seen=seen)


def test_servers_and_recipients_are_taken_away(save, location, server, recipient):
    profile = save(new(location), redis=[server], recipients=[recipient])

    save(profile, seen=profile.digest)

    assert not profile.redis.exists() and not profile.recipients.exists()


@pytest.mark.parametrize("who", ["viewer", "operator", "approver", "auditor"])
def test_only_administrators_may(cast, location, who):
    with pytest.raises(Denied):
        save_profile(actor=cast[who], profile=new(location))
    with pytest.raises(Denied):
        queue_preview(actor=cast[who], location=location, source=SOURCE, form="archives:profile:0:0")
    assert not ArchiveProfile.objects.exists() and not Run.objects.filter(kind=CHECK).exists()


def test_a_name_is_taken_once(save, location):
    save(new(location))

    with pytest.raises(ArchiveRefused, match="exists already") as refused:
        save(new(location))
    assert refused.value.field == "name"


def test_a_server_of_another_host_is_refused(save, location):
    far = RedisServer.objects.create(name="far", host="node-09", address="x")

    with pytest.raises(ArchiveRefused, match="One host makes an archive") as refused:
        save(new(location), redis=[far])
    assert refused.value.field == "redis"


def test_redis_alone_is_enough_and_nothing_at_all_is_not(save, location, server):
    save(new(location, sources=[]), redis=[server])

    with pytest.raises(ArchiveRefused, match="nothing to archive"):
        save(new(location, name="other", sources=[]))


def test_the_directory_of_the_archives_is_no_source_but_what_is_above_it_is(save, location):
    with pytest.raises(SourcesRefused, match="each archive would hold the ones before") as refused:
        save(new(location, sources=[SOURCE, SOURCE | {"name": "archives", "path": location.path + "/"}]))

    ((number, field, _),) = refused.value.problems
    assert (number, field) == (1, "path")
    save(new(location, sources=[SOURCE | {"path": str(location.directory.parent)}]))


def test_the_keys_of_the_console_go_into_no_archive(save, location):
    with pytest.raises(SourcesRefused, match="own keys"):
        save(new(location, sources=[SOURCE | {"path": f"{settings.KEYS_DIR}/x"}]))


def test_a_template_that_makes_no_sense_is_refused(save, location):
    with pytest.raises(ArchiveRefused, match="stands for nothing") as refused:
        save(new(location, name_template="files-{node}"))
    assert refused.value.field == "name_template"


def test_nothing_is_changed_when_it_is_refused(save, location, server):
    profile = save(new(location), redis=[server])
    entries = AuditEntry.objects.count()
    ArchiveLocation.objects.create(name="other", host="node-09", path="/srv")
    profile.location = ArchiveLocation.objects.get(name="other")

    with pytest.raises(ArchiveRefused):
        save(profile, redis=[server], seen=ArchiveProfile.objects.get().digest)

    assert ArchiveProfile.objects.get().location == location and AuditEntry.objects.count() == entries


@pytest.mark.parametrize(
    ("facts", "keys"),
    [
        ({}, None),
        ({"keys": 5}, 5),
        ({"keys": {"0": 5, "3": 2}}, 7),
        ({"databases": {"0": 5, "3": 2}}, 7),
        ({"databases": 16}, None),
        ({"keys": "many"}, None),
    ],
)
def test_keys_are_said_only_where_they_are_known(facts, keys):
    assert keys_of(RedisServer(facts=facts)) == keys
