"""Commands of Django that would change people without an entry, and the one that does it with one."""

import pytest
from django.core.management import CommandError, call_command

from backups.access.models import User
from backups.audit.models import AuditEntry
from tests.conftest import PASSWORD


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["changepassword", "operator"], "manage.py one_time_password NAME"),
        (["changepassword"], "manage.py one_time_password NAME"),
        (["createsuperuser"], "manage.py init"),
        (["createsuperuser", "--username", "eve", "--email", "e@example.org", "--no-input"], "manage.py init"),
    ],
)
def test_commands_that_leave_no_entry_refuse(cast, command, says):
    before = set(User.objects.values_list("username", "password"))

    with pytest.raises(CommandError, match=says):
        call_command(*command)
    assert set(User.objects.values_list("username", "password")) == before


def test_a_one_time_password_opens_the_way_back_with_an_entry(cast, as_person, capsys):
    browser = as_person("administrator")
    call_command("one_time_password", "administrator")

    name, password = capsys.readouterr().out.splitlines()[0].split("\t")
    person = User.objects.get(username="administrator")
    assert name == "administrator"
    assert person.check_password(password)
    assert not person.check_password(PASSWORD)
    assert person.must_change_password
    assert browser.get("/runs/").status_code == 302  # signed out
    entry = AuditEntry.objects.get(action="password.reset")
    assert (entry.actor, entry.object_id) == (None, str(person.pk))
    assert '"command":"one_time_password"' in entry.text
    assert password not in entry.text


@pytest.mark.parametrize("name", ["nobody", "operator"])
def test_there_is_none_for_the_unknown_and_the_deactivated(cast, name):
    User.objects.filter(username="operator").update(is_active=False)

    with pytest.raises(CommandError, match="nobody with the sign-in name nobody|Reactivate them first"):
        call_command("one_time_password", name)
    assert not AuditEntry.objects.filter(action="password.reset").exists()
