"""Pages of retention: what is kept, and by what; holds and deletion of one copy."""

from django.conf import settings
from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from backups.access import role_required, step_up_required
from backups.archives.models import Archive
from backups.snapshots.models import Snapshot

from . import forms
from . import overview as rows
from .asking import RISK, ask_delete, open_request
from .copies import Copy, RetentionError, bytes_of, deletions, is_last_good, kind_of, place_of, why_not_deletable
from .deleting import AlreadySent, queue_delete
from .holds import holds_on, place_hold, release_hold, why_not_holdable
from .models import Hold

RELATED = {
    Snapshot: ("repository__cluster", "profile", "run"),
    Archive: ("location", "profile", "made_by__run"),
}
LATEST = 5


@require_GET
@role_required("pages.read")
def overview(request):
    context = {"holds": rows.holds_in_force(), "derived": rows.derived_holds(), "copies": rows.kept_copies()}
    return render(request, "backups/retention/overview.html", context | {"most": rows.MOST})


@require_GET
@role_required("pages.read")
def copy(request, pk, what):
    found = _copy(what, pk)
    context = _about(found) | {"runs": deletions(found)[:LATEST], "why_not_hold": why_not_holdable(found)}
    return render(request, "backups/retention/copy.html", context)


@require_http_methods(["GET", "POST"])
@role_required("hold.place")
def hold(request, pk, what):
    found, form = _copy(what, pk), forms.HoldForm(request.POST or None)
    if form.is_valid() and _done(form, place_hold, actor=request.user, copy=found, **form.cleaned_data):
        messages.success(request, f"{found} is held.")
        return redirect(rows.url_of(found))
    context = _about(found) | {"form": form, "why_not_hold": why_not_holdable(found)}
    return render(request, "backups/retention/hold.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "POST"])
@role_required("hold.release")
@step_up_required
def release(request, pk):
    related = ("snapshot__repository__cluster", "archive__location", "placed_by")
    found = get_object_or_404(Hold.objects.select_related(*related), pk=pk)
    held, form = found.snapshot or found.archive, forms.ReasonForm(request.POST or None)
    if form.is_valid() and _done(form, release_hold, hold=found, actor=request.user, **form.cleaned_data):
        messages.success(request, f"The hold on {held} was released.")
        return redirect(rows.url_of(held))
    context = {"hold": found, "copy": held, "url": rows.url_of(held), "form": form}
    return render(request, "backups/retention/release.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "POST"])
@role_required("copy.delete")
@step_up_required
def delete(request, pk, what):
    return _ask_or_delete(request, _copy(what, pk), forms.DeleteForm, queue_delete, "backups/retention/delete.html")


@require_http_methods(["GET", "POST"])
@role_required("copy.ask_delete")
def ask(request, pk, what):
    return _ask_or_delete(request, _copy(what, pk), forms.AskForm, ask_delete, "backups/retention/ask.html")


def _ask_or_delete(request, found: Copy, shape, verb, template: str):
    about = _about(found)
    form = shape(request.POST or None, last_good=about["last_good"])
    if form.is_valid() and (made := _done(form, verb, actor=request.user, copy=found, **form.cleaned_data)):
        return redirect(made)
    return render(request, template, about | {"form": form}, status=422 if form.is_bound else 200)


def _done(form, verb, **arguments):
    """What came of it, or True for nothing in particular; None with the reason in the form."""
    try:
        return verb(**arguments) or True
    except AlreadySent as error:
        return error.run
    except RetentionError as error:
        form.add_error(error.field if error.field in form.fields else None, str(error))
        return None


def _about(found: Copy) -> dict:
    """What each page about one copy shows."""
    return {
        "copy": found,
        "kind": kind_of(found),
        "url": rows.url_of(found),
        "place": place_of(found),
        "bytes": bytes_of(found),
        "held": holds_on(found),
        "last_good": is_last_good(found),
        "why_not": why_not_deletable(found),
        "asked": open_request(found),
        "needed": settings.APPROVALS_NEEDED[RISK],
    }


def _copy(what: str, pk: int) -> Copy:
    model = rows.MODELS.get(what)
    if model is None:
        raise Http404
    return get_object_or_404(model.objects.select_related(*RELATED[model]), pk=pk)
