"""Pages of locations."""

from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from backups.access import role_required
from backups.listing import paginate

from .models import ArchiveLocation


@require_GET
@role_required("pages.read")
def locations(request):
    return render(
        request, "backups/archives/location_list.html", {"page": paginate(request, ArchiveLocation.objects.all())}
    )


@require_GET
@role_required("pages.read")
def location(request, pk):
    return render(request, "backups/archives/location.html", {"location": get_object_or_404(ArchiveLocation, pk=pk)})
