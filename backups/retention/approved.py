"""Whether the run of a deletion may go on: as things are now, and where it needs a request, by that."""

import json

from backups.approvals import admission
from backups.approvals.errors import NotAdmitted
from backups.approvals.models import digest_of
from backups.runs import Done, Stay, Turn
from backups.runs.models import Effect, Level, Run, RunState

from .copies import Copy, is_last_good
from .holds import holds_on

ASKED_AGAIN = 5


def admit(turn: Turn) -> Stay | Done | None:
    """Until the run was admitted: None where it may begin, which its request hears of in the same commit. A run
    without a document deletes what nothing holds, and needs no request."""
    text = turn.run.params.get("document")
    if not text:
        turn.remember(admitted=True)
        return None
    found = admission.admission(turn.run, digest_of(text))
    if found.state == admission.WAIT:
        return Stay(ASKED_AGAIN)
    if found.state == admission.REFUSED:
        return not_begun(turn, found.why, found.closes)
    request = admission.request_of(turn.run)
    turn.remember(admitted=True)
    turn.write(lambda a: admission.begin(a, request))
    return None


def not_begun(turn: Turn, why: str, closes: str = "") -> Done:
    """Nothing was sent, and nothing will be."""
    if closes:
        request = admission.request_of(turn.run)
        turn.write(lambda a: admission.close_unstarted(a, request, closes, why))
    turn.log(why, Level.ERROR)
    return Done(RunState.FAILED, Effect.NONE, error=why)


def why_not_admitted(run: Run) -> str:
    """For the turn before the restricted credential is used; empty where it may be."""
    if not run.params.get("document"):
        return ""
    try:
        admission.require_started(run)
    except NotAdmitted as error:
        return str(error)
    return ""


def why_not_now(run: Run, copy: Copy) -> str:
    """What nobody knew when this deletion was asked for; empty where nothing is new."""
    document = json.loads(run.params.get("document") or "{}")
    agreed = {hold["key"] for hold in document.get("holds", ())}
    for held in holds_on(copy):
        if held.works:
            return f"{copy} is being restored from: {held.words}. It was not deleted."
        if held.key not in agreed:
            return f"{copy} is held since: {held.sentence}. It was not deleted."
    if is_last_good(copy) and not run.params.get("last_good"):
        return f"{copy} became the last good copy meanwhile. It was not deleted; who wants that types its name."
    return ""
