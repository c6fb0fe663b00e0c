"""Acts: one transaction with its entries, or nothing."""

import json
import threading

import pytest
from django.db import connection, transaction

from backups.access.models import User
from backups.audit import act
from backups.audit.acts import AuditError
from backups.audit.models import AuditEntry, AuditHead
from backups.audit.origin import origin_context
from backups.audit.verify import verify
from backups.clusters.models import Cluster

pytestmark = [pytest.mark.django_db, pytest.mark.db]


class Trouble(Exception):
    pass


def names() -> list[str]:
    return list(AuditEntry.objects.order_by("seq").values_list("object_name", flat=True))


def note(a, name: str) -> None:
    a.record("cluster.changed", ("cluster", 1, name))


def change(name: str, action: str = "cluster.added", *, fail: bool = False, **kwargs) -> None:
    """Add a cluster with its entry; ``fail`` once both are done."""
    with act(None) as a:
        Cluster.objects.create(name=name)
        a.record(action, ("cluster", 1, name), **kwargs)
        if fail:
            raise Trouble


def change_inside(outer, *, name: str) -> None:
    with outer:
        change(name)
        raise Trouble


def test_an_act_writes_what_happened_and_by_whom(cast):
    origin = origin_context(address="10.0.0.9", session="abc", agent="Firefox", request="r1")
    with origin, act(cast["administrator"], reason="tidying up") as a:
        cluster = Cluster.objects.create(name="sandbox")
        a.record("cluster.added", cluster, change={"addresses": ["https://es:9200"]}, run=5)

    entry = AuditEntry.objects.get()
    text = json.loads(entry.text)
    assert (entry.seq, entry.action, entry.outcome, entry.reason) == (1, "cluster.added", "success", "tidying up")
    assert (entry.object_type, entry.object_id, entry.object_name) == ("cluster", str(cluster.pk), "sandbox")
    assert text["actor"] == {
        "id": cast["administrator"].pk,
        "name": "Daniel Farrugia",
        "roles": ["administrator"],
        "sign_in": "administrator",
    }
    assert text["origin"].items() >= {"address": "10.0.0.9", "session": "abc", "request": "r1"}.items()
    assert (text["change"], text["run"]) == ({"addresses": ["https://es:9200"]}, 5)


def test_the_system_acts_as_nobody():
    with act(None) as a:
        note(a, "x")

    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.actor_name) == (None, "system")


def test_when_the_change_fails_nothing_happened():
    with pytest.raises(Trouble):
        change("x", fail=True)

    assert not Cluster.objects.exists()
    assert not AuditEntry.objects.exists()
    assert AuditHead.objects.get().seq == 0


def test_when_the_entry_cannot_be_written_nothing_happened():
    with pytest.raises(TypeError):
        change("x", change={"what": object()})

    assert not Cluster.objects.exists()
    assert not AuditEntry.objects.exists()


def test_an_act_without_entries_is_a_transaction():
    with act(None):
        Cluster.objects.create(name="x")

    assert Cluster.objects.count() == 1
    assert AuditHead.objects.get().seq == 0


def test_acts_join_and_entries_keep_their_order():
    with act(None) as outer:
        note(outer, "first")
        with act(None) as inner:
            note(inner, "second")
        assert names() == []
        note(outer, "third")

    assert names() == ["first", "second", "third"]
    assert verify().intact


def test_a_joined_act_has_its_own_actor_and_reason(cast):
    with act(cast["operator"], reason="outer") as outer:
        note(outer, "a")
        with act(None, reason="inner") as inner:
            note(inner, "b")

    assert list(AuditEntry.objects.order_by("seq").values_list("actor", "reason")) == [
        (cast["operator"].pk, "outer"),
        (None, "inner"),
    ]


def test_a_joined_act_that_fails_takes_only_its_own_with_it():
    with act(None) as outer:
        note(outer, "before")
        with pytest.raises(Trouble):
            change("gone", fail=True)
        Cluster.objects.create(name="kept")
        note(outer, "after")

    assert names() == ["before", "after"]
    assert list(Cluster.objects.values_list("name", flat=True)) == ["kept"]


def test_when_the_outer_act_fails_the_joined_one_is_gone_too():
    with pytest.raises(Trouble):
        change_inside(act(None), name="x")

    assert names() == []
    assert not Cluster.objects.exists()


def test_the_next_act_starts_clean_after_a_failure():
    with pytest.raises(Trouble):
        change("gone", fail=True)
    change("kept")

    assert names() == ["kept"]


def test_record_outside_of_its_act_is_refused():
    with act(None) as over:
        pass

    with pytest.raises(AuditError):
        note(over, "late")
    with act(None), pytest.raises(AuditError):
        note(over, "into somebody else's")
    assert names() == []


def test_an_action_that_is_not_in_the_list_is_refused():
    with pytest.raises(KeyError):
        change("x", "cluster.exploded")

    assert not Cluster.objects.exists()


def test_secrets_are_blanked_by_name_at_any_depth():
    change = {
        "password": "hunter2",
        "Api_Key": "hunter2",
        "nested": [{"client_secret": "hunter2", "token": ["hunter2"]}, "kept"],
    }
    with act(None) as a:
        a.record("cluster.changed", ("cluster", 1, "x"), change=change)

    text = AuditEntry.objects.get().text
    assert "hunter2" not in text
    assert json.loads(text)["change"]["nested"][1] == "kept"


@pytest.mark.parametrize("name", ["a\x00b", "half \ud83d of a character", "x" * 1000, "Ġorġ ☃", "'; DROP TABLE x;--"])
def test_odd_names_are_kept_in_a_form_that_verifies(name):
    with act(None, reason=name) as a:
        a.record("cluster.changed", ("cluster" * 20, name * 3, name))

    assert verify().intact
    assert "\x00" not in AuditEntry.objects.get().reason


def test_time_never_runs_backwards(monkeypatch):
    from django.utils import timezone

    now = timezone.now()
    for seconds in (0, -3600, 5):
        moment = now + timezone.timedelta(seconds=seconds)
        monkeypatch.setattr("backups.clock.now", lambda moment=moment: moment)
        with act(None) as a:
            note(a, "x")

    times = list(AuditEntry.objects.order_by("seq").values_list("at", flat=True))
    assert times == sorted(times)
    assert times[0] == times[1]
    assert verify().intact


@pytest.mark.django_db(transaction=True)
def test_eight_threads_leave_no_gap():
    """Numbers without gaps, links that hold, and as many entries as changes, whoever comes first."""
    errors = []

    def work(thread: int) -> None:
        try:
            for number in range(10):
                try:
                    with act(None) as a:
                        User.objects.create(username=f"person-{thread}-{number}")
                        note(a, f"{thread}-{number}")
                        if number % 5 == 4:
                            raise Trouble
                except Trouble:
                    continue
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert list(AuditEntry.objects.order_by("seq").values_list("seq", flat=True)) == list(range(1, 65))
    assert len(names()) == len(set(names())) == User.objects.count() == 64
    assert verify().intact


@pytest.mark.django_db(transaction=True)
def test_an_act_inside_another_transaction_falls_with_it():
    with pytest.raises(Trouble):
        change_inside(transaction.atomic(), name="x")

    assert names() == []
    assert AuditHead.objects.get().seq == 0
