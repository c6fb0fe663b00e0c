"""What can go wrong between the console and Redis, or in a file of its data.

``message`` is for people: what happened, why, what to do. ``detail`` is the server's own line. Neither ever holds
a password.
"""

from backups.gateways.errors import GatewayError


class RedisError(GatewayError):
    """Anything that kept us from what we wanted with Redis."""


class Unreachable(RedisError):
    """No connection was made: nothing was done."""

    passes = True


class CutOff(RedisError):
    """The connection ended, or fell silent, in the middle. What was sent before may have been done."""

    passes = True


class Untrusted(RedisError):
    """TLS failed: the certificate does not prove that it is the server we want, or there is no TLS at all."""


class NotRedis(RedisError):
    """Something answered, but not as Redis would."""


class Answered(RedisError):
    """Redis refused, and said why."""


class BadCredential(Answered):
    """The user name or the password was refused, or one is needed (WRONGPASS, NOAUTH)."""


class Forbidden(Answered):
    """The user may not do this (NOPERM). ``command`` is what was refused, in upper case."""

    def __init__(self, message: str, detail: str = "", *, command: str = ""):
        super().__init__(message, detail)
        self.command = command


class Unsupported(Answered):
    """The server does not know the command, or its provider has switched it off."""


class NoPrimary(Answered):
    """A replica that has lost its primary (NOMASTERLINK, MASTERDOWN)."""

    passes = True


class ReadOnly(Answered):
    """A replica takes no writes (READONLY)."""


class Loading(Answered):
    """The server reads its own data from disk and serves nothing yet (LOADING)."""

    passes = True


class Full(Answered):
    """The server has reached its maxmemory (OOM)."""


class RestoreRefused(RedisError):
    """Found before anything was written."""


class RdbError(RedisError):
    """An RDB file or stream that cannot be used."""


class NotRdb(RdbError):
    """It does not begin as an RDB file does."""


class RdbDamaged(RdbError):
    """A byte that cannot stand where it stands, or a checksum that differs."""


class RdbTruncated(RdbError):
    """It ends before its end mark."""


class RdbUnknown(RdbError):
    """A kind of value or record that this version of the console does not know; newer than it, most likely."""
