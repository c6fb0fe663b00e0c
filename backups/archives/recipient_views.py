"""Pages of recipients."""

from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from backups.access import role_required
from backups.listing import paginate

from .models import ArchiveRecipient


@require_GET
@role_required("pages.read")
def recipients(request):
    return render(
        request, "backups/archives/recipient_list.html", {"page": paginate(request, ArchiveRecipient.objects.all())}
    )


@require_GET
@role_required("pages.read")
def recipient(request, pk):
    return render(
        request, "backups/archives/recipient.html", {"recipient": get_object_or_404(ArchiveRecipient, pk=pk)}
    )
