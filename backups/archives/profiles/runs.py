"""How profiles are doing: their last runs, and the words for it. Reads only."""

from functools import reduce
from operator import or_

from django.db.models import OuterRef, Q, QuerySet, Subquery

from backups.runs.models import ACTIVE, RunState
from backups.templatetags.formats import count_of
from backups.templatetags.ui import state_word

from ..models import ArchiveProfile, ArchiveRun, ArchiveState

LANE = 14
"""So many runs are shown as a lane of marks."""

# The state of an archive -> what its profile is called by it: a name of STATES and a word.
CALLED = {
    ArchiveState.VERIFIED: ("succeeded", "Healthy"),
    ArchiveState.FINISHED: ("finished", "Not read back"),
    ArchiveState.DAMAGED: ("damaged", "Damaged"),
    ArchiveState.MISSING: ("missing", "Missing"),
    ArchiveState.DELETED: ("deleted", "Deleted"),
}
# The same for runs whose archive says nothing by itself.
RAN = {
    RunState.SUCCEEDED: ("succeeded", "Healthy"),
    RunState.PARTIAL: ("partial", "Partial"),
    RunState.FAILED: ("failed", "Failing"),
    RunState.CANCELLED: ("cancelled", "Cancelled"),
}


def with_lane_from(profiles: QuerySet) -> QuerySet:
    """Annotate where the last LANE runs of each begin, for ``give_runs``."""
    last = ArchiveRun.objects.filter(profile=OuterRef("pk")).order_by("-pk")
    return profiles.annotate(lane_from=Subquery(last.values("pk")[LANE - 1 : LANE]))


def give_runs(profiles: list[ArchiveProfile]) -> None:
    """Give each ``lane`` (states of its last runs, oldest first), ``lane_words``, ``shown_state`` (name and word) and
    ``last_made`` (its newest run that wrote an archive, or None). One query, LANE rows a profile."""
    wanted = [Q(profile=profile, pk__gte=profile.lane_from or 0) for profile in profiles]
    rows = ArchiveRun.objects.filter(reduce(or_, wanted)) if wanted else ArchiveRun.objects.none()
    runs: dict[int, list[ArchiveRun]] = {profile.pk: [] for profile in profiles}
    for row in rows.order_by("pk").select_related("run", "archive").defer("sources", "errors", "run__params"):
        runs[row.profile_id].append(row)
    for profile in profiles:
        mine = runs[profile.pk]
        profile.lane = [row.run.state for row in mine]
        profile.lane_words = f"{profile}: {_words(profile.lane)}"
        profile.shown_state = _shown_state(mine)
        profile.last_made = next((row for row in reversed(mine) if row.files is not None), None)


def _shown_state(runs: list[ArchiveRun]) -> tuple[str, str]:
    """By the newest run that said something: one that was cancelled tells nothing, unless there is no other."""
    if not runs:
        return "unknown", "No run yet"
    if runs[-1].run.state in ACTIVE:
        return runs[-1].run.state, ""
    over = [row for row in runs if row.run.is_over]
    last = next((row for row in reversed(over) if row.run.state != RunState.CANCELLED), over[-1])
    archive = getattr(last, "archive", None)
    if last.run.state == RunState.SUCCEEDED and archive is not None and archive.state in CALLED:
        return CALLED[archive.state]
    return RAN[last.run.state]


def _words(states: list[str]) -> str:
    """last 14 runs, 12 success, 2 failed"""
    if len(set(states)) == 1:
        every = "all " if len(states) > 1 else ""
        return f"last {count_of(len(states), 'run')}, {every}{state_word(states[0]).lower()}"
    counts = {state: states.count(state) for state in dict.fromkeys(states)}
    said = ", ".join(f"{count} {state_word(state).lower()}" for state, count in counts.items())
    return f"last {count_of(len(states), 'run')}, {said}" if states else "no run yet"
