"""What can go wrong between the console and Elasticsearch.

``message`` is for people: what happened, why, what to do. ``detail`` is the server's own text, cut to its
deepest cause; it never holds credentials.
"""

from backups.gateways.errors import GatewayError

# Answers of a cluster that is busy or between two masters, or of a proxy before it: not of the request itself.
PASSING = (429, 502, 503, 504)


class Unreachable(GatewayError):
    """Nothing was done: no connection was made, or a read got no answer."""

    passes = True


class OutcomeUnknown(GatewayError):
    """A write left, and what came of it is not known. Look; never send it again."""


class Untrusted(GatewayError):
    """The server's certificate does not prove that it is the server we want. Nothing was sent."""


class NotElasticsearch(GatewayError):
    """Something answered, but not as Elasticsearch would."""


class Answered(GatewayError):
    """Elasticsearch refused, and said why. Nothing was changed by the call. ``type`` and ``reason`` are its own words
    on the outside, ``cause`` is the type of what lies deepest."""

    def __init__(self, message: str, detail: str = "", *, status: int = 0, type="", reason="", cause=""):
        super().__init__(message, detail)
        self.status = status
        self.type = type
        self.reason = reason
        self.cause = cause

    @property
    def passes(self) -> bool:
        return self.status in PASSING


class BadCredential(Answered):
    """The user name or the password was refused (401)."""


class Forbidden(Answered):
    """The user may not do this (403). ``action`` is the server's name for what was refused."""

    def __init__(self, message: str, detail: str = "", *, action: str = "", **answer):
        super().__init__(message, detail, **answer)
        self.action = action


class NotFound(Answered):
    """The snapshot, repository or index does not exist."""


class Taken(Answered):
    """The name exists already, or is being made at this moment."""


class Refused(Answered):
    """Any other refusal."""


class Damaged(Refused):
    """The repository lists the snapshot, but a file that describes it is missing or broken."""


class Unusable(Refused):
    """The files of the repository are not as the cluster left them. It reads and writes nothing there any more, until
    somebody mends that."""


class ListUnread(Unusable):
    """The list of a repository cannot be read: its file is missing or broken, or the storage is away for a moment."""

    passes = True
