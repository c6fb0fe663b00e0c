"""How the run that removes a safety copy ends, whatever form the copy has."""

from backups.runs import Done, Turn
from backups.runs.models import Effect, Level, RunState

from . import safety_copies
from .models import SafetyCopy


def safety_copy_of(turn: Turn) -> SafetyCopy:
    return SafetyCopy.objects.select_related("run", "snapshot", "cluster").get(pk=turn.run.params["copy"])


def why_needed(copy: SafetyCopy) -> str:
    """Why it must not go although its time is over; empty where nothing needs it."""
    held = safety_copies.holds_on_copy(copy)
    return f"It is needed: {held[0].words}. It was not removed." if held else ""


def removed(turn: Turn, words: str) -> Done:
    """It is gone, by this run."""
    turn.log(words, Level.DONE)
    turn.write(lambda a: safety_copies.record_end(a, turn.run, removed=True))
    return Done(RunState.SUCCEEDED, Effect.APPLIED, words)


def kept(turn: Turn, why: str, detail: str = "", effect: str = Effect.NONE) -> Done:
    """It was not removed, and is looked at again later."""
    turn.write(lambda a: safety_copies.record_end(a, turn.run, removed=False))
    return over(turn, why, detail, effect)


def missing(turn: Turn, why: str, effect: str = Effect.NONE) -> Done:
    """What the restore had made is not there."""
    turn.write(lambda a: safety_copies.record_end(a, turn.run, removed=False, gone=True))
    return over(turn, why, effect=effect)


def over(turn: Turn, why: str, detail: str = "", effect: str = Effect.NONE, state: str = RunState.FAILED) -> Done:
    """An end without a removal."""
    turn.log(why, Level.WARNING if state == RunState.CANCELLED else Level.ERROR)
    return Done(state, effect, error=why, detail=detail)
