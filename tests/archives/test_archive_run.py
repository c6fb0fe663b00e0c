"""A run that makes an archive, from the form's verb to the verified file."""

import pytest

from backups.archives.models import Archive, ArchiveState
from backups.archives.services import ArchiveRefused, queue_archive
from backups.runs.models import Effect, RunState
from tests.turns import work

pytestmark = pytest.mark.db


def test_an_archive_is_made_and_read_back(profile, cast):
    run = work(queue_archive(actor=cast["operator"], profile=profile))

    assert (run.state, run.effect, run.error) == (RunState.SUCCEEDED, Effect.APPLIED, "")
    archive = Archive.objects.get()
    assert archive.state == ArchiveState.VERIFIED
    assert archive.path.is_file()
    assert (archive.files, archive.changed, archive.skipped, archive.keys) == (121, 0, 0, 0)
    assert archive.checksums_good and archive.structure_good and archive.finished_at
    assert archive.size == archive.path.stat().st_size
    assert [step.state for step in run.steps.all()] == ["succeeded"] * 3


def test_a_second_archive_of_the_same_minute_gets_a_number(profile, cast):
    one, two = (queue_archive(actor=cast["operator"], profile=profile) for _ in range(2))

    assert one.archive_run.archive.name.replace(".tar.gz", "-2.tar.gz") == two.archive_run.archive.name


def test_a_name_that_is_taken_is_refused_and_a_free_one_said(profile, cast):
    queue_archive(actor=cast["operator"], profile=profile, name="before-upgrade")

    with pytest.raises(ArchiveRefused, match="Free is: before-upgrade-2"):
        queue_archive(actor=cast["operator"], profile=profile, name="before-upgrade")
