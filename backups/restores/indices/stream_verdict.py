"""Whether restored data streams are what they were planned to be. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from backups.restores.verdict import FAILED, PARTIAL, SUCCEEDED, IndexVerdict, Verdict
from backups.templatetags.formats import count_of


def with_streams(
    judged: Verdict,
    planned: Mapping[str, Sequence[str]],
    there: Mapping[str, Collection[str]],
    came_along: Collection[str],
) -> Verdict:
    """The verdict of one restore, with that of each data stream in it. ``planned`` and ``there`` are the indices
    behind each; ``came_along`` are those that the snapshot brought although the plan did not name them."""
    counted = {one.name: one.documents for one in judged.indices}
    said = [
        _judge(name, indices, there.get(name, ()), came_along, _together([counted.get(index) for index in indices]))
        for name, indices in sorted(planned.items())
    ]
    if not (bad := [one for one in said if one.state != SUCCEEDED]):
        return replace(judged, indices=(*judged.indices, *said))
    state = FAILED if any(one.state == FAILED for one in bad) else PARTIAL
    words = " ".join(one.sentence for one in bad)
    sentence = words if judged.state == SUCCEEDED else f"{judged.sentence} {words}"
    return Verdict(state if judged.state == SUCCEEDED else judged.state, sentence, (*judged.indices, *said))


def _together(documents: Sequence[int | None]) -> int | None:
    return None if None in documents else sum(documents)


def _judge(
    name: str, planned: Sequence[str], there: Collection[str], came_along: Collection[str], documents: int | None
) -> IndexVerdict:
    if lacking := sorted(set(planned) - set(there)):
        words = f"{', '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} not behind the data stream {name}."
        return IndexVerdict(name, FAILED, words if there else f"There is no data stream {name}.")
    if more := sorted(set(came_along) & set(there)):
        words = f"{name} also has {', '.join(more)}, which the plan could not name. Look at it."
        return IndexVerdict(name, PARTIAL, words, documents)
    words = f"{name} is a data stream over {count_of(len(planned), 'index', 'indices')}."
    return IndexVerdict(name, SUCCEEDED, words, documents)
