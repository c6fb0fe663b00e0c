"""manage.py backup_restore over live data: who is named asks, others approve."""

import pytest

from backups.approvals.models import ApprovalRequest, RequestState
from backups.archives import command_line as archives
from backups.archives.command_line import Ended
from backups.restores.archives import command_line
from backups.retention.models import SafetyCopy
from backups.runs.models import RunState
from backups.worker.kinds import KINDS

from .conftest import REASON
from .test_folders import harm

pytestmark = pytest.mark.django_db


class Said:
    """Keeps what the command says."""

    def __init__(self):
        self.results, self.lines = [], []

    def result(self, text: str, **_) -> None:
        self.results.append(text)

    def say(self, text: str, **_) -> None:
        self.lines.append(text)

    def progress(self, *_) -> None:
        pass


@pytest.fixture
def command(archive):
    def run(**options) -> tuple[int, Said]:
        said = Said()
        given = dict.fromkeys(archives.OPTIONS) | {"only": [], "full": False, "redis": "", "reason": REASON}
        given |= {"path": archive.path, "person": "operator", "ticket": "", "remove": True, "break_glass": False}
        return command_line.ask(said, KINDS, **given | options), said

    return run


def test_it_files_a_request_and_changes_nothing(tree, command, cast):
    harm(tree)

    code, said = command(ticket="INC-1")

    request = ApprovalRequest.objects.get()
    assert code == 4
    assert said.results[0].startswith(f"{request.number}: ")
    assert (request.state, request.requester, request.ticket) == (RequestState.PENDING, cast["operator"], "INC-1")
    assert not (tree / "params/p1.json").exists()


def test_the_glass_is_broken_by_who_may(tree, command, cast):
    harm(tree)

    code, said = command(person="admin" if "admin" in cast else "administrator", break_glass=True)

    request = ApprovalRequest.objects.get()
    assert code == 0, said.lines
    assert (request.break_glass, request.run.state) == (True, RunState.SUCCEEDED)
    assert "read again, and all are right" in said.results[-1]
    assert (tree / "params/p1.json").exists()
    assert SafetyCopy.objects.filter(state="kept").count() == 2


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({"break_glass": True}, 3, "may not do that"),
        ({"person": "nobody"}, 2, "no active person"),
        ({"person": "viewer"}, 3, "may not do that"),
        ({"reason": "short"}, 2, "at least 20"),
        ({"redis": "redis://localhost"}, 2, "Leave out"),
    ],
)
def test_what_cannot_be_is_refused(tree, command, options, code, words):
    harm(tree)

    with pytest.raises(Ended, match=words) as refused:
        command(**options)

    assert refused.value.code == code
    assert not ApprovalRequest.objects.exists()


def test_where_nothing_differs_nothing_is_asked_for(command):
    with pytest.raises(Ended, match="Nothing was asked for"):
        command()
