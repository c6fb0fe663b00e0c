"""The one exception for 'you may not'."""

from django.core.exceptions import PermissionDenied


class Denied(PermissionDenied):
    """This person may not do this act. The message is for the person; ``act`` names the row of ``roles.ACTS``."""

    def __init__(self, act: str, message: str = "") -> None:
        super().__init__(message or f"You may not do this: {act}.")
        self.act = act
        self.message = message
