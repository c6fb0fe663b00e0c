"""The kinds ``check`` and ``long_check``: one look at the outside world for a form, named by ``params["what"]``.

A check never fails as a run: what it found, good or bad, is its result, and the form shows it.
"""

from backups.archives.contents import checks as contents
from backups.archives.profiles import checks as archives
from backups.archives.redis import checks as redis_checks
from backups.clusters import checks as clusters
from backups.repositories import checks as repositories
from backups.restores import checks as restores
from backups.runs import Done, Turn
from backups.runs.models import RunState
from backups.snapshots import checks as snapshots

CHECKS = {
    "cluster": clusters.check_cluster,
    "location": repositories.check_location,
    "contents": contents.check_contents,
    "patterns": snapshots.check_patterns,
    "redis": redis_checks.check_redis,
    "compare_plan": restores.compare_plan,
    "restore_plan": restores.check_plan,
    "undo_plan": restores.check_undo,
    "sources": archives.check_sources,
}


def look(turn: Turn) -> Done:
    """Run the check that the form asked for; each returns what the form shows as a dict."""
    turn.result = CHECKS[turn.run.params["what"]](turn)
    return Done(RunState.SUCCEEDED)
