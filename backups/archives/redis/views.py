"""Pages of Redis servers."""

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from backups.access import may, role_required, step_up_required
from backups.listing import paginate
from backups.runs.check_views import check_context, check_fragment, latest_check

from ..models import RedisServer
from . import services
from .forms import RedisForm


@require_GET
@role_required("pages.read")
def servers(request):
    page = paginate(request, RedisServer.objects.prefetch_related("profiles"))
    return render(request, "backups/archives/redis_list.html", {"page": page})


@require_GET
@role_required("pages.read")
def server(request, pk: int):
    row = get_object_or_404(RedisServer, pk=pk)
    context = {"server": row, "profiles": row.profiles.all(), "raw": may(request.user, "raw.read")}
    check = latest_check(request.user, services.form_of(row))
    return render(request, "backups/archives/redis.html", context | check_context(request.user, check))


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(services.RIGHT)
@step_up_required
def add(request):
    form = RedisForm(request.POST or None)
    return _saved(request, form) or _form_page(request, form)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(services.RIGHT)
@step_up_required
def change(request, pk: int):
    row = get_object_or_404(RedisServer, pk=pk)
    form = RedisForm(request.POST or None, server=row)
    return _saved(request, form, row) or _form_page(request, form, row)


@require_POST
@role_required(services.RIGHT)
def test(request, pk: int):
    row = get_object_or_404(RedisServer, pk=pk)
    run = services.request_test(row, actor=request.user)
    return check_fragment(request, run) if "HX-Request" in request.headers else redirect(row)


def _saved(request, form: RedisForm, row: RedisServer | None = None):
    """The way to the saved server, or None with the reasons in the form."""
    if not form.is_valid():
        return None
    try:
        saved = services.save_server(**form.values, server=row, actor=request.user)
    except services.ArchiveRefused as error:
        form.add_error(error.field, str(error))
        return None
    messages.success(request, f"{saved} is saved. It is tested now.")
    return redirect(saved)


def _form_page(request, form: RedisForm, row: RedisServer | None = None):
    context = {"form": form, "server": row}
    return render(request, "backups/archives/redis_form.html", context, status=422 if form.is_bound else 200)
