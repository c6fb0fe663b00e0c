"""The table of kinds against what the pages know of them."""

import pytest

from backups.runs import words
from backups.runs.models import CHECKS
from backups.worker.kinds import KINDS, PERIODIC


@pytest.mark.parametrize("name", sorted(set(KINDS) - {*CHECKS}))
def test_every_kind_has_words_and_steps(name):
    kind, about = KINDS[name], words.KINDS[name]
    assert kind.name == name
    assert kind.title == about.title
    assert kind.steps
    assert all(step.title for step in kind.steps)


def test_no_words_for_a_kind_that_is_gone():
    assert set(words.KINDS) == set(KINDS) - {*CHECKS}


def test_periodic_jobs_have_names_of_their_own():
    names = [job.name for job in PERIODIC]
    assert len(names) == len(set(names))
