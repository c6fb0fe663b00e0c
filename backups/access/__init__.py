"""Who may do what.

Roles are Django groups with fixed names; a person may have several, and they add up. ``may()`` answers every
question about rights from one table (``roles.ACTS``); ``@role_required`` asks it before a view runs and raises
``Denied``, which becomes a page, and an entry in the log.
"""

from .denied import Denied
from .gate import own_account, role_required, step_up_required, stepped_up
from .roles import ACTS, ROLES, may, roles_for

__all__ = [
    "ACTS",
    "ROLES",
    "Denied",
    "may",
    "own_account",
    "role_required",
    "roles_for",
    "step_up_required",
    "stepped_up",
]
