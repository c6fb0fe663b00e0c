"""The console's addresses, and those of Django's admin with the rows of three lists."""

from django.contrib import admin
from django.urls import include, path

from backups.models import AuditEntry, Run, Snapshot

COLUMNS = {
    Run: ("subject", "kind", "state", "actor", "started_at", "ended_at"),
    AuditEntry: ("at", "actor_name", "action", "object_name", "outcome", "reason"),
    Snapshot: ("name", "state", "repository", "profile", "shards_total", "bytes_new", "started_at", "ended_at"),
}

site = admin.AdminSite(name="admin")
for model, columns in COLUMNS.items():
    # The columns of our page, newest first, 50 a page; all else as it comes.
    options = {"list_display": columns, "list_per_page": 50, "ordering": ("-pk",), "list_select_related": True}
    site.register(model, type(f"{model.__name__}Admin", (admin.ModelAdmin,), options))

urlpatterns = [path("admin/", site.urls), path("", include("cybersift_backup_site.urls"))]
