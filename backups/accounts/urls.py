"""Addresses of sign-in, one's own account, and people."""

from django.urls import path

from . import people, views

app_name = "accounts"

urlpatterns = [
    path("sign-in/", views.sign_in, name="sign_in"),
    path("sign-out/", views.sign_out, name="sign_out"),
    path("step-up/", views.step_up, name="step_up"),
    path("account/", views.profile, name="profile"),
    path("account/password/", views.change_password, name="password"),
    path("account/theme/", views.theme, name="theme"),
    path("people/", people.people, name="people"),
    path("people/add/", people.person_add, name="person_add"),
    path("people/<int:pk>/", people.person, name="person"),
    path("people/<int:pk>/roles/", people.roles, name="roles"),
    path("people/<int:pk>/email/", people.email, name="email"),
    path("people/<int:pk>/one-time-password/", people.one_time_password, name="one_time_password"),
    path("people/<int:pk>/deactivate/", people.deactivate, name="deactivate"),
    path("people/<int:pk>/reactivate/", people.reactivate, name="reactivate"),
]
