"""Addresses of the repository pages."""

from django.urls import path

from . import views

app_name = "repositories"

urlpatterns = [
    path("", views.repository_list, name="list"),
    path("register/", views.register, name="register"),
    path("check/", views.check, name="check"),
    path("<int:pk>/", views.detail, name="detail"),
    path("<int:pk>/verify/", views.verify, name="verify"),
]
