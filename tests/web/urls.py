"""The product's URLs, and beside them views that go wrong on purpose."""

import logging

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import OperationalError
from django.http import HttpResponse
from django.template import engines
from django.urls import include, path

from backups.access import Denied, role_required

PAGE = '{% extends "base.html" %}{% block title %}Page{% endblock %}{% block content %}<h1>Page</h1>{% endblock %}'


def page(request):
    return HttpResponse(engines["django"].from_string(PAGE).render({}, request))


@login_not_required
def public(request):
    return HttpResponse("open to all", content_type="text/plain")


def fragment(request):
    return HttpResponse("<p>still running</p>")


@role_required("person.manage")
def for_administrators(request):
    return HttpResponse("administrators only")


def denied(request):
    raise Denied("snapshot.start", "You started this one yourself.")


def refused(request):
    raise PermissionDenied


def suspicious(request):
    raise SuspiciousOperation("forged")


def broken(request):
    raise RuntimeError("it broke with password=hunter2")


@login_not_required
def no_database(request):
    raise OperationalError("database is locked")


def logs(request):
    logging.getLogger("backups.test").info("looked at %s", request.GET.get("what", ""), extra={"run": 7, "body": "x"})
    return HttpResponse("logged")


views = (page, public, fragment, for_administrators, denied, refused, suspicious, broken, no_database, logs)
trouble = [path(f"{view.__name__}/", view, name=view.__name__) for view in views]
urlpatterns = [path("trouble/", include((trouble, "trouble"))), path("", include("backups.urls"))]

handler400 = "backups.web.errors.bad_request"
handler403 = "backups.web.errors.forbidden"
handler404 = "backups.web.errors.not_found"
handler500 = "backups.web.errors.server_error"
