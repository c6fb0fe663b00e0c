"""The console's addresses, and those of Django's admin with the rows of three lists, twice: as one would set it up in
place of our pages, with their filters and their search, and bare."""

from django.contrib import admin
from django.urls import include, path

from backups.models import AuditEntry, Run, Snapshot

# The columns of our page, its filters, and where it searches.
LISTS = {
    Run: (
        ("subject", "kind", "state", "actor", "error", "reason", "queued_at", "started_at", "ended_at"),
        ("kind", "state", "actor"),
        ("^subject",),
    ),
    AuditEntry: (
        ("at", "actor_name", "action", "object_name", "outcome", "reason"),
        ("actor", "action", "outcome", "at"),
        ("object_name",),
    ),
    Snapshot: (
        ("name", "profile", "state", "repository", "index_count", "shards_failed", "shards_total", "bytes_new")
        + ("started_at", "ended_at"),
        ("state", "repository", "profile"),
        ("^name",),
    ),
}


class Counting(admin.ModelAdmin):
    """Snapshots, with how many indices each holds, as our page counts them."""

    def get_queryset(self, request):
        return super().get_queryset(request).with_index_count()

    def index_count(self, snapshot) -> int:
        return snapshot.index_count


with_filters, bare = admin.AdminSite(name="with-filters"), admin.AdminSite(name="bare")
for model, (columns, filters, search) in LISTS.items():
    # Newest first, 50 a page; all else as it comes.
    options = {"list_display": columns, "list_per_page": 50, "ordering": ("-pk",), "list_select_related": True}
    base = Counting if model is Snapshot else admin.ModelAdmin
    bare.register(model, type(f"Bare{model.__name__}", (base,), options))
    options |= {"list_filter": filters, "search_fields": search}
    with_filters.register(model, type(f"Filtered{model.__name__}", (base,), options))

urlpatterns = [
    path("admin/", with_filters.urls),
    path("bare-admin/", bare.urls),
    path("", include("cybersift_backup_site.urls")),
]
