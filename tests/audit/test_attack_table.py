"""Every cell of the table of attacks: by what it is shown, and the sentence that a person reads, on the command line
and on the page."""

import re
import shutil
from pathlib import Path

import pytest
from django.core.management import call_command

from backups.audit import checkpoints, watch
from backups.audit.models import AuditEntry, Checkpoint
from backups.audit.verify import verify
from backups.evidence.chain_state import chain_state
from backups.templatetags import formats
from tests.audit.attack_table import (
    ATTACKS,
    ELSEWHERE,
    HOLDS,
    NEVER,
    NOT_PROVABLE,
    SAYS,
    SIGNED,
    WRITTEN,
    as_markdown,
)
from tests.audit.attacker import Attacker, files

pytestmark = [pytest.mark.django_db, pytest.mark.db]

DOCS = Path(__file__).resolve().parents[2] / "docs"
CELLS = [
    pytest.param(attack.do, level, shown, id=f"{attack.what} - {HOLDS[level]}")
    for attack in ATTACKS
    for level, shown in enumerate(attack.shown)
    if shown
]


@pytest.fixture
def log(write, tmp_path) -> Path:
    """The log that is attacked. Gives a copy of its checkpoint file, kept elsewhere."""
    for _ in range(SIGNED // 10):
        write(10)
        checkpoints.make_checkpoint()
    write(WRITTEN - SIGNED)
    assert verify().proven_until == SIGNED
    return Path(shutil.copy(files()[0], tmp_path / "copy.jsonl"))


@pytest.fixture
def auditor(as_person):
    return as_person("auditor")


def audit_verify(capsys, **options) -> tuple[int, str]:
    """(exit status, what it said)"""
    try:
        call_command("audit_verify", **options)
    except SystemExit as ended:
        return ended.code, capsys.readouterr().err
    return 0, capsys.readouterr().out


def page_of(auditor) -> str:
    """The page about the log after the worker's next look."""
    watch.Watch().look()
    page = auditor.get("/audit/").content.decode()
    return " ".join(re.sub("<[^>]*>", "", page).replace("&#x27;", "'").split())


@pytest.mark.parametrize(("do", "level", "shown"), CELLS)
def test_an_attack_is_shown_by(log, write, auditor, capsys, do, level, shown):
    with Attacker(level) as attacker:
        do(attacker)
    if not AuditEntry.objects.exists():  # he waits until there is as much as before
        write(WRITTEN)
        checkpoints.make_checkpoint()
    signed = Checkpoint.objects.latest("pk")

    status, said = audit_verify(capsys)
    if shown in SAYS:
        assert status == 1
        assert re.match(rf"BROKEN\. .*({SAYS[shown]})", said)
        page = page_of(auditor)
        assert "The log does not verify" in page
        assert re.search(SAYS[shown], page)
        assert chain_state().kind == "broken"
    else:
        since = f"provable up to entry {signed.seq}, not provable since {formats.stamp(signed.at)}"
        assert (status, since in said) == (0, True)
        assert since in page_of(auditor)
        found, said = audit_verify(capsys, checkpoints=[log])
        assert found == (shown == ELSEWHERE)
        assert ("copy.jsonl line" in said) == (shown == ELSEWHERE)


def test_what_is_not_provable_came_after_the_last_checkpoint(log):
    """Whatever the attacker holds, no entry before it can be touched without a copy of the file showing it."""
    left = [attack.what for attack in ATTACKS if {NOT_PROVABLE, NEVER} & set(attack.shown)]

    assert [what for what in left if "after the last checkpoint" not in what] == [
        "append an entry about what nobody did"
    ]


def test_the_table_stands_in_the_documentation():
    assert as_markdown() in (DOCS / "security.md").read_text(), "python -m tests.audit.attack_table prints it"
