"""Gates in front of views: rights, and a password given a short while ago."""

import time
from functools import wraps

from django.conf import settings
from django.http import HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode

from .denied import Denied
from .roles import may

STEPPED_UP_AT = "stepped_up_at"
OWN_ACCOUNT = "own account"


def role_required(act: str):
    """Let the view run only for people whose roles allow ``act``; raises Denied otherwise."""

    def decorate(view):
        @wraps(view)
        def gate(request, *args, **kwargs):
            if not may(request.user, act):
                raise Denied(act)
            return view(request, *args, **kwargs)

        gate.act = act
        return gate

    return decorate


def own_account(view):
    """Open to everybody who is signed in, with any role or none: it is about their own account only."""
    view.act = OWN_ACCOUNT
    return view


def stepped_up(request) -> bool:
    """Whether this session has shown the password within STEP_UP_SECONDS."""
    given_at = request.session.get(STEPPED_UP_AT, 0)
    return 0 <= time.time() - given_at < settings.STEP_UP_SECONDS


def remember_step_up(request) -> None:
    """Called by the sign-in and the step-up page after the password was right."""
    request.session[STEPPED_UP_AT] = time.time()


def step_up_required(view):
    """Send the person to the step-up page when the password was not given lately.

    The form's input is not replayed afterwards: the person comes back to the page and looks at it again.
    """

    @wraps(view)
    def gate(request, *args, **kwargs):
        if stepped_up(request):
            return view(request, *args, **kwargs)
        query = urlencode({"next": request.get_full_path() if request.method == "GET" else request.path})
        return HttpResponseRedirect(f"{reverse('accounts:step_up')}?{query}")

    return gate
