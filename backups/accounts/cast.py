"""The people that a new sandbox comes with: one for every role, and a second approver."""

from backups.access.roles import ADMINISTRATOR, APPROVER, AUDITOR, OPERATOR, VIEWER

# (sign-in name, full name, roles)
CAST = [
    ("viewer", "Vera Camilleri", [VIEWER]),
    ("operator", "Maria Zammit", [OPERATOR]),
    ("approver", "Ġorġ Borg", [APPROVER]),
    ("approver2", "Ritianne Vella", [APPROVER]),
    ("auditor", "Karl Micallef", [AUDITOR]),
    ("administrator", "Daniel Farrugia", [ADMINISTRATOR]),
]
