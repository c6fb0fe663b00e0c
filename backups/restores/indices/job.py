"""What the turns of a restore of indices share."""

from datetime import datetime, timedelta
from functools import cached_property

from django.utils.dateparse import parse_datetime

from backups.clusters.connection import capabilities_of
from backups.gateways.elasticsearch.answers import acknowledged
from backups.gateways.elasticsearch.call import Call
from backups.gateways.elasticsearch.capabilities import Capabilities
from backups.gateways.elasticsearch.errors import NotFound, OutcomeUnknown
from backups.gateways.elasticsearch.swapping import AUTO_CREATE
from backups.restores.job import Job
from backups.runs import Stay
from backups.runs.models import Level

from .asked import Mode
from .calls import Purpose
from .row import Row

CLOCKS_DIFFER = timedelta(seconds=2)


class IndicesJob(Job):
    """A restore of indices."""

    @cached_property
    def rows(self) -> list[Row]:
        return [Row(**row) for row in self.document["rows"]]

    @property
    def going(self) -> list[Row]:
        return [row for row in self.rows if row.goes]

    @property
    def batches(self) -> list[dict]:
        """The frozen restore calls."""
        return self.calls(Purpose.RESTORE)

    def calls(self, purpose: str, index: str = "") -> list[dict]:
        return [c for c in self.document["calls"] if c["purpose"] == purpose and c["index"] == index]

    def rows_of(self, batch: int) -> list[Row]:
        names = set(self.batches[batch]["body"]["indices"])
        return [row for row in self.going if row.chosen in names]

    @property
    def repository(self) -> str:
        return self.document["source"]["repository"]

    @property
    def snapshot(self) -> str:
        return self.document["source"]["snapshot"]

    def sent_at(self, batch: int) -> datetime:
        """When the call of a batch was sent."""
        return parse_datetime(self.turn.memory["batches"][str(batch)]["at"])

    def known_uuids(self, batch: int) -> list[str]:
        """Restores that the targets of a batch came from before it was sent."""
        return self.turn.memory["batches"][str(batch)]["known"]

    @property
    def swaps(self) -> list[Row]:
        """What is put in the place of a live index after it was proven."""
        return [row for row in self.going if row.work]

    @property
    def in_place(self) -> bool:
        return self.document["mode"] == Mode.IN_PLACE

    @property
    def is_undo(self) -> bool:
        """Whether what is put in place is a safety copy."""
        return self.document["mode"] == "undo"

    @property
    def by_alias(self) -> bool:
        return self.document["mode"] == Mode.ALIAS

    @property
    def capabilities(self) -> Capabilities:
        return capabilities_of(self.cluster)

    def value(self, purpose: str, index: str) -> str | None:
        """What the frozen call sets ``action.auto_create_index`` to."""
        return self.calls(purpose, index)[0]["body"]["persistent"][AUTO_CREATE]

    def send(self, call: Call) -> None:
        """Send a change that can be repeated, and that the next turn looks for: what is gone already is gone, and an
        answer that was lost says nothing."""
        self.turn.log(call.text(), Level.CALL)
        try:
            acknowledged(call, self.writer().send(call, self.opaque_id))
        except NotFound:
            pass
        except OutcomeUnknown as error:
            self.turn.log(f"{error.message} Looking whether it was done.", Level.WARNING)

    def take_back(self, state: str, why: str, detail: str = "") -> Stay:
        """From the next turn on what the restore made is removed (``removing``), whatever step it is at. ``state`` is
        how the run will end, ``why`` the sentence for it."""
        self.turn.log(why, Level.WARNING)
        self.turn.remember(removing={"state": state, "why": why, "detail": detail[:20_000]})
        return Stay()
