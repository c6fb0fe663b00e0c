"""Waits for what may hang, but not for ever: a share whose server is away answers nothing, and no error either."""

import threading
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")


class Hung(Exception):
    """There was no answer in time. What was asked may still come to an end later."""


def within(seconds: float, ask: Callable[[], Answer]) -> Answer:
    """What ``ask`` returns or raises, in a thread of its own. Raises Hung after ``seconds``."""
    answer: list[Answer] = []
    raised: list[BaseException] = []

    def work() -> None:
        try:
            answer.append(ask())
        except BaseException as error:  # noqa: BLE001 - raised again below, where it is waited for
            raised.append(error)

    thread = threading.Thread(target=work, name="patience", daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    if not answer:
        raise Hung
    return answer[0]
