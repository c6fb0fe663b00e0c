"""The steps of registering and verifying a repository, both with the restricted credential.

Each function is one turn, and may be repeated after a crash at any line: it reads before it writes. A repository
of our name with our settings is ours, whoever sent the call.
"""

from datetime import timedelta

from backups import clock
from backups.clusters.connection import open_client
from backups.clusters.models import Purpose
from backups.gateways.elasticsearch import cluster as es_cluster
from backups.gateways.elasticsearch import repositories as es
from backups.gateways.elasticsearch.addresses import BadAddress
from backups.gateways.elasticsearch.call import Call
from backups.gateways.elasticsearch.client import Client
from backups.gateways.elasticsearch.errors import Answered, GatewayError, NotFound, Unreachable, Untrusted
from backups.runs import Done, Kind, Next, Stay, Step, Turn
from backups.runs.models import Effect, Level, RunState

from . import nodes, services
from .models import Repository
from .preflight import FAIL, IDLE, examine, same_repository

# Longer than a server keeps a request for its master (30 s): after that a lost call is not waited for any more.
LOST_FOR = timedelta(seconds=40)

# How long a cluster may be silent before the run is given up: before the call, and once it may have been sent.
PATIENCE_BEFORE = timedelta(seconds=30)
PATIENCE_AFTER = timedelta(minutes=5)

# From a write these say that no byte of it left.
NOT_SENT = (BadAddress, Unreachable, Untrusted)


def preflight(turn: Turn):
    """Name free, location allowed on every node, folder not used by another repository."""
    if turn.run.state == RunState.QUEUED:
        return _announce(turn)
    repository = _repository(turn)
    if turn.cancel_requested:
        return _cancelled(turn)
    try:
        client = _client(repository)
        found = examine(repository.name, repository.settings, es_cluster.nodes(client), es.list_repositories(client))
    except GatewayError as error:
        return _no_answer(turn, repository, error)
    turn.forget("silent_since")
    for line in found.lines:
        if line.state == IDLE and not found.good:
            continue  # what is seen later does not come
        turn.log(f"{line.text}. {line.sub}".strip(), Level.ERROR if line.state == FAIL else Level.INFO)
    if not found.good:
        return _refused(turn, "\n".join(filter(None, (found.refusal, found.remedy))))
    return Next("registered already: adopted" if found.registered else "name free, location allowed")


def register(turn: Turn):
    """Send the registration once, and know afterwards whether the cluster has it."""
    repository = _repository(turn)
    announced = "announced" in turn.memory
    if announced and turn.run.claims > 1 and not _maybe_sent(turn):
        _remember_lost(turn, "An attempt to register broke off, perhaps after the call was sent.")
    if _maybe_sent(turn):
        return _look(turn, repository)
    if turn.cancel_requested:
        return _cancelled(turn)
    call = es.register_call(repository.name, repository.type, repository.settings)
    return _send(turn, repository, call) if announced else _announce_call(turn, call)


def verify(turn: Turn):
    """Let every node write a small file there, and name each that cannot. Leaves nothing behind."""
    repository = _repository(turn)
    if turn.cancel_requested:
        return Done(RunState.CANCELLED, _effect(turn), note="Cancelled. No node was asked.")
    try:
        client = _client(repository)
        members = es_cluster.nodes(client)
        turn.log(es.verify_call(repository.name).text(), Level.CALL)
        try:
            verified = es.verify(client, repository.name, opaque_id=_opaque(turn))
        except Answered as error:
            if not nodes.tells_of_nodes(error.type, error.reason):
                raise
            lines = nodes.lines_of_failure(members, repository.location, error.reason, error.detail)
            return _judged(turn, repository, lines, error=error)
        found = es.get(client, repository.name)
    except NotFound as error:
        return _missing(turn, repository, error)
    except GatewayError as error:
        return _unverified(turn, repository, error)
    lines = nodes.lines_of(members, {node.id for node in verified})
    return _judged(turn, repository, lines, uuid=found.uuid if found else "")


def start_verification(turn: Turn):
    """The entry about the credential, before it is used."""
    if turn.run.state == RunState.QUEUED:
        return _announce(turn)
    if turn.cancel_requested:
        return Done(RunState.CANCELLED, note="Nothing was sent.")
    return Next()


REGISTER = Kind(
    services.REGISTER,
    "Register repository",
    (Step("Check name and location", preflight), Step("Register", register), Step("Verify on every node", verify)),
    on_failure=services.give_up,
)
VERIFY = Kind(
    services.VERIFY, "Verify repository", (Step("Start", start_verification), Step("Verify on every node", verify))
)


def _repository(turn: Turn) -> Repository:
    return Repository.objects.select_related("cluster").get(pk=turn.run.params["repository"])


def _client(repository: Repository) -> Client:
    return open_client(repository.cluster, Purpose.RESTRICTED)


def _opaque(turn: Turn) -> str:
    return f"console-run-{turn.run.pk}"


def _announce(turn: Turn) -> Stay:
    """The first turn writes the entry about the credential; it is used from the next one on."""
    turn.write(lambda a: a.record("credential.used", turn.run, run=turn.run.pk))
    return Stay()


def _announce_call(turn: Turn, call: Call) -> Stay:
    """Write down what is about to be sent, before it is."""
    turn.log(call.text(), Level.CALL)
    turn.remember(announced=True)
    return Stay()


def _send(turn: Turn, repository: Repository, call: Call):
    """The only place that sends it. Nothing of ours has left before this turn."""
    try:
        client = _client(repository)
        if found := es.get(client, repository.name):
            return _found(turn, repository, found)
    except GatewayError as error:
        return _no_answer(turn, repository, error)
    try:
        es.register(client, call, opaque_id=_opaque(turn))
    except NOT_SENT as error:
        return _no_answer(turn, repository, error)
    except Answered as error:
        return _remember_refusal(turn, error)
    except GatewayError as error:
        _remember_lost(turn, f"{error.message} Looking whether it is registered.")
        return Stay(0.5)
    return _registered(turn, repository)


def _look(turn: Turn, repository: Repository):
    """The call may have been sent, so it is never sent again: only reading says what came of it."""
    refusal = turn.memory.get("refused")
    try:
        client = _client(repository)
        found = es.get(client, repository.name)
        members = es_cluster.nodes(client) if refusal and not found else ()
    except GatewayError as error:
        return _no_answer(turn, repository, error)
    turn.forget("silent_since")
    if found:
        return _found(turn, repository, found)
    return _not_done(turn, repository, members, **refusal) if refusal else _not_there_yet(turn)


def _found(turn: Turn, repository: Repository, found: es.RepositoryFacts):
    """There is one of this name: ours, whoever sent the call, if it is as we want it."""
    if not same_repository(found, repository.type, repository.settings):
        other = f"Somebody registered another repository {found.name} meanwhile."
        if "lost_at" in turn.memory:
            return _unknown(turn, f"{other} Whether it took the place of ours is not known.")
        return _refused(turn, f"{other} It was not touched. Choose another name.")
    if refusal := turn.memory.get("refused"):
        # Servers before 8 keep what they could not verify.
        turn.log(f"{refusal['message']} The cluster keeps it registered all the same.", Level.WARNING)
        return _registered(turn, repository, refusal["message"])
    turn.log("It is registered with these settings: adopted.", Level.DONE)
    return _registered(turn, repository)


def _registered(turn: Turn, repository: Repository, message: str = "") -> Next:
    turn.write(lambda a: services.record_registered(a, repository, turn.run, message=message))
    return Next(repository.location)


def _not_done(turn: Turn, repository: Repository, members, *, message: str, detail: str, type: str, reason: str):
    """It was refused, and reading shows that the cluster does not have it."""
    if not nodes.tells_of_nodes(type, reason):
        return _refused(turn, message, detail)
    lines = nodes.lines_of_failure(members, repository.location, reason, detail)
    return _refused(turn, nodes.advice(lines) or message, detail, lines=lines)


def _not_there_yet(turn: Turn):
    if clock.now() - turn.moment("lost_at") < LOST_FOR:
        return Stay(1)
    return _unknown(
        turn,
        f"No answer to the registration came back, and {LOST_FOR.seconds} s later the cluster has no such "
        "repository. It may still carry the call out.",
    )


def _no_answer(turn: Turn, repository: Repository, error: GatewayError):
    """A read failed. Before the call only what may pass is waited out; after it no failed read proves anything."""
    sent = _maybe_sent(turn)
    now = clock.now()
    since = turn.moment("silent_since") or now
    if (sent or error.passes) and now - since < (PATIENCE_AFTER if sent else PATIENCE_BEFORE):
        if since == now:
            turn.log(f"{error.message} Asking again.", Level.WARNING)
        turn.remember(silent_since=since)
        return Stay(2)
    if not sent:
        return _refused(turn, error.message, error.detail)
    said = turn.memory.get("refused", {}).get("message", "The registration may have been sent.")
    why = f"{said} Whether the cluster has {repository.name} could not be read: {error.message}"
    return _unknown(turn, why, error.detail)


def _unknown(turn: Turn, why: str, detail: str = "") -> Done:
    """Given up without knowing. Registering again is safe: it looks before it sends."""
    what = "Look at the cluster, then register it again: what is there by then is found and adopted."
    return _refused(turn, f"{why} {what}", detail, effect=Effect.UNKNOWN)


def _cancelled(turn: Turn) -> Done:
    return _refused(turn, "Cancelled before anything was sent.", state=RunState.CANCELLED)


def _maybe_sent(turn: Turn) -> bool:
    return "lost_at" in turn.memory or "refused" in turn.memory


def _remember_lost(turn: Turn, why: str) -> None:
    turn.log(why, Level.WARNING)
    turn.remember(lost_at=clock.now())


def _remember_refusal(turn: Turn, error: Answered) -> Stay:
    """Kept, because the reads that say what it left behind may have to wait."""
    turn.log(f"{error.message} Looking whether it is registered all the same.", Level.WARNING)
    kept = ("message", "detail", "type", "reason")
    turn.remember(refused={name: getattr(error, name)[:20_000] for name in kept})
    return Stay()


def _refused(
    turn: Turn, why: str, detail: str = "", *, effect=Effect.NONE, state=RunState.FAILED, lines=None
) -> Done:
    """Over without a repository."""
    repository = _repository(turn)
    turn.log(why, Level.ERROR)
    if state == RunState.FAILED:
        turn.remember(mend=services.again(repository))
    turn.write(lambda a: services.record_refused(a, repository, turn.run, why, detail, lines))
    return Done(state, effect, error=why, detail=detail)


def _judged(turn: Turn, repository: Repository, lines: list[dict], *, error: Answered | None = None, uuid="") -> Done:
    """The end of a verification: good only when every node that takes part answered well."""
    for line in lines:
        level = {nodes.GOOD: Level.DONE, nodes.FAILED: Level.ERROR}.get(line["state"], Level.WARNING)
        turn.log(f"{line['name']}: {line['message'] or 'can write'}", level)
    message, detail = _trouble(repository, lines, error), error.detail if error else ""
    turn.remember(nodes=lines)
    turn.write(
        lambda a: services.record_verification(
            a, repository, turn.run, lines, message=message, detail=detail, uuid=uuid
        )
    )
    state = RunState.FAILED if message else RunState.SUCCEEDED
    return Done(state, _effect(turn), nodes.in_words(lines), error=message, detail=detail)


def _trouble(repository: Repository, lines: list[dict], error: Answered | None) -> str:
    """What is wrong, in words; empty when nothing is."""
    if not lines:
        return f"No node of {repository.cluster} takes part in snapshots."
    return nodes.advice(lines) or (error.message if error else "")


def _effect(turn: Turn) -> str:
    """A verification leaves nothing; a registration stands by the time it is verified."""
    return Effect.APPLIED if turn.run.kind == services.REGISTER else Effect.NONE


def _missing(turn: Turn, repository: Repository, error: NotFound) -> Done:
    turn.log(error.message, Level.ERROR)
    turn.write(lambda a: services.record_missing(repository, error.message))
    return Done(RunState.FAILED, Effect.NONE, error=error.message, detail=error.detail)


def _unverified(turn: Turn, repository: Repository, error: GatewayError) -> Done:
    """No answer. Nothing is known of the nodes, so what was known before stays."""
    why = f"{repository.name} was not verified. {error.message}"
    turn.log(why, Level.ERROR)
    return Done(RunState.FAILED, _effect(turn), error=why, detail=error.detail)
