"""How a person proves to be themselves at the moment of a vote: the one place to ask for a second factor."""

from backups.access.gate import remember_step_up
from backups.accounts import sign_in
from backups.accounts.sign_in import SignInError, Throttled
from backups.templatetags.formats import duration


class NotProven(Exception):
    """``status`` is that of the answer, ``wait`` the seconds until the next try counts (0: at once)."""

    def __init__(self, message: str, status: int, wait: float = 0) -> None:
        super().__init__(message)
        self.status, self.wait = status, wait


def prove(request, given: dict) -> None:
    """Check what the form asked for (now: the password; counted and throttled with those of the sign-in page). Raises
    NotProven."""
    try:
        sign_in.step_up(request.user, given["password"], address=request.address)
    except SignInError as error:
        left = (
            f"{error.left} {'try' if error.left == 1 else 'tries'} left"
            if error.left
            else "this name has to wait now"
        )
        raise NotProven(f"The password is wrong; {left}.", 422) from error
    except Throttled as error:
        raise NotProven(
            f"Too many tries; nothing was checked. Try again in {duration(error.wait)}.", 429, error.wait
        ) from error
    remember_step_up(request)
