"""Everything the console serves lives in backups.urls; errors have pages of their own."""

from django.urls import include, path

urlpatterns = [path("", include("backups.urls"))]

handler400 = "backups.web.errors.bad_request"
handler403 = "backups.web.errors.forbidden"
handler404 = "backups.web.errors.not_found"
handler500 = "backups.web.errors.server_error"
