"""Addresses of the run pages."""

from django.urls import path

from . import check_views, views

app_name = "runs"

urlpatterns = [
    path("", views.run_list, name="list"),
    path("<int:pk>/", views.detail, name="detail"),
    path("<int:pk>/live/", views.live, name="live"),
    path("<int:pk>/log/", views.log, name="log"),
    path("<int:pk>/log.txt", views.log_text, name="log_text"),
    path("<int:pk>/cancel/", views.cancel, name="cancel"),
    path("checks/<int:pk>/", check_views.check, name="check"),
]
