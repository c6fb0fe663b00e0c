"""Role names, and the one table of who may do what."""

VIEWER = "viewer"
OPERATOR = "operator"
APPROVER = "approver"
AUDITOR = "auditor"
ADMINISTRATOR = "administrator"
ROLES = (VIEWER, OPERATOR, APPROVER, AUDITOR, ADMINISTRATOR)

# Auditors change nothing, so no other role may be held with this one.
ALONE = AUDITOR

EVERYONE = frozenset(ROLES)

ACTS: dict[str, frozenset[str]] = {
    "pages.read": EVERYONE,
    "raw.read": frozenset({OPERATOR, AUDITOR, ADMINISTRATOR}),  # calls and raw errors
    "entry.read_own": frozenset({OPERATOR, APPROVER, AUDITOR, ADMINISTRATOR}),
    "entry.read_all": frozenset({AUDITOR, ADMINISTRATOR}),
    "entry.export": frozenset({AUDITOR}),
    "person.read": frozenset({OPERATOR, APPROVER, AUDITOR, ADMINISTRATOR}),
    "person.manage": frozenset({ADMINISTRATOR}),
    "cluster.manage": frozenset({ADMINISTRATOR}),
    "repository.manage": frozenset({ADMINISTRATOR}),
    "repository.verify": frozenset({OPERATOR, ADMINISTRATOR}),
    "profile.manage": frozenset({ADMINISTRATOR}),
    "snapshot.start": frozenset({OPERATOR, ADMINISTRATOR}),
    "archive.start": frozenset({OPERATOR, ADMINISTRATOR}),
    "archive.look": frozenset({OPERATOR, APPROVER, AUDITOR, ADMINISTRATOR}),  # names of files in it
    "archive.verify": frozenset({OPERATOR, ADMINISTRATOR}),
    "archive.download": frozenset({OPERATOR, ADMINISTRATOR}),
    "location.manage": frozenset({ADMINISTRATOR}),
    "run.cancel": frozenset({OPERATOR, ADMINISTRATOR}),
    "restore.request": frozenset({OPERATOR, ADMINISTRATOR}),
    "restore.break_glass": frozenset({ADMINISTRATOR}),
    "lock.clear": frozenset({ADMINISTRATOR}),
    "request.vote": frozenset({APPROVER}),
    "request.comment": frozenset({OPERATOR, APPROVER, ADMINISTRATOR}),
    "request.review": frozenset({APPROVER, AUDITOR}),
    "copy.delete": frozenset({ADMINISTRATOR}),
    "copy.ask_delete": frozenset({OPERATOR, ADMINISTRATOR}),
    "hold.place": frozenset({OPERATOR, APPROVER, ADMINISTRATOR}),
    "hold.release": frozenset({APPROVER}),
}


def may(user, act: str, obj=None) -> bool:
    """Whether this person may do this act. Unknown acts raise KeyError: a typing error must not open a door.

    ``obj`` is for the rules that depend on the thing itself: nobody may change their own roles or switch
    themselves off.
    """
    allowed = ACTS[act]
    if not user.is_authenticated or not user.is_active:
        return False
    if act == "person.manage" and obj is not None and obj == user:
        return False
    return not allowed.isdisjoint(user.roles)


def roles_for(act: str) -> list[str]:
    """The roles that may do this act, in the order of ROLES."""
    return [role for role in ROLES if role in ACTS[act]]
