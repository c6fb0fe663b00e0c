"""The steps of registering and verifying a repository, both with the restricted credential.

Each function is one turn, and may be repeated after a crash at any line: it reads before it writes. A repository
of our name with our settings is ours, whoever sent the call.
"""

from datetime import timedelta

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from backups.clusters.connection import open_client
from backups.clusters.models import Purpose
from backups.gateways.elasticsearch import cluster as es_cluster
from backups.gateways.elasticsearch import repositories as es
from backups.gateways.elasticsearch.call import Call
from backups.gateways.elasticsearch.client import Client
from backups.gateways.elasticsearch.errors import Answered, GatewayError, NotFound, OutcomeUnknown
from backups.runs import Done, Kind, Next, Stay, Step, Turn
from backups.runs.models import Effect, Level, RunState

from . import nodes, services
from .models import Repository
from .preflight import FAIL, examine, same_repository

# Longer than a server keeps a request for its master (30 s): after that a lost call will not come any more.
LOST_FOR = timedelta(seconds=40)

# Types of refusals that say something about the nodes. Servers before 7.17 have no name of their own for it.
OF_THE_NODES = ("repository_verification_exception", "exception")


def preflight(turn: Turn):
    """Name free, location allowed on every node, folder not used by another repository."""
    if turn.run.state == RunState.QUEUED:
        return _announce(turn)
    repository = _repository(turn)
    if turn.cancel_requested:
        return _refused(turn, "Cancelled before anything was sent.", state=RunState.CANCELLED)
    try:
        client = _client(repository)
        found = examine(repository.name, repository.settings, es_cluster.nodes(client), es.list_repositories(client))
    except GatewayError as error:
        return _refused(turn, error.message, error.detail)
    for line in found.lines:
        turn.log(f"{line.text}. {line.sub}".strip(), Level.ERROR if line.state == FAIL else Level.INFO)
    if not found.good:
        return _refused(turn, "\n".join(filter(None, (found.refusal, found.remedy))))
    return Next("registered already: adopted" if found.registered else "name free, location allowed")


def register(turn: Turn):
    """Send the registration once, and know afterwards whether the cluster has it."""
    repository = _repository(turn)
    call = es.register_call(repository.name, repository.type, repository.settings)
    if "announced" not in turn.run.result:
        return _announce_call(turn, call)
    try:
        client = _client(repository)
        found = es.get(client, repository.name)
        if found is None and "lost_at" not in turn.run.result:
            es.register(client, call, opaque_id=_opaque(turn))
            return _registered(turn, repository)
    except OutcomeUnknown as error:
        turn.log(f"{error.message} Looking whether it is registered.", Level.WARNING)
        turn.result = turn.run.result | {"lost_at": timezone.now().isoformat()}
        return Stay(0.5)
    except Answered as error:
        return _after_refusal(turn, repository, error)
    except GatewayError as error:
        return _silent(turn, repository, error)
    if found is None:
        return _not_there_yet(turn)
    if not same_repository(found, repository.type, repository.settings):
        other = f"Somebody registered another repository {found.name} meanwhile. It was not touched."
        return _refused(turn, f"{other} Choose another name.")
    turn.log("It is registered with these settings: adopted.", Level.DONE)
    return _registered(turn, repository)


def verify(turn: Turn):
    """Let every node write a small file there, and name each that cannot. Leaves nothing behind."""
    repository = _repository(turn)
    try:
        client = _client(repository)
        members = es_cluster.nodes(client)
        turn.log(es.verify_call(repository.name).text(), Level.CALL)
        try:
            verified = es.verify(client, repository.name, opaque_id=_opaque(turn))
        except Answered as error:
            if error.type not in OF_THE_NODES:
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
    turn.result = turn.run.result | {"announced": True}
    return Stay()


def _registered(turn: Turn, repository: Repository, message: str = "") -> Next:
    turn.write(lambda a: services.record_registered(a, repository, turn.run, message=message))
    return Next(repository.location)


def _after_refusal(turn: Turn, repository: Repository, error: Answered):
    """A refused registration may have registered it all the same: servers before 8 keep what they could not
    verify. Only reading says it."""
    try:
        client = _client(repository)
        found, members = es.get(client, repository.name), es_cluster.nodes(client)
    except GatewayError as unread:
        return _refused(turn, f"{error.message} {unread.message}", error.detail, effect=Effect.UNKNOWN)
    if found and same_repository(found, repository.type, repository.settings):
        turn.log(f"{error.message} The cluster keeps it registered all the same.", Level.WARNING)
        return _registered(turn, repository, error.message)
    if error.type not in OF_THE_NODES:
        return _refused(turn, error.message, error.detail)
    lines = nodes.lines_of_failure(members, repository.location, error.reason, error.detail)
    return _refused(turn, nodes.advice(lines) or error.message, error.detail, lines=lines)


def _silent(turn: Turn, repository: Repository, error: GatewayError):
    """The cluster does not answer. Before the call that is the end; after a lost call it is asked again."""
    if "lost_at" in turn.run.result:
        return _not_there_yet(turn, error)
    return _refused(turn, error.message, error.detail)


def _not_there_yet(turn: Turn, error: GatewayError | None = None):
    if timezone.now() - parse_datetime(turn.run.result["lost_at"]) < LOST_FOR:
        return Stay(1)
    if error:
        return _refused(turn, error.message, error.detail, effect=Effect.UNKNOWN)
    return _refused(
        turn,
        f"The cluster did not answer the registration, and {LOST_FOR.seconds} s later it has no such repository. "
        "Register it again.",
    )


def _refused(
    turn: Turn, why: str, detail: str = "", *, effect=Effect.NONE, state=RunState.FAILED, lines=None
) -> Done:
    """Over without a repository."""
    repository = _repository(turn)
    turn.log(why, Level.ERROR)
    turn.write(lambda a: services.record_refused(a, repository, turn.run, why, detail, lines))
    return Done(state, effect, error=why, detail=detail)


def _judged(turn: Turn, repository: Repository, lines: list[dict], *, error: Answered | None = None, uuid="") -> Done:
    """The end of a verification: good only when every node that takes part answered well."""
    for line in lines:
        level = {nodes.GOOD: Level.DONE, nodes.FAILED: Level.ERROR}.get(line["state"], Level.WARNING)
        turn.log(f"{line['name']}: {line['message'] or 'can write'}", level)
    message, detail = _trouble(repository, lines, error), error.detail if error else ""
    turn.result = turn.run.result | {"nodes": lines}
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
