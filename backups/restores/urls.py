from django.urls import path

from . import views
from .archives import views as archives

app_name = "restores"

urlpatterns = [
    path("", views.restore_list, name="list"),
    path("snapshot/<int:pk>/", views.new, name="new"),
    path("archive/<int:pk>/", archives.new, name="new_archive"),
    path("planning/<int:pk>/", archives.planning, name="planning"),
    path("checking/<int:pk>/", views.checking, name="checking"),
    path("plans/<int:pk>/", views.plan, name="plan"),
    path("plans/<int:pk>/json/", views.plan_json, name="plan_json"),
    path("plans/<int:pk>/ask/", views.ask, name="ask"),
    path("plans/<int:pk>/break-glass/", views.break_glass, name="break_glass"),
    path("plans/<int:pk>/compare/", views.compare, name="compare"),
    path("plans/<int:pk>/again/", views.again, name="again"),
    path("plans/<int:pk>/clear-locks/", views.clear_locks, name="clear_locks"),
    path("plans/<int:pk>/undo/", views.undo, name="undo"),
]
