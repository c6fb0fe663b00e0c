"""Addresses of the audit log, under /audit/."""

from django.urls import path

from . import views

app_name = "evidence"

urlpatterns = [
    path("", views.entries, name="list"),
    path("<int:seq>/", views.entry, name="entry"),
    path("export.csv", views.export_csv, name="export_csv"),
    path("export.jsonl", views.export_json_lines, name="export_json_lines"),
]
