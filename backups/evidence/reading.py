"""Entries as people read them: which ones the filters mean, sentences, and what stands in the stored text."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Any

from django.db.models import Q
from django.utils.html import conditional_escape, format_html

from backups.audit.actions import ACTIONS
from backups.audit.models import AuditEntry, Outcome
from backups.audit.timeline import first_seq_since

from . import objects


def found_entries(user, chosen: dict[str, Any]):
    """What this person may see of what the filters ask for."""
    entries = AuditEntry.objects.visible_to(user)
    if "q" in chosen:
        entries = entries.filter(objects.about(chosen["q"]))
    if "person" in chosen:
        entries = entries.filter(actor=chosen["person"])
    if "action" in chosen:
        entries = entries.filter(action__in=actions_of(chosen["action"]))
    if "outcome" in chosen:
        entries = entries.filter(with_outcome(chosen["outcome"]))
    if "since" in chosen:
        entries = entries.filter(seq__gte=first_seq_since(midnight(chosen["since"])))
    if "until" in chosen:
        entries = entries.filter(seq__lt=first_seq_since(end_of(chosen["until"])))
    return entries


def with_outcome(outcome: str) -> Q:
    """Most entries are about what was done: these are said by what they are not, or SQLite would take them for rare
    and read all of them where another filter finds a few."""
    return ~Q(outcome__in=set(Outcome) - {outcome}) if outcome == Outcome.SUCCESS else Q(outcome=outcome)


def actions_of(choice: str) -> list[str]:
    """One action, or all of a kind."""
    return [name for name, action in ACTIONS.items() if choice in (name, action.kind)]


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def end_of(day: date) -> datetime:
    """The next midnight, as far as the calendar goes."""
    return midnight(day + timedelta(days=1) if day < date.max else day)


@dataclass(frozen=True)
class Reading:
    """An entry with what its text says. A text that cannot be read blanks a cell, never a page."""

    entry: AuditEntry

    @cached_property
    def fields(self) -> dict:
        try:
            fields = json.loads(self.entry.text)
        except ValueError:
            return {}
        return fields if isinstance(fields, dict) else {}

    def part(self, name: str) -> dict:
        value = self.fields.get(name)
        return value if isinstance(value, dict) else {}

    @property
    def roles(self) -> str:
        """The actor's roles at that time."""
        roles = self.part("actor").get("roles")
        return ", ".join(map(str, roles)) if isinstance(roles, list) else ""

    @property
    def origin(self) -> dict:
        return self.part("origin")

    @property
    def place(self) -> str:
        """Where it came from, in short: a network address, else the host."""
        return str(self.origin.get("address") or self.origin.get("host") or "")

    @property
    def object_url(self) -> str:
        return objects.url_of(self.entry.object_type, self.entry.object_id)

    @property
    def object_query(self) -> str:
        """What to search for to find all entries on the same object; empty when it cannot be told apart."""
        if self.object_url:
            return f"{self.entry.object_type}:{self.entry.object_id}"
        return self.entry.object_id if self.entry.object_type in objects.WITHOUT_PAGE else ""

    @property
    def who(self) -> str:
        """Who did it; a sign-in that failed was by nobody yet."""
        stranger = self.entry.actor_id is None and self.entry.action.startswith("sign_in.")
        return "not signed in" if stranger else self.entry.actor_name

    @property
    def actor_url(self) -> str:
        return objects.url_of("user", str(self.entry.actor_id or ""))

    @property
    def sentence(self) -> str:
        """What happened, with links to who and what."""
        return format_html(
            self.entry.pattern,
            actor=linked(self.entry.names["actor"], self.actor_url),
            object=linked(self.entry.names["object"], self.object_url),
        )

    @property
    def changes(self) -> list[tuple[str, Any, Any]]:
        """(what, before, after) for the page; before is None where only the new value was recorded."""
        rows = []
        for name, value in self.part("change").items():
            pair = isinstance(value, dict) and set(value) == {"before", "after"}
            before, after = (value["before"], value["after"]) if pair else (None, value)
            rows.append((name, None if before is None else words(before), words(after)))
        return rows


def linked(text: str, url: str) -> str:
    return format_html('<a class="link" href="{}">{}</a>', url, text) if url else conditional_escape(text)


def words(value: Any) -> str:
    """A recorded value, short: a list by commas, other structures as JSON."""
    if isinstance(value, list) and all(isinstance(item, (str, int)) for item in value):
        return ", ".join(map(str, value)) or "none"
    if value is None or value == "":
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
