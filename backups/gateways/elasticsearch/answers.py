"""From what came back to an answer, or to an error in plain words.

HTTP says little here: 500 is the usual code of a refusal that a user can mend, and 200 comes with failures
inside. So errors are told apart by their type, and bodies are looked at.
"""

import math
import re
from typing import Any

from .call import Call
from .errors import (
    BadCredential,
    Forbidden,
    GatewayError,
    ListUnread,
    NotElasticsearch,
    NotFound,
    OutcomeUnknown,
    Refused,
    Taken,
    Unreachable,
    Unusable,
)
from .refusals import is_unread, is_unusable, sentence

DETAIL_LIMIT = 500

# The node that answered lost the elected master on the way: the write may have been carried out.
UNKNOWN_OUTCOME = {
    "failed_to_commit_cluster_state_exception",
    "node_disconnected_exception",
    "not_master_exception",
    "receive_timeout_transport_exception",
}
MISSING = {
    "index_not_found_exception",
    "repository_missing_exception",
    "resource_not_found_exception",
    "snapshot_missing_exception",
}
# A database keeps neither NUL nor halves of characters, and JSON can bring both.
UNSTORABLE = re.compile("[\0\ud800-\udfff]")
LEAST_FIRST = ("monitor", "monitor_snapshot", "create_snapshot", "view_index_metadata", "manage")
TAKEN = {"resource_already_exists_exception", "snapshot_name_already_in_use_exception"}


def judge(call: Call, status: int, body: Any, *, user: str, where: str) -> dict:
    """The body of an answer that is one of Elasticsearch and no refusal; otherwise an error is raised."""
    try:
        body = storable(body)
    except RecursionError:
        raise unreadable(call, where, status) from None
    if 200 <= status < 300:
        if not isinstance(body, dict):
            raise unreadable(call, where)
        if why := _not_asked(call, body):
            raise refusal(call, 404 if why.get("type") in MISSING else 500, why, user=user)
        return body
    error = _error_of(body)
    if error is None and status not in (401, 403):
        raise unreadable(call, where, status)
    raise refusal(call, status, error or {}, user=user)


def unreadable(call: Call, where: str, status: int = 200) -> GatewayError:
    """Something else answered. Its words are not kept: it may repeat our own headers."""
    if not call.reads and not 300 <= status < 500:
        return _unknown(call, f"something that is not Elasticsearch answered at {where}", f"HTTP {status}")
    return NotElasticsearch(
        f"What answers at {where} is not Elasticsearch. Check the address and the port; a proxy, a sign-in "
        "page or another service may be in the way.",
        f"HTTP {status} to {call.method} {call.target}",
    )


def lost(call: Call, where: str, seconds: float | None, detail: str) -> GatewayError:
    """No answer came, or only a piece of one."""
    why = f"there was no answer within {seconds:g} seconds" if seconds else "the connection broke before the answer"
    detail = cut(detail)
    if not call.reads:
        return _unknown(call, why, detail)
    hint = " If the server uses TLS, the address must begin with https://." if where.startswith("http://") else ""
    return Unreachable(
        f"{where} does not answer: {why}. Check that the cluster is up and not overloaded.{hint}", detail
    )


def refusal(call: Call, status: int, error: dict, *, user: str) -> GatewayError:
    """The refusal that an error body describes."""
    kind, reason = str(error.get("type") or ""), str(error.get("reason") or "")
    cause = deepest(error)
    answer = {"status": status, "type": kind, "reason": reason, "cause": str(_innermost(error).get("type") or "")}
    if kind in UNKNOWN_OUTCOME and not call.reads:
        return _unknown(call, "the cluster lost its master node meanwhile", cause)
    if status == 401:
        return BadCredential(_credential_words(user), cause, **answer)
    if status == 403 and kind in ("", "security_exception"):
        return _forbidden(reason, cause, user, answer)
    words = sentence(call, error, cause)
    if kind in TAKEN or (kind == "invalid_snapshot_name_exception" and " already " in reason):
        return Taken(words, cause, **answer)
    if kind in MISSING and status == 404:
        return NotFound(words, cause, **answer)
    if is_unusable(error):
        return (ListUnread if is_unread(error) else Unusable)(words, cause, **answer)
    return Refused(words, cause, **answer)


def deepest(error: dict) -> str:
    """The server's reason without the layers around it and without stack traces."""
    error = _innermost(error)
    reason = str(error.get("reason") or error.get("type") or "")
    traced = re.findall(r"^Caused by: (.*)$", reason, re.MULTILINE)
    return cut(traced[-1] if traced else reason)


def _innermost(error: dict) -> dict:
    while isinstance(error.get("caused_by"), dict):
        error = error["caused_by"]
    return error


def cut(text: str) -> str:
    """The first line, at most 500 characters, without the project that 9.x puts before names."""
    line = storable(text).strip().partition("\n")[0].replace("[default:", "[")
    return line if len(line) <= DETAIL_LIMIT else line[: DETAIL_LIMIT - 1] + "…"


def storable(value: Any) -> Any:
    """The same parsed JSON without what a database cannot keep, at any depth: names and numbers from an answer end
    in rows."""
    if isinstance(value, str):
        return value if value.isprintable() else UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, dict):
        return {storable(key): storable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [storable(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def unexpected(call: Call, what: str) -> GatewayError:
    """A readable answer that lacks what it must have. It is no refusal, so it does not say what a write did."""
    if not call.reads:
        return _unknown(call, f"the answer was not understood ({what})", what)
    return NotElasticsearch(
        f"The answer to {call.method} {call.target} was not understood: {what}. Check the address, and "
        "whether a proxy changes answers; the version of the server may be one that the console does not "
        "know.",
        what,
    )


def need(call: Call, body: Any, key: str, kind: type) -> Any:
    """``body[key]``, when it is there and of this kind."""
    value = body.get(key) if isinstance(body, dict) else None
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise unexpected(call, f"{key} is missing or has another shape")
    return value


def acknowledged(call: Call, body: dict) -> None:
    """Raise unless every node confirmed in time; without that the change may come later, or not."""
    if need(call, body, "acknowledged", bool) is not True:
        raise _unknown(call, "not every node confirmed it in time", "acknowledged: false")


def _error_of(body: Any) -> dict | None:
    """The error object of an Elasticsearch answer, whichever of its two forms it has."""
    if not isinstance(body, dict) or not isinstance(body.get("status", 0), int):
        return None
    error = body.get("error")
    if isinstance(error, dict):
        return error
    # "no handler found", "incorrect HTTP method": plain text. Others use the word too, without a status.
    return {"reason": error} if isinstance(error, str) and "statusCode" not in body else None


def _not_asked(call: Call, body: dict) -> dict | None:
    """7.17 answers 200 with no snapshots for a repository that is not registered, and says why beside them."""
    failures = body.get("failures") if call.parts[:1] == ("_snapshot",) and len(call.parts) > 2 else None
    why = failures.get(call.parts[1]) if isinstance(failures, dict) else None
    return why if isinstance(why, dict) else None


def _unknown(call: Call, why: str, detail: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"The request {call.method} {call.target} was sent, but its result is not known: {why}. It is not "
        "sent again; the console looks at the cluster to find out what happened.",
        detail,
    )


def _credential_words(user: str) -> str:
    if not user:
        return "The cluster asks for a user and a password. Enter them on the page of the cluster."
    return (
        f"The password of user {user} was refused. The user does not exist on the cluster, is locked, or has "
        "another password. Enter name and password again."
    )


def _forbidden(reason: str, cause: str, user: str, answer: dict) -> Forbidden:
    found = re.search(r"(?:action|permissions for) \[([^\]]+)\]", reason)
    action = found[1] if found else ""
    words = f"The user {user} may not do this on the cluster" + (f" ({action})." if action else ".")
    granted = re.search(r"granted by the (cluster|index) privileges \[([^\]]+)\]", reason)
    words += _way_out(*granted.groups()) if granted else " Ask the cluster's administrator to extend its role."
    return Forbidden(words, cause, action=action, **answer)


def _way_out(kind: str, privileges: str) -> str:
    """The least of the privileges that would do; the server names all of them."""
    names = privileges.split(",")
    least = next((name for name in LEAST_FIRST if name in names), names[0])
    return f" Give its role the {kind} privilege {least}."
