"""A console with something on every page: made by its own processes, read from its own database."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from deploy.sandbox import tree
from tests.browser.console import ROOT, Console
from tests.fakes.elasticsearch import FakeElasticsearch

# One process of the console plays the pieces that come in, a line each; what a piece shows goes back.
STAGE = """
import json, sys, time
from pathlib import Path
from datetime import timedelta
from django.db.models import F
from django.conf import settings
from backups import clock
from backups.access.models import User
from backups.approvals import services as approvals
from backups.approvals import voting
from backups.archives.profiles import services as archive_profiles
from backups.archives.locations.services import save_location
from backups.archives.models import Archive, ArchiveLocation, ArchiveProfile, RedisServer
from backups.archives.recipients.services import add_recipient
from backups.archives.redis.services import save_server
from backups.archives.services import queue_archive, queue_compare, queue_verify
from backups.clusters.models import Cluster
from backups.clusters.services import save_cluster
from backups.repositories.models import Repository
from backups.repositories.services import request_registration
from backups.restores import services as restores
from backups.restores.archives import services as archive_restores
from backups.restores.archives.asked import Asked as AskedOfArchive
from backups.restores.indices.asked import Asked
from backups.restores.models import RestorePlan, TargetLock
from backups.retention.asking import ask_delete
from backups.retention.holds import place_hold
from backups.retention.models import SafetyCopy
from backups.runs.models import Run, RunLogLine, RunStep
from backups.snapshots.models import Snapshot, SnapshotProfile
from backups.snapshots.services import queue_snapshot, save_profile
def until(seen):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if found := seen():
            return found
        time.sleep(0.05)
    raise SystemExit("it did not come so far")
def done(run):
    until(lambda: Run.objects.get(pk=run.pk).is_over)
    return Run.objects.get(pk=run.pk)
def show(**found):
    print(json.dumps(found), flush=True)
admin, operator = User.objects.get(username="administrator"), User.objects.get(username="operator")
for line in sys.stdin:
    piece = json.loads(line)
    given = piece["given"]
    exec(piece["script"], globals())
"""
PLACES = """
for name, (url, everyday, restricted) in given["clusters"].items():
    save_cluster(name=name, addresses=[url], ca_file="", actor=admin,
        credentials={"everyday": everyday, "restricted": restricted})
for name in given["clusters"]:
    until(lambda: Cluster.objects.get(name=name).state == "good")
cluster, place = Cluster.objects.get(name="soc-prod"), "/srv/backups/nightly"
registered = done(request_registration(cluster=cluster, name="nightly", location=place, compress=True, actor=admin))
assert registered.state == "succeeded", registered.error
nightly = cluster.repositories.get(name="nightly")
def profile(name, patterns, template):
    return save_profile(actor=admin, profile=SnapshotProfile(
        cluster=cluster, repository=nightly, name=name, patterns=patterns, name_template=template))
soc = profile("SOC indices", ["events-*", "alerts-*"], "<soc-{now/d}>")
cases = profile("Cases", ["cases"], "<cases-{now/d}>")
empty, away = profile("Audit trail", ["audit-*"], "<audit-{now/M}>"), Cluster.objects.get(name="ot-sensors")
show(cluster=cluster.pk, cluster_away=away.pk, repository=nightly.pk, profile=soc.pk, empty_profile=empty.pk,
    person=operator.pk)
"""
OF_THE_PROFILE = """
of = soc if given["name"].startswith("soc") else cases
run = done(queue_snapshot(actor=operator, repository=nightly, profile=of, name=given["name"], patterns=of.patterns,
    reason=given["reason"]))
show(run=run.pk, snapshot=run.snapshot.pk, state=run.state, error=run.error)
"""
FAILED = """
bad = done(queue_snapshot(actor=operator, repository=nightly, name="before-upgrade", patterns=["evnts-*"],
    reason="Before the upgrade of the sensors"))
show(failed_run=bad.pk)
"""
RUNNING = """
run = queue_snapshot(actor=operator, repository=nightly, profile=soc, name=given["name"], patterns=soc.patterns)
until(lambda: Run.objects.get(pk=run.pk).measured)
show(running_run=run.pk, running_snapshot=run.snapshot.pk)
"""
DAMAGED = """
nightly.__class__.objects.filter(pk=nightly.pk).update(collect_at=None)
damaged = until(lambda: Snapshot.objects.filter(name="soc-2025-archive", state="damaged").first())
show(damaged_snapshot=damaged.pk)
"""
AWAY = """
Cluster.objects.filter(name="ot-sensors").update(collect_at=None)
until(lambda: Cluster.objects.get(name="ot-sensors").failing_since)
show()
"""
ARCHIVES = """
location = save_location(name="Archives", host=settings.WORKER_HOST, path=given["archives"], actor=admin)
until(lambda: ArchiveLocation.objects.get(pk=location.pk).state == "good")
def archive_profile(name, *folders):
    rest = {"include": [], "exclude": ["cache/"]}
    sources = [{"name": folder, "path": given["tree"] + "/" + folder} | rest for folder in folders]
    wanted = ArchiveProfile(name=name, location=location, sources=sources)
    return archive_profiles.save_profile(actor=admin, profile=wanted)
files = archive_profile("Files, soc-node-01", "models", "params", "nifi")
none = archive_profile("Feeds", "feeds")
made = done(queue_archive(actor=operator, profile=files, reason="Before the upgrade of the sensors"))
assert made.state == "succeeded", made.error
archive = made.archive_run.archive
before = done(queue_archive(actor=operator, profile=files, name="pre-upgrade-files")).archive_run.archive
with open(before.path, "r+b") as file:
    file.seek(before.path.stat().st_size // 2)
    byte = file.read(1)
    file.seek(-1, 1)
    file.write(bytes([byte[0] ^ 1]))
assert done(queue_verify(before, actor=operator)).state == "failed"
failed = done(queue_archive(actor=operator, profile=none))
state = save_server(actor=admin, name="sensors-state", host=settings.WORKER_HOST, address="127.0.0.1:1", password="")
until(lambda: RedisServer.objects.get(pk=state.pk).state == "bad")
safe = add_recipient(actor=admin, name="Recovery safe", key=given["key"])
compared = done(queue_compare(archive, actor=operator))
assert compared.state == "succeeded", compared.error
show(redis=state.pk, recipient=safe.pk, archive=archive.pk, archive_run=made.pk, archive_damaged=before.pk,
    archive_failed=failed.archive_run.archive.pk,
    location=location.pk, archive_profile=files.pk, archive_profile_empty=none.pk)
"""
RETENTION = """
until_then = clock.now() + timedelta(days=30)
held = Snapshot.objects.get(pk=given["snapshot"])
hold = place_hold(actor=operator, copy=held, until=until_then, reason="Legal hold: case INC-4402 needs these events.")
place_hold(actor=operator, copy=archive, until=until_then, reason="The models of before the upgrade of the sensors.")
asked = ask_delete(actor=operator, copy=held, typed_name=held.name, ticket="INC-4402",
    reason="The case was closed, and the disk of the repository is nearly full.")
for name, days, form in (("events-before-145", 3, "index"), ("/opt/cybersift/models.before-146", 12, "folder")):
    SafetyCopy.objects.create(run=made, form=form, name=name, of=name.partition(".")[0].removesuffix("-before-145"),
        cluster=cluster if form == "index" else None, host="" if form == "index" else settings.WORKER_HOST,
        state="kept", made_at=clock.now(), keep_until=clock.now() + timedelta(days=days), bytes=31_418_022)
show(hold=hold.pk, deletion_request=asked.pk, free_snapshot=Snapshot.objects.filter(state="partial").last().pk)
"""
REQUESTS = """
def ask(who, title, risk, reason, **more):
    given = {"kind": "restore", "template": "none", "subject": "soc", "key": title}
    given |= {"summary": {"tags": ["214.6 GiB"]}}
    given |= {"risk_reason": "2 live indices are replaced and 104,211 newer documents drop out of search"}
    plan = json.dumps({"indices": ["events-1", "events-2"], "into": "soc-prod"})
    return approvals.file_request(actor=who, title=title, risk=risk, reason=reason, text=plan, **(given | more))
vote = {"actor": User.objects.get(username="approver2")}
asked = ask(operator, "Restore 12 indices into soc-prod", "R2", "Analysts miss events of two days", ticket="INC-4471")
approvals.comment(asked, text="Are the firewall indices part of the report?", **vote)
harm = ask(admin, "Delete 14 snapshots from nightly", "R3", "The contract with this client has ended")
voting.approve(harm, digest=harm.digest, comment="As agreed with the client", **vote)
bad = ask(operator, "Restore 3 indices into soc-prod", "R2", "Something is wrong with the alerts")
voting.reject(bad, digest=bad.digest, comment="Please restore them under new names first", **vote)
glass = ask(admin, "Restore cluster state into soc-prod", "R3", "The cluster lost its templates", break_glass=True)
approvals.withdraw(glass, actor=admin)
show(request=asked.pk, request_harm=harm.pk, request_rejected=bad.pk, request_glass=glass.pk)
"""
RESTORES = """
source, lead = Snapshot.objects.get(pk=given["snapshot"]), User.objects.get(username="approver")
def plan(mode, *names, **options):
    asked = Asked(names=names, mode=mode, token=restores.new_token(), **options)
    return planned(restores.queue_plan(actor=operator, snapshot=source, options=asked.as_options()))
def planned(check):
    found = done(check).result
    assert "plan" in found, found
    return RestorePlan.objects.get(pk=found["plan"])
def send(plan, reason, **said):
    assert not plan.blocked, plan.text
    return restores.ask(actor=operator, plan=plan, reason=reason, typed_name="soc-prod", **said)
def carried_out(asked):
    if asked.needed:
        voting.approve(asked, actor=lead, digest=asked.digest, comment="As agreed in the morning round")
    asked.refresh_from_db()
    run = done(asked.run)
    assert run.state == "succeeded", run.error
    return run
night, other, third, fourth, fifth = given["events"]
lost = plan("beside", third)
locked = carried_out(send(lost, "A look at the night of the incident"))
Run.objects.filter(pk=locked.pk).update(state="failed", effect="unknown", result={},
    error="The cluster does not answer any more. Somebody must look at the cluster.")
TargetLock.objects.create(target=f"index:{cluster.uuid}:restored-{third}", run=locked, taken_at=clock.now())
swapped = plan("swap", night, other)
run = carried_out(send(swapped, "Analysts miss the logins of two nights in the search", ticket="INC-4471"))
back = planned(restores.queue_undo(RestorePlan.objects.get(pk=swapped.pk), actor=operator))
blocked = plan("beside", third, fourth, *given["others"])
wanted = plan("swap", fourth, fifth, aliases=True)
waiting = plan("in_place", fourth)
asked = send(waiting, "There is no room on the data nodes for a second copy of it", ticket="INC-4475")
approvals.comment(asked, text="Who else writes to this index at the moment?", actor=lead)
no = plan("swap", fifth)
voting.reject(send(no, "The mapping of this day is wrong, says the feed"), actor=lead,
    digest=no.digest, comment="Please restore it beside first, and compare")
learned = Path(files.sources[0]["path"])
(learned / "tuned-by-hand.json").write_text("{}")
of_files = AskedOfArchive(token=restores.new_token(), folders=(files.sources[0]["name"],), remove=True)
planning = done(archive_restores.queue_plan(actor=operator, archive=archive, options=of_files.as_options()))
assert planning.state == "succeeded", planning.error
of_plan = {"kind": "plan_restore_files", "subject": f"plan a restore from {archive}", "actor": operator,
    "subject_url": archive.get_absolute_url(), "params": {"archive": archive.pk}}
away = Run.objects.create(**of_plan, key="plan of a host that is away", host="soc-node-09")
broken = Run.objects.create(**of_plan, key="plan that broke", state="failed", ended_at=clock.now(),
    started_at=clock.now(), error="/opt/cybersift/models cannot be looked at: Input/output error.")
failed = Run.objects.create(kind="check", state="succeeded", subject="restores:plan", actor=operator, key="no answer",
    queued_at=clock.now(), ended_at=clock.now(),
    params={"template": "backups/restores/_checked.html", "snapshot": source.pk},
    result={"error": "soc-prod does not answer: connection refused.", "detail": ""})
show(plan=wanted.pk, plan_blocked=blocked.pk, plan_waiting=waiting.pk, plan_done=swapped.pk, plan_back=back.pk,
    plan_rejected=no.pk, plan_locked=lost.pk, checking=failed.pk, planning=away.pk,
    planning_failed=broken.pk, plan_archive=planning.result["plan"],
    restore_run=run.pk, restore_request=asked.pk, restore_done=RestorePlan.objects.get(pk=swapped.pk).request_id)
"""
# A run of today is made one of some hours ago, its four steps taking as long as they would with so much data.
BACK = """
back = timedelta(hours=given["hours"])
started = Run.objects.get(pk=given["run"]).started_at - back
ends = [started + timedelta(seconds=seconds) for seconds in (0, 3, 5, given["took"] - 4, given["took"])]
for number, step in enumerate(RunStep.objects.filter(run=given["run"]).order_by("pk")):
    RunStep.objects.filter(pk=step.pk).update(started_at=ends[number], ended_at=ends[number + 1])
Run.objects.filter(pk=given["run"]).update(queued_at=F("queued_at") - back, started_at=started, ended_at=ends[-1])
for line in RunLogLine.objects.filter(run=given["run"]):
    RunLogLine.objects.filter(pk=line.pk).update(at=ends[min(line.number, 4)])
show()
"""


def make(console: Console, fake: FakeElasticsearch, *, days: int = 0) -> dict[str, int]:
    """Fill the console from the fake cluster; returns the keys of what the pages are about. ``days``: as many more
    with snapshots before yesterday."""
    furnish(fake)
    away = FakeElasticsearch().start()
    away.name, away.node_name = "ot-sensors", "ot-node-01"
    clusters = {"soc-prod": fake, "ot-sensors": away}
    with stage(console) as play:
        keys = play(PLACES, clusters={n: (each.url, each.everyday, each.restricted) for n, each in clusters.items()})
        away.stop()
        play(AWAY)
        for ago in range(days + 1, 1, -1):
            snapshot(play, fake, f"soc-{day(ago)}", hours=24 * ago)
            snapshot(play, fake, f"cases-{day(ago)}", hours=24 * ago - 1, took=48)
        fake.make_partial(f"events-{day(1)}", 1, "IndexShardSnapshotFailedException[no space left on device]")
        partial = snapshot(play, fake, f"soc-{day(1)}", hours=24)
        fake.snapshots_are(outcome="SUCCESS", failures=[])
        good = snapshot(play, fake, f"soc-{day(0)}", hours=2, reason="Before the upgrade of the sensors")
        assert (partial["state"], good["state"]) == ("partial", "succeeded"), (partial, good)
        keys |= {"partial_run": partial["run"], "partial_snapshot": partial["snapshot"]}
        keys |= {"run": good["run"], "snapshot": good["snapshot"]} | play(FAILED)
        fake.add_snapshot("nightly", "soc-2025-archive", (f"events-{day(7)}",))
        fake.damaged.add("soc-2025-archive")
        keys |= play(DAMAGED) | play(ARCHIVES, **folders(console)) | play(REQUESTS)
        keys |= restores(play, fake, good["snapshot"])
        keys |= play(RETENTION, snapshot=good["snapshot"])
        fake.snapshots_are(started=time.time(), ended=0.0, held=True, copied=11)
        return keys | play(RUNNING, name=f"soc-{day(0)}-noon")


def restores(play, fake: FakeElasticsearch, snapshot: int) -> dict[str, int]:
    """Plans and requests of every kind; some events came in since the snapshot."""
    events = [f"events-{day(ago)}" for ago in range(5)]
    for number, name in enumerate(events):
        fake.indices[name].newer = 4211 + 17 * number
        fake.write(name, fake.indices[name].newer)
    return play(RESTORES, snapshot=snapshot, events=events, others=[f"alerts-{day(0)[:7]}"])


def snapshot(play, fake: FakeElasticsearch, name: str, *, hours: int, took: int = 1214, reason: str = "") -> dict:
    """One of some hours ago."""
    began = time.time() - 3600 * hours
    fake.snapshots_are(started=began, ended=began + took)
    made = play(OF_THE_PROFILE, name=name, reason=reason)
    play(BACK, run=made["run"], hours=hours, took=took)
    return made


def folders(console: Console) -> dict[str, str]:
    """What CyberSift learns, with a pipe among it, and a place for archives."""
    learned = tree.grow(console.home / "learned", lambda line: None)
    os.mkfifo(learned / "nifi/status.fifo")
    archives = console.home / "archives"
    archives.mkdir()
    key = "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg"  # of age's own documents
    return {"tree": str(learned), "archives": str(archives), "key": key}


def furnish(fake: FakeElasticsearch) -> None:
    """A week of events and what else a server of this kind has, with names that people would give."""
    fake.name, fake.node_name = "soc-prod", "es-data-01"
    fake.snapshots_are(shard_bytes=31_418_022)
    fake.disk = {"total_in_bytes": 2 * 2**40, "available_in_bytes": 2**40}
    for ago in range(8):
        documents = 184_000 + 3_331 * (8 - ago) % 7_919
        fake.add_index(f"events-{day(ago)}", documents, primaries=2, bytes_each=611)
    fake.add_index(f"alerts-{day(0)[:7]}", 2_912, bytes_each=1_904)
    fake.add_index("cases", 418, bytes_each=5_312)


def day(ago: int) -> str:
    return f"{datetime.now(UTC) - timedelta(days=ago):%Y.%m.%d}"


@contextmanager
def stage(console: Console) -> Iterator:
    """``play(script, **given)`` plays a piece in one process of the console, and gives back what it shows."""
    command = [sys.executable, str(ROOT / "manage.py"), "shell", "--no-imports", "-c", STAGE]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, env=console.environ, cwd=ROOT, **pipes) as process:

        def play(script: str, **given) -> dict:
            process.stdin.write(json.dumps({"script": script, "given": given}) + "\n")
            process.stdin.flush()
            shown = process.stdout.readline()
            if not shown.startswith("{"):
                process.stdin.close()
                raise AssertionError(shown + process.stdout.read())
            return json.loads(shown)

        yield play
