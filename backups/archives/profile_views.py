"""Pages of profiles."""

from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from backups.access import role_required
from backups.listing import paginate

from .models import ArchiveProfile


@require_GET
@role_required("pages.read")
def profiles(request):
    return render(
        request, "backups/archives/profile_list.html", {"page": paginate(request, ArchiveProfile.objects.all())}
    )


@require_GET
@role_required("pages.read")
def profile(request, pk):
    return render(request, "backups/archives/profile.html", {"profile": get_object_or_404(ArchiveProfile, pk=pk)})
