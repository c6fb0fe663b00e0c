"""The check ``cluster``: goes to a cluster with its credentials, keeps what was found, and says it in words."""

from backups.runs import Turn

from . import rights
from .contact import Contact, Trial, make_contact
from .models import Cluster, Purpose
from .record import record_contact


def check_cluster(turn: Turn) -> dict:
    """Params: ``cluster``, its primary key. The result is what the fragment of checks shows."""
    cluster = Cluster.objects.get(pk=turn.run.params["cluster"])
    contact = make_contact(cluster)
    turn.write(lambda a: record_contact(a, cluster, contact))
    return in_words(cluster, contact)


def in_words(cluster: Cluster, contact: Contact) -> dict:
    """``state`` (good, bad), ``title``, ``text``, ``lines`` of state, text and sub, and ``detail`` for those who
    may read raw errors."""
    refused = [trial for trial in contact.trials if trial.message]
    good = not contact.problem and not refused and contact.works(Purpose.EVERYDAY)
    return {
        "state": "good" if good else "bad",
        "title": _title(cluster, contact, refused),
        "text": contact.problem.message if contact.problem else "",
        "lines": [line for trial in contact.trials for line in _lines(trial)],
        "detail": "\n".join(_details(contact)),
    }


def _title(cluster: Cluster, contact: Contact, refused: list[Trial]) -> str:
    if contact.problem:
        return f"No contact with {cluster}"
    if refused:
        return "A credential does not work" if len(refused) == 1 else "Credentials do not work"
    if not contact.identity:
        return f"{cluster} has no credential"
    nodes = f"{len(contact.nodes)} node" + ("" if len(contact.nodes) == 1 else "s")
    product = {"elasticsearch": "Elasticsearch", "opensearch": "OpenSearch"}[contact.identity.product]
    return f"Connected to {product} {contact.identity.version}, {nodes}, {contact.health.state}"


def _lines(trial: Trial) -> list[dict]:
    purpose = Purpose(trial.credential.purpose)
    text = f"{purpose.label} credential, user {trial.credential.username}"
    if trial.message:
        return [{"state": "fail", "text": text, "sub": trial.message}]
    if not trial.good:
        return [{"state": "idle", "text": text, "sub": "Not tested: the cluster could not be asked."}]
    lines = [{"state": "ok", "text": text, "sub": _may(trial)}]
    if rights.too_strong(purpose, trial.may):
        strong = f"User {trial.credential.username} is too strong"
        lines.append({"state": "warn", "text": strong, "sub": rights.TOO_STRONG})
    return lines


def _may(trial: Trial) -> str:
    if not trial.may:
        return "The password is right. The cluster does not say what this user may do."
    allowed = [right.words for right in rights.of(trial.credential.purpose) if not right.missing(trial.may)]
    barred = [right.words for right in rights.of(trial.credential.purpose) if right.missing(trial.may)]
    return f"May: {'; '.join(allowed)}." + (f" May not: {'; '.join(barred)}." if barred else "")


def _details(contact: Contact) -> list[str]:
    details = [trial.detail for trial in contact.trials] + [contact.problem.detail if contact.problem else ""]
    return [detail for detail in details if detail]
