"""Every page that a browser can open, by the name of its URL: for axe, for screenshots, for the eye."""

# name -> who opens it; {placeholders} are filled from the objects that the scene has made.
PAGES: dict[str, tuple[str, str]] = {
    "sign-in": ("", "/sign-in/"),
    "dashboard": ("administrator", "/"),
    "runs": ("operator", "/runs/"),
    "run": ("operator", "/runs/{run}/"),
    "run-failed": ("operator", "/runs/{failed_run}/"),
    "snapshots": ("operator", "/snapshots/"),
    "snapshot": ("operator", "/snapshots/{snapshot}/"),
    "snapshot-start": ("operator", "/snapshots/start/"),
    "snapshot-start-profile": ("operator", "/snapshots/start/?profile={profile}"),
    "profiles": ("administrator", "/snapshots/profiles/"),
    "profile": ("administrator", "/snapshots/profiles/{profile}/"),
    "profile-add": ("administrator", "/snapshots/profiles/add/"),
    "profile-change": ("administrator", "/snapshots/profiles/{profile}/change/"),
    "clusters": ("administrator", "/clusters/"),
    "cluster": ("administrator", "/clusters/{cluster}/"),
    "cluster-add": ("administrator", "/clusters/add/"),
    "cluster-edit": ("administrator", "/clusters/{cluster}/edit/"),
    "repositories": ("administrator", "/repositories/"),
    "repository": ("administrator", "/repositories/{repository}/"),
    "repository-register": ("administrator", "/repositories/register/"),
    "people": ("administrator", "/people/"),
    "person": ("administrator", "/people/{person}/"),
    "person-add": ("administrator", "/people/add/"),
    "person-roles": ("administrator", "/people/{person}/roles/"),
    "person-password": ("administrator", "/people/{person}/one-time-password/"),
    "person-deactivate": ("administrator", "/people/{person}/deactivate/"),
    "audit": ("auditor", "/audit/"),
    "entry": ("auditor", "/audit/1/"),
    "profile-own": ("operator", "/account/"),
    "password": ("operator", "/account/password/"),
    "step-up": ("administrator", "/step-up/"),
    "not-allowed": ("viewer", "/people/"),
    "not-found": ("viewer", "/nothing/here/"),
}

# The six that are looked at on a phone in the dark.
ON_THE_PHONE = ("sign-in", "dashboard", "run", "snapshots", "snapshot-start", "audit")

# What the README and the documents show.
IN_DOCUMENTS = (
    "dashboard",
    "run",
    "snapshots",
    "snapshot",
    "snapshot-start-profile",
    "cluster",
    "repository",
    "audit",
)
