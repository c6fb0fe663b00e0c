"""Pages of recipients."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from backups.access import role_required, step_up_required
from backups.listing import paginate

from ..models import ArchiveRecipient
from . import services
from .forms import RecipientForm, WordsForm


@require_GET
@role_required("pages.read")
def recipients(request):
    page = paginate(request, ArchiveRecipient.objects.select_related("proven_by").prefetch_related("profiles"))
    return render(request, "backups/archives/recipient_list.html", {"page": page})


@require_GET
@role_required("pages.read")
def recipient(request, pk: int):
    return _page(request, _recipient(pk), WordsForm())


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(services.RIGHT)
@step_up_required
def add(request):
    form = RecipientForm(request.POST or None)
    if form.is_valid():
        try:
            added = services.add_recipient(actor=request.user, **form.cleaned_data)
        except services.ArchiveRefused as error:
            form.add_error(error.field, str(error))
        else:
            messages.success(request, f"{added} is added. Prove now that the secret key is at hand.")
            return redirect(added)
    context = {"form": form}
    return render(request, "backups/archives/recipient_form.html", context, status=422 if form.is_bound else 200)


@require_POST
@role_required(services.RIGHT)
def probe(request, pk: int):
    """The probe as a file; its words are kept as a hash."""
    row = _recipient(pk)
    response = HttpResponse(services.new_probe(row, actor=request.user), content_type="application/octet-stream")
    response["Content-Disposition"] = 'attachment; filename="probe.age"'
    response["Cache-Control"] = "no-store"
    return response


@require_POST
@role_required(services.RIGHT)
def prove(request, pk: int):
    row, form = _recipient(pk), WordsForm(request.POST)
    if form.is_valid():
        try:
            services.prove(row, actor=request.user, typed=form.cleaned_data["words"])
        except services.ArchiveRefused as error:
            form.add_error(error.field, str(error))
        else:
            messages.success(request, f"{row} can open archives: you proved it.")
            return redirect(row)
    return _page(request, row, form, status=422)


@require_POST
@role_required(services.RIGHT)
@step_up_required
def remove(request, pk: int):
    row = _recipient(pk)
    try:
        services.remove_recipient(row, actor=request.user, typed_name=request.POST.get("typed_name", ""))
    except services.ArchiveRefused as error:
        messages.error(request, str(error))
        return redirect(row)
    messages.success(request, f"{row} is removed. Archives that exist can still be opened with its key.")
    return redirect("archives:recipients")


def _recipient(pk: int) -> ArchiveRecipient:
    return get_object_or_404(ArchiveRecipient.objects.select_related("proven_by"), pk=pk)


def _page(request, row: ArchiveRecipient, form: WordsForm, status: int = 200):
    context = {"recipient": row, "form": form, "profiles": row.profiles.all()}
    return render(request, "backups/archives/recipient.html", context, status=status)
