"""What happens around every request, from the outside in: headers, origin, age of the session, password to change."""

import hashlib
import secrets
import time
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages import warning
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.urls import reverse
from django.utils.http import urlencode

from backups.audit import act
from backups.audit.origin import origin_context
from backups.templatetags.formats import rounded

from .logs import log_fields

HEADERS = {
    # No nonce and no hash: no page of ours has a script or a style of its own.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class SecurityHeaders:
    """Headers that Django has no setting for. A view may set its own instead."""

    def __init__(self, get_response) -> None:
        self.get_response = get_response

    def __call__(self, request):
        request.reference = secrets.token_hex(4)
        response = self.get_response(request)
        for name, value in HEADERS.items():
            response.setdefault(name, value)
        response["X-Request-ID"] = request.reference
        return response


class Origin:
    """Tells the ledger and the logs where an act comes from."""

    def __init__(self, get_response) -> None:
        self.get_response = get_response

    def __call__(self, request):
        session = request.session.session_key
        request.address = address_of(request)
        origin = origin_context(
            address=request.address,
            session=hashlib.sha256(session.encode()).hexdigest()[:16] if session else "",
            agent=request.headers.get("User-Agent", ""),
            request=request.reference,
        )
        with origin, log_fields(request=request.reference, user=request.user.pk):
            return self.get_response(request)


def address_of(request) -> str:
    """Who is calling. Behind a proxy the last address that it added; earlier ones are the caller's own words."""
    forwarded = request.headers.get("X-Forwarded-For", "") if settings.BEHIND_PROXY else ""
    return forwarded.rsplit(",", 1)[-1].strip() or request.META.get("REMOTE_ADDR", "")


class SessionAge:
    """Ends sessions that are too old or were left alone too long.

    A page that only refreshes itself (``X-Poll``) does not count as use. The time of use is written once in
    a while, not with every request.
    """

    def __init__(self, get_response) -> None:
        self.get_response = get_response

    def __call__(self, request):
        if request.user.is_authenticated:
            self.check(request)
        response = self.get_response(request)
        if response.status_code == 302:
            if "HX-Request" in request.headers:
                return self.leave(request, response)
            if request.method == "POST" and not request.user.is_authenticated and _asks_to_sign_in(response):
                return self.ask_again(request)
        return response

    def check(self, request) -> None:
        now, session = time.time(), request.session
        started = session.setdefault("started_at", now)
        used = session.setdefault("used_at", now)
        if now - started > settings.SESSION_MAX_SECONDS:
            self.end(request, "SESSION_MAX_SECONDS", "{} after you signed in")
        elif now - used > settings.SESSION_IDLE_SECONDS:
            self.end(request, "SESSION_IDLE_SECONDS", "after {} without use")
        elif now - used > settings.SESSION_IDLE_SECONDS / 30 and "X-Poll" not in request.headers:
            session["used_at"] = now

    def end(self, request, limit: str, why: str) -> None:
        person, seconds = request.user, getattr(settings, limit)
        with act(None) as a:
            if request.session.exists(request.session.session_key):  # not ended by a request beside this one
                a.record("session.expired", person, change={"limit": limit, "seconds": seconds})
            request.session.flush()
        request.user = AnonymousUser()
        warning(request, f"Your session ended {why.format(rounded(seconds))}. Sign in again.")

    def ask_again(self, request):
        """A form that was sent too late. It is not kept, since the next person here may be another one; the way
        back leads to the page that it stood on, never to an address that only takes forms."""
        warning(
            request,
            "The form that you sent came after your session ended: it was not saved, and nothing was changed.",
        )
        return HttpResponseRedirect(_sign_in_for(request.headers.get("Referer", "")))

    def leave(self, request, response):
        """A redirect is for the whole page, not for the fragment that asked; after sign-in it comes back."""
        target = response["Location"]
        if not request.user.is_authenticated:
            target = _sign_in_for(request.headers.get("HX-Current-URL", ""))
        return HttpResponse(status=204, headers={"HX-Redirect": target})


def _asks_to_sign_in(response) -> bool:
    return response["Location"].startswith(resolve_url(settings.LOGIN_URL) + "?")


def _sign_in_for(url: str) -> str:
    """The sign-in page, which leads to this address of ours afterwards."""
    return f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': page_of(url)})}"


def page_of(url: str) -> str:
    """Path and query of an address that a browser sent; the dashboard when it makes no sense."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "/"
    if not parts.path.startswith("/") or parts.path.startswith("//"):
        return "/"
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


class PasswordChange:
    """A one-time password opens one page: the one that changes it."""

    OPEN = {"accounts:password", "accounts:sign_out", "accounts:theme"}

    def __init__(self, get_response) -> None:
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_view(self, request, view, args, kwargs):
        must = request.user.is_authenticated and request.user.must_change_password
        if must and request.resolver_match.view_name not in self.OPEN:
            return HttpResponseRedirect(reverse("accounts:password"))
        return None
