"""One connection to one server: commands out, answers in. Not safe to share between threads."""

import ssl

from . import resp
from .access import RedisAccess, open_socket
from .errors import Answered, CutOff, Forbidden, RedisError, Unsupported, Untrusted
from .refusals import judge

AT_ONCE = 1 << 20
"""Bytes of one write or read: the timeout is for each of them, not for a value of some hundred megabytes."""


def connect(access: RedisAccess) -> "Connection":
    """Signed in, and known to be Redis. Use it as a context manager."""
    connection = Connection(access)
    try:
        connection.sign_in()
    except BaseException:
        connection.close()
        raise
    return connection


class Connection:
    """Made by ``connect``."""

    def __init__(self, access: RedisAccess):
        self.access = access
        self._socket = open_socket(access)
        self._reader = resp.reader()

    def __repr__(self) -> str:
        return f"<Connection {self.access.where}>"

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def sign_in(self) -> None:
        """AUTH where there is a password, and PING: a user that may not ping is still a user."""
        if self.access.password:
            # Whoever cannot even answer this as Redis would must not be told the password.
            self.tolerated("PING")
            user = [self.access.username] if self.access.username else []
            self.call("AUTH", *user, self.access.password)
        try:
            answer = self.call("PING")
        except (Forbidden, Unsupported) as error:
            if error.detail.startswith("DENIED"):
                raise
            return
        if answer != b"PONG":
            raise resp.not_redis(self.access.where)

    def call(self, *words: bytes | str | int):
        """The answer to one command; an error line is raised. Strings come as bytes."""
        self.send(resp.pack(*words))
        answer = self.answer()
        if isinstance(answer, resp.ErrorLine):
            raise judge(self._without_password(answer.line), str(words[0]).upper())
        return answer

    def tolerated(self, *words: bytes | str | int):
        """Like ``call``, but None where the server refuses: for what is good to have."""
        try:
            return self.call(*words)
        except Answered:
            return None

    def send(self, data: bytes | memoryview) -> None:
        """All of it. A pipeline sends many packed commands, then asks for as many answers."""
        view = memoryview(data)
        try:
            for start in range(0, len(view), AT_ONCE):
                self._socket.sendall(view[start : start + AT_ONCE])
        except OSError as error:
            raise self._cut(error) from error

    def answer(self):
        """The next answer; an error line comes as ``resp.ErrorLine``."""
        return self.answers(1)[0]

    def answers(self, count: int) -> list:
        """The next ones, without a call for each."""
        gets, found = self._reader.gets, []
        try:
            while len(found) < count:
                if (value := gets()) is resp.MORE:
                    self._reader.feed(self.receive())
                else:
                    found.append(value)
        except resp.Foreign as error:
            raise resp.not_redis(self.access.where, str(error)) from None
        return found

    def receive(self) -> bytes:
        """Some raw bytes, at least one: for what follows SYNC, which is not RESP. No answer may be awaited."""
        try:
            data = self._socket.recv(AT_ONCE)
        except OSError as error:
            raise self._cut(error) from error
        if not data:
            raise self._cut(None)
        return data

    def _without_password(self, line: str) -> str:
        """A server that does not know AUTH repeats what it was given."""
        return line.replace(self.access.password, "…") if self.access.password else line

    def _cut(self, error: OSError | None) -> RedisError:
        where = self.access.where
        if isinstance(error, TimeoutError):
            message = (
                f"{where} has said nothing for {self.access.timeout:g} s. It may be busy, or the network is gone."
            )
            return CutOff(message, str(error))
        if isinstance(error, ssl.SSLError):
            return Untrusted(f"The TLS connection to {where} failed.", str(error))
        message = f"The connection to {where} was cut off. The server may have been stopped; look at its log."
        return CutOff(message, str(error or "end of stream"))
