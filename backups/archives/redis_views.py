"""Pages of servers."""

from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from backups.access import role_required
from backups.listing import paginate

from .models import RedisServer


@require_GET
@role_required("pages.read")
def servers(request):
    return render(request, "backups/archives/redis_list.html", {"page": paginate(request, RedisServer.objects.all())})


@require_GET
@role_required("pages.read")
def server(request, pk):
    return render(request, "backups/archives/redis.html", {"server": get_object_or_404(RedisServer, pk=pk)})
