"""What all gateways raise when the outside world does not do what it should.

``message`` is for people: what happened, why, what to do. ``detail`` is the other side's own words; it never holds
credentials.
"""


class GatewayError(Exception):
    """Anything that kept a call from doing what it should. ``passes``: it may be gone with the next try, without
    anybody doing something about it."""

    passes = False

    def __init__(self, message: str, detail: str = ""):
        super().__init__(message, detail)
        self.message = message
        self.detail = detail

    def __str__(self) -> str:
        return self.message
