from django.urls import path

from . import views

app_name = "retention"

urlpatterns = [
    path("", views.overview, name="overview"),
    path("holds/<int:pk>/release/", views.release, name="release"),
    path("snapshots/<int:pk>/", views.copy, {"what": "snapshot"}, name="snapshot"),
    path("snapshots/<int:pk>/hold/", views.hold, {"what": "snapshot"}, name="snapshot_hold"),
    path("snapshots/<int:pk>/delete/", views.delete, {"what": "snapshot"}, name="snapshot_delete"),
    path("snapshots/<int:pk>/ask/", views.ask, {"what": "snapshot"}, name="snapshot_ask"),
    path("archives/<int:pk>/", views.copy, {"what": "archive"}, name="archive"),
    path("archives/<int:pk>/hold/", views.hold, {"what": "archive"}, name="archive_hold"),
    path("archives/<int:pk>/delete/", views.delete, {"what": "archive"}, name="archive_delete"),
    path("archives/<int:pk>/ask/", views.ask, {"what": "archive"}, name="archive_ask"),
]
