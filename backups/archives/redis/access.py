"""From a row to a way into its Redis server; and its data as an archive takes it."""

import queue
import threading
from collections.abc import Iterator
from dataclasses import replace

from django.conf import settings

from backups.access.secrets import SealError, unseal
from backups.clusters import authorities
from backups.gateways.elasticsearch.addresses import BadAddress, check_peer, resolve_host
from backups.gateways.redis.access import RedisAccess
from backups.gateways.redis.errors import Forbidden, RedisError, Unsupported
from backups.gateways.redis.rdb import survey_of
from backups.gateways.redis.scan import Scan
from backups.gateways.redis.sentinel import server_of
from backups.gateways.redis.survey import Survey
from backups.gateways.redis.sync import rdb_by_sync
from backups.gateways.redis.values import KINDS

from ..format.writer import RedisFacts
from ..models import RedisMode, RedisServer
from .addresses import PORT, SENTINEL_PORT, place_of


class NoAccess(RedisError):
    """The password cannot be opened here, or the console may not go to this address."""


def access_of(server: RedisServer, *, new: bool = False) -> RedisAccess:
    """Whom to ask and as whom. ``new``: with the credential that waits for a good check. Raises NoAccess, and
    Untrusted for a CA certificate that cannot be read."""
    username, sealed = (server.new_username, server.new_sealed) if new else (server.username, server.sealed)
    try:
        password = unseal(server.context(username), sealed) if sealed else ""
    except SealError as error:
        message = f"The password of Redis server {server} cannot be opened on this host. Enter it again."
        raise NoAccess(message, str(error)) from error
    known = {"tls": server.tls, "ca_pem": authorities.read(server.ca_file) if server.tls else ""}
    if server.sentinel_master:
        sentinels = [_access(address, SENTINEL_PORT, known) for address in server.address.split()]
        wanted = RedisAccess(username=username, password=password, **known)
        return _allowed(server_of(sentinels, server.sentinel_master, wanted))
    return _access(server.address, PORT, known | {"username": username, "password": password})


def _access(address: str, port: int, known: dict) -> RedisAccess:
    host, number, unix_socket = place_of(address, port)
    return _allowed(RedisAccess(host=host, port=number, unix_socket=unix_socket, **known))


def _allowed(access: RedisAccess) -> RedisAccess:
    """The same, bound to the addresses that its name stands for now, if the console may connect to all of them.
    Raises NoAccess."""
    if access.unix_socket:
        return access
    try:
        peers = sorted(resolve_host(access.host, access.port))
        for peer in peers:
            check_peer(peer, scheme="redis", allow_http=True, networks=settings.CLUSTER_NETWORKS)
    except BadAddress as error:
        raise NoAccess(error.message, error.detail) from error
    except (OSError, UnicodeError) as error:
        raise NoAccess(f"The name {access.host} is not known. Check how it is written.", str(error)) from error
    return replace(access, peers=tuple(peers))


class Copy:
    """The data of a server on its way into an archive: ``pieces`` to be gone through once, then ``describe()``.

    When SYNC is refused it is read key by key, and ``notes`` says so.
    """

    def __init__(self, server: RedisServer, access: RedisAccess):
        self.server, self.access = server, access
        self.mode, self.notes = server.mode, []
        self._survey: Survey | None = None

    def pieces(self) -> Iterator[bytes]:
        counted = Counted(self._pieces())
        yield from counted
        self._survey = counted.survey()

    def _pieces(self) -> Iterator[bytes]:
        if self.mode == RedisMode.RDB:
            stream = rdb_by_sync(self.access)
            try:
                first = next(stream)
            except (Forbidden, Unsupported) as error:
                self.mode = RedisMode.SCAN
                self.notes.append(f"{error.message} It is read key by key instead, which is not one moment.")
            else:
                yield first
                yield from stream
                return
        scan = Scan(self.access, tuple(self.server.databases), self.server.pattern)
        yield from scan.pieces()
        self.notes += scan.missed

    @property
    def types(self) -> dict[str, dict[str, int]]:
        """Keys by type of each database, when all pieces have come."""
        return {str(number): _types(content.types) for number, content in sorted(self._survey.databases.items())}

    def describe(self) -> RedisFacts:
        """What is known of it when all pieces have come. No secrets."""
        survey = self._survey
        databases = {
            str(number): {"keys": content.keys, "expires": content.expires, "types": self.types[str(number)]}
            for number, content in sorted(survey.databases.items())
        }
        meta = {
            "server": self.server.name,
            "address": self.access.where,
            "mode": self.mode,
            "product": survey.magic,
            "version": survey.aux.get("redis-ver") or survey.aux.get("valkey-ver", ""),
            "databases": databases,
            "functions": len(survey.functions),
            "memory": survey.memory,
            "missed": self.notes,
        }
        return RedisFacts(
            keys={number: facts["keys"] for number, facts in databases.items()},
            expires={number: facts["expires"] for number, facts in databases.items()},
            rdb_version=survey.version,
            server=meta["version"],
            mode=self.mode,
            consistent=self.mode == RedisMode.RDB,
            meta=meta,
        )


class Counted:
    """Hands pieces on, and counts what is in them in a thread beside: whoever writes them down need not wait."""

    WAITING = 8

    def __init__(self, pieces: Iterator[bytes]):
        self._pieces_in, self._queue = pieces, queue.Queue(self.WAITING)
        self._survey: Survey | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._count, name="counting", daemon=True)

    def __iter__(self) -> Iterator[bytes]:
        self._thread.start()
        try:
            for piece in self._pieces_in:
                self._queue.put(piece)
                yield piece
        finally:
            self._queue.put(None)

    def survey(self) -> Survey:
        """When all pieces have come. Raises what is wrong with them."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._survey

    def _count(self) -> None:
        try:
            self._survey = survey_of(iter(self._queue.get, None))
        except RedisError as error:
            self._error = error
            while self._queue.get() is not None:  # whoever hands pieces in must not wait for ever
                pass


def _types(counts) -> dict[str, int]:
    """Keys by the name of their type: its encodings, named in parentheses, are one."""
    named: dict[str, int] = {}
    for kind, number in sorted(counts.items()):
        name = KINDS[kind].name.partition(" (")[0].removesuffix(" with expiring fields")
        named[name] = named.get(name, 0) + number
    return named
