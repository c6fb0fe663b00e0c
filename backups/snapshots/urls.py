from django.urls import path

from . import views

app_name = "snapshots"

urlpatterns = [
    path("", views.snapshot_list, name="list"),
    path("start/", views.start, name="start"),
    path("preview/", views.preview, name="preview"),
    path("profiles/", views.profiles, name="profiles"),
    path("profiles/add/", views.profile_add, name="profile_add"),
    path("profiles/<int:pk>/", views.profile, name="profile"),
    path("profiles/<int:pk>/change/", views.profile_change, name="profile_change"),
    path("<int:pk>/", views.detail, name="detail"),
    path("<int:pk>/live/", views.live, name="live"),
]
