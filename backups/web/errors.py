"""Error pages: what happened, what to do, and a reference that the log has too.

Pages for 400, 500 and 503 are drawn without the request, so that they need neither a session nor the database.
"""

import secrets
import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from backups.access import Denied, roles_for
from backups.access.models import User
from backups.access.roles import ADMINISTRATOR
from backups.accounts.services import record_denied

NO_DATABASE = (OperationalError, InterfaceError)


def bad_request(request, exception=None):
    return bare(request, 400)


def forbidden(request, exception=None):
    """403, with the roles that would do and the people who can give them; an entry in the log."""
    act = exception.act if isinstance(exception, Denied) else ""
    if request.user.is_authenticated:
        record_denied(request.user, act or "pages.read", request.path)
    administrators = User.objects.filter(is_active=True, groups__name=ADMINISTRATOR).order_by("name")
    context = {
        "message": getattr(exception, "message", ""),
        "roles": roles_for(act) if act else [],
        "administrators": administrators,
    }
    return render(request, "403.html", context, status=403)


def not_found(request, exception=None):
    return render(request, "404.html", status=404)


def server_error(request):
    """500; 503 when the database is what does not answer."""
    return bare(request, 503 if isinstance(sys.exception(), NO_DATABASE) else 500)


def bare(request, status: int) -> HttpResponse:
    request.reference = getattr(request, "reference", None) or secrets.token_hex(4)
    context = {"reference": request.reference}
    try:
        text = render_to_string(f"{status}.html", context)
    except ValueError:  # the static files were never collected: even then say what is known
        text = render_to_string("ui/bare.txt", context)
        return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")
    return HttpResponse(text, status=status)
