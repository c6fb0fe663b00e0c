"""What can be wrong with a request or a vote."""


class ApprovalError(Exception):
    """It cannot be done; the message is for the person who asked, about ``field`` of their form."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class StalePlan(ApprovalError):
    """The person decided about something that is not what the request says."""


class NotAdmitted(Exception):
    """Work may not begin, or may not go on: the message says why."""
