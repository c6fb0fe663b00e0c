"""The shell of every page: which sections a person may open, theme, console and clock.

Nothing is asked of the database before a template asks for it, so fragments pay nothing.
"""

import time
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Count
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property

from backups.access import may
from backups.access.models import Theme
from backups.approvals.inbox import to_review, waiting_for
from backups.runs.models import Run, RunState
from backups.templatetags import formats


@dataclass(frozen=True)
class Entry:
    """A section: its page, who may open it, and the second key of its shortcut (the first is g)."""

    title: str
    page: str
    icon: str
    act: str = "pages.read"
    key: str = ""


GROUPS: dict[str, tuple[Entry, ...]] = {
    "Overview": (
        Entry("Dashboard", "dashboard:home", "layout-dashboard", key="d"),
        Entry("Runs", "runs:list", "activity", key="r"),
    ),
    "Protect": (
        Entry("Snapshots", "snapshots:list", "database-export", key="s"),
        Entry("File and Redis archives", "archives:list", "file-zip", key="a"),
        Entry("Retention", "retention:overview", "recycle"),
    ),
    "Recover": (
        Entry("Restores", "restores:list", "restore", key="e"),
        Entry("Approvals", "approvals:list", "user-check", key="p"),
    ),
    "Connect": (
        Entry("Clusters", "clusters:list", "database"),
        Entry("Repositories", "repositories:list", "server-2"),
    ),
    "Govern": (
        Entry("Audit log", "evidence:list", "shield-check", "entry.read_own", key="l"),
        Entry("People", "accounts:people", "users", "person.read"),
    ),
}


def navigation(request) -> dict:
    """Context processor: ``console``, and ``may`` for the buttons of a page: ``{% if may.snapshot_start %}``."""
    return {"console": Console(request), "may": Rights(getattr(request, "user", None))}


class Rights:
    """Answers ``may.snapshot_start`` with what the table of rights says of ``snapshot.start``. A button that is
    missing is a courtesy; the gate of the view is what counts."""

    def __init__(self, user) -> None:
        self.user = user

    def __getitem__(self, name: str) -> bool:
        return self.user is not None and may(self.user, name.replace("_", ".", 1))


class Console:
    """What the shell shows around a page."""

    host = settings.WORKER_HOST
    version = settings.VERSION
    themes = Theme.choices

    def __init__(self, request) -> None:
        self.request = request
        self.user = getattr(request, "user", None)

    @cached_property
    def theme(self) -> str:
        """light or dark; empty when the system decides."""
        theme = getattr(self.user, "theme", Theme.AUTO)
        return "" if theme == Theme.AUTO else theme

    @cached_property
    def roles(self) -> str:
        return ", ".join(sorted(self.user.roles))

    @cached_property
    def clock(self) -> dict[str, str]:
        now = timezone.now()
        return {"iso": formats.iso(now), "text": f"{now:%H:%M:%S} UTC"}

    @cached_property
    def session_ends_in(self) -> int:
        """Seconds until this session ends if it is left alone; 0 when nobody is signed in."""
        if not getattr(self.user, "is_authenticated", False):
            return 0
        session, now = self.request.session, time.time()
        idle = session.get("used_at", now) + settings.SESSION_IDLE_SECONDS
        oldest = session.get("started_at", now) + settings.SESSION_MAX_SECONDS
        return max(1, int(min(idle, oldest) - now))

    @cached_property
    def groups(self) -> list[dict]:
        """Groups with the sections this person may open, the present one marked."""
        groups = [
            {"title": title, "sections": [self._section(entry) for entry in entries if may(self.user, entry.act)]}
            for title, entries in GROUPS.items()
        ]
        return [group for group in groups if group["sections"]]

    def _section(self, entry: Entry) -> dict:
        url = reverse(entry.page)
        here = self.request.path
        return {
            "title": entry.title,
            "url": url,
            "icon": entry.icon,
            "key": entry.key,
            "current": here == url or (url != "/" and here.startswith(url)),
            "hot": entry.page == "approvals:list",
            "count": {"runs:list": lambda: self.running, "approvals:list": lambda: self.waiting}.get(
                entry.page, int
            )(),
        }

    @cached_property
    def waiting(self) -> int:
        """How many requests wait for this person: for a vote, or to be looked at afterwards."""
        return waiting_for(self.user).count() + to_review(self.user).count()

    @property
    def running(self) -> int:
        return self._active.get(RunState.RUNNING, 0)

    @property
    def queued(self) -> int:
        return self._active.get(RunState.QUEUED, 0)

    @cached_property
    def _active(self) -> dict[str, int]:
        """How many runs there are in each state that is not the end."""
        active = Run.objects.history().active().values_list("state")
        return dict(active.annotate(number=Count("pk")))
