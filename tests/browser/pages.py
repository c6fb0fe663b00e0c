"""Every page that a browser can open, by the name of its URL: for axe, for screenshots, for the eye."""

# name -> who opens it; {placeholders} are filled from the objects that the scene has made.
PAGES: dict[str, tuple[str, str]] = {
    "sign-in": ("", "/sign-in/"),
    "dashboard": ("administrator", "/"),
    "runs": ("operator", "/runs/"),
    "run": ("operator", "/runs/{run}/"),
    "run-failed": ("operator", "/runs/{failed_run}/"),
    "run-running": ("operator", "/runs/{running_run}/"),
    "run-partial": ("operator", "/runs/{partial_run}/"),
    "runs-nothing": ("operator", "/runs/?q=nothing&state=failed"),
    "snapshots": ("operator", "/snapshots/"),
    "snapshots-nothing": ("operator", "/snapshots/?q=nothing"),
    "snapshot": ("operator", "/snapshots/{snapshot}/"),
    "snapshot-running": ("operator", "/snapshots/{running_snapshot}/"),
    "snapshot-partial": ("operator", "/snapshots/{partial_snapshot}/"),
    "snapshot-damaged": ("operator", "/snapshots/{damaged_snapshot}/"),
    "snapshot-start": ("operator", "/snapshots/start/"),
    "snapshot-start-profile": ("operator", "/snapshots/start/?profile={profile}"),
    "profiles": ("administrator", "/snapshots/profiles/"),
    "profile": ("administrator", "/snapshots/profiles/{profile}/"),
    "profile-empty": ("administrator", "/snapshots/profiles/{empty_profile}/"),
    "profile-add": ("administrator", "/snapshots/profiles/add/"),
    "profile-change": ("administrator", "/snapshots/profiles/{profile}/change/"),
    "archives": ("operator", "/archives/"),
    "archives-nothing": ("operator", "/archives/?q=nothing"),
    "archive": ("operator", "/archives/{archive}/"),
    "archive-damaged": ("operator", "/archives/{archive_damaged}/"),
    "archive-failed": ("operator", "/archives/{archive_failed}/"),
    "archive-run": ("operator", "/runs/{archive_run}/"),
    "archive-start": ("operator", "/archives/start/?profile={archive_profile}"),
    "archive-profiles": ("administrator", "/archives/profiles/"),
    "archive-profile": ("administrator", "/archives/profiles/{archive_profile}/"),
    "archive-profile-add": ("administrator", "/archives/profiles/add/"),
    "archive-profile-change": ("administrator", "/archives/profiles/{archive_profile}/change/"),
    "locations": ("administrator", "/archives/locations/"),
    "location": ("administrator", "/archives/locations/{location}/"),
    "location-add": ("administrator", "/archives/locations/add/"),
    "location-change": ("administrator", "/archives/locations/{location}/change/"),
    "redis-servers": ("administrator", "/archives/redis/"),
    "recipients": ("administrator", "/archives/recipients/"),
    "clusters": ("administrator", "/clusters/"),
    "cluster": ("administrator", "/clusters/{cluster}/"),
    "cluster-away": ("administrator", "/clusters/{cluster_away}/"),
    "cluster-add": ("administrator", "/clusters/add/"),
    "cluster-edit": ("administrator", "/clusters/{cluster}/edit/"),
    "repositories": ("administrator", "/repositories/"),
    "repositories-nothing": ("administrator", "/repositories/?q=nothing"),
    "repository": ("administrator", "/repositories/{repository}/"),
    "repository-register": ("administrator", "/repositories/register/"),
    "people": ("administrator", "/people/"),
    "people-nothing": ("administrator", "/people/?q=nothing"),
    "person": ("administrator", "/people/{person}/"),
    "person-add": ("administrator", "/people/add/"),
    "person-roles": ("administrator", "/people/{person}/roles/"),
    "person-password": ("administrator", "/people/{person}/one-time-password/"),
    "person-deactivate": ("administrator", "/people/{person}/deactivate/"),
    "audit": ("auditor", "/audit/"),
    "audit-nothing": ("auditor", "/audit/?q=nothing"),
    "entry": ("auditor", "/audit/1/"),
    "profile-own": ("operator", "/account/"),
    "password": ("operator", "/account/password/"),
    "step-up": ("administrator", "/step-up/"),
    "not-allowed": ("viewer", "/people/"),
    "not-found": ("viewer", "/nothing/here/"),
}

# A new console, and what each role finds there.
EMPTY: dict[str, tuple[str, str]] = {
    f"empty-{name}-{who}": (who, path)
    for who in ("viewer", "operator", "administrator")
    for name, path in {
        "dashboard": "/",
        "runs": "/runs/",
        "snapshots": "/snapshots/",
        "profiles": "/snapshots/profiles/",
        "archives": "/archives/",
        "archive-profiles": "/archives/profiles/",
        "locations": "/archives/locations/",
        "clusters": "/clusters/",
        "repositories": "/repositories/",
    }.items()
} | {
    "empty-snapshot-start": ("operator", "/snapshots/start/"),
    "empty-profile-add": ("administrator", "/snapshots/profiles/add/"),
    "empty-repository-register": ("administrator", "/repositories/register/"),
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
    "archives",
    "archive",
    "archive-profile-change",
    "cluster",
    "repository",
    "audit",
)
