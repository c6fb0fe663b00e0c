"""One include per package; namespace = package."""

from django.urls import include, path

urlpatterns = [
    path("", include("backups.dashboard.urls")),
    path("", include("backups.accounts.urls")),
    path("approvals/", include("backups.approvals.urls")),
    path("archives/", include("backups.archives.urls")),
    path("audit/", include("backups.evidence.urls")),
    path("clusters/", include("backups.clusters.urls")),
    path("repositories/", include("backups.repositories.urls")),
    path("restores/", include("backups.restores.urls")),
    path("retention/", include("backups.retention.urls")),
    path("runs/", include("backups.runs.urls")),
    path("snapshots/", include("backups.snapshots.urls")),
]
