"""The way to the first protection: steps with their state, gone once a snapshot was verified."""

from dataclasses import dataclass, replace

from django.urls import reverse

from backups.access import may, roles_for
from backups.clusters.models import ClusterCredential, CredentialState, Purpose

from .facts import Overview

DONE, NEXT, WAITING = "done", "next", "waiting"


@dataclass(frozen=True)
class SetupStep:
    """``url`` and ``label`` are its one button, shown to those who may (``act``) while it is next. ``missing``: the
    number of the step it waits for."""

    title: str
    text: str
    done: bool
    act: str = ""
    url: str = ""
    label: str = ""
    state: str = WAITING
    missing: int = 0
    allowed: bool = False

    @property
    def roles(self) -> list[str]:
        """Who may, for those who may not."""
        return roles_for(self.act)


def setup_steps(user, overview: Overview) -> list[SetupStep]:
    """The steps for this person; none when there is a verified snapshot."""
    if overview.last_good:
        return []
    steps = [_worker(overview), _cluster(overview), _repository(overview), _profile(overview), _snapshot()]
    first = next(number for number, step in enumerate(steps) if not step.done)
    return [
        replace(
            step,
            state=DONE if step.done else NEXT if number == first else WAITING,
            missing=number,
            allowed=bool(step.act) and may(user, step.act),
        )
        for number, step in enumerate(steps)
    ]


def _worker(overview: Overview) -> SetupStep:
    alive = overview.worker_alive
    text = "It works." if alive else "Start it on the host of this console: manage.py worker."
    return SetupStep("Start the worker", text, alive)


def _cluster(overview: Overview) -> SetupStep:
    good = ClusterCredential.objects.filter(
        purpose=Purpose.EVERYDAY, in_use=True, state=CredentialState.GOOD
    ).exists()
    text = "Its addresses, its certificate, and two users: one to read and to take snapshots, one for the rest."
    if overview.clusters and not good:
        cluster = overview.clusters[0]
        text = f"{cluster} is saved, but its everyday credential does not work yet. {cluster.message}"
        return SetupStep(
            "Connect a cluster", text, False, "cluster.manage", cluster.get_absolute_url(), "Open cluster"
        )
    return SetupStep("Connect a cluster", text, good, "cluster.manage", reverse("clusters:add"), "Connect cluster")


def _repository(overview: Overview) -> SetupStep:
    title = "Register and verify a repository"
    registered = [r for r in overview.repositories if r.is_registered and not r.is_readonly]
    if any(r.is_verified for r in registered):
        return SetupStep(title, "Every node can write to it.", True)
    if registered:
        text = f"{registered[0]} is registered, but not verified: not every node is known to reach it."
        url = registered[0].get_absolute_url()
        return SetupStep(title, text, False, "repository.verify", url, "Verify repository")
    text = "Where snapshots are kept: a shared folder that every node can write to and path.repo allows."
    return SetupStep(title, text, False, "repository.manage", reverse("repositories:register"), "Register repository")


def _profile(overview: Overview) -> SetupStep:
    text = "What is protected: which indices, where to, and how snapshots are called."
    url = reverse("snapshots:profile_add")
    return SetupStep("Make a profile", text, bool(overview.profiles), "profile.manage", url, "Make profile")


def _snapshot() -> SetupStep:
    text = "It runs on the cluster, not here. It counts once its entry was read back and compared."
    return SetupStep(
        "Take the first snapshot", text, False, "snapshot.start", reverse("snapshots:start"), "Start snapshot"
    )
