"""Pages of locations."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from backups.access import may, role_required, step_up_required
from backups.listing import paginate

from ..models import ArchiveLocation, CheckState
from . import facts, services
from .forms import LocationForm


@require_GET
@role_required("pages.read")
def location_list(request):
    page = paginate(request, facts.with_archives(ArchiveLocation.objects.all()))
    return render(request, "backups/archives/location_list.html", {"page": page, "listed": facts.listed(page.rows)})


@require_GET
@role_required("pages.read")
def location(request, pk: int):
    """The page asks for itself (``?v=``) until somebody has looked."""
    row = get_object_or_404(facts.with_archives(ArchiveLocation.objects), pk=pk)
    if "HX-Request" in request.headers and request.GET.get("v") == row.state == CheckState.UNCHECKED:
        return HttpResponse(status=204)
    context = {
        "location": row,
        "worker": facts.worker_of(row),
        "room": facts.room_of(row),
        "archives": facts.archives_in(row)[: facts.LATEST],
        "profiles": row.profiles.all(),
        "raw": may(request.user, "raw.read"),
    }
    return render(request, "backups/archives/location.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(services.RIGHT)
@step_up_required
def add(request):
    form = LocationForm(request.POST or None)
    return _saved(request, form) or _form_page(request, form)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(services.RIGHT)
@step_up_required
def change(request, pk: int):
    row = get_object_or_404(ArchiveLocation, pk=pk)
    form = LocationForm(request.POST or None, location=row)
    return _saved(request, form, row) or _form_page(request, form, row)


def _saved(request, form: LocationForm, row: ArchiveLocation | None = None):
    """The way to the saved location, or None with the reasons in the form."""
    if not form.is_valid():
        return None
    try:
        saved = services.save_location(**form.cleaned_data, location=row, actor=request.user)
    except services.AlreadyThere as error:
        messages.info(request, "This location was there already; nothing was added.")
        return redirect(error.location)
    except services.ArchiveRefused as error:
        form.add_error(error.field, str(error))
        return None
    messages.success(request, f"{saved} is saved. Its worker looks at it now.")
    return redirect(saved)


def _form_page(request, form: LocationForm, row: ArchiveLocation | None = None):
    context = {"form": form, "location": row}
    return render(request, "backups/archives/location_form.html", context, status=422 if form.is_bound else 200)
