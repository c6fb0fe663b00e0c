"""Pages of clusters."""

from django.contrib import messages
from django.db.models import Count, Q
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from backups.access import may, role_required, step_up_required
from backups.runs.check_views import check_context, check_fragment, latest_check
from backups.runs.models import Run

from . import services
from .forms import ClusterForm
from .models import Cluster
from .rights import abilities


@require_GET
@role_required("pages.read")
def cluster_list(request):
    registered = Count("repositories", filter=Q(repositories__state="registered"))
    clusters = Cluster.objects.prefetch_related("credentials").annotate(repository_count=registered)
    silent = [cluster for cluster in clusters if cluster.state == "bad"]
    context = {"clusters": clusters, "silent": silent, "may_manage": may(request.user, "cluster.manage")}
    return render(request, "backups/clusters/list.html", context)


@require_GET
@role_required("pages.read")
def detail(request, pk: int):
    cluster = _cluster(pk)
    context = {
        "cluster": cluster,
        "abilities": abilities(cluster),
        "may_manage": may(request.user, "cluster.manage"),
        "raw": may(request.user, "raw.read"),
    }
    check = check_context(request.user, _check(request, cluster))
    return render(request, "backups/clusters/detail.html", context | check)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("cluster.manage")
@step_up_required
def add(request):
    form = ClusterForm(request.POST or None)
    if cluster := _saved(request, form):
        return redirect(cluster)
    return _form_page(request, form)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("cluster.manage")
@step_up_required
def edit(request, pk: int):
    cluster = _cluster(pk)
    form = ClusterForm(request.POST or None, cluster=cluster)
    if saved := _saved(request, form, cluster):
        return redirect(saved)
    return _form_page(request, form, cluster)


@require_POST
@role_required("cluster.manage")
def test_connection(request, pk: int):
    cluster = _cluster(pk)
    run = services.request_test(cluster, actor=request.user)
    return check_fragment(request, run) if "HX-Request" in request.headers else redirect(cluster)


def _check(request, cluster: Cluster) -> Run | None:
    """The latest test; not one that was good before contact was lost."""
    check = latest_check(request.user, services.form_of(cluster))
    lost = check and check.is_over and cluster.failing_since and check.ended_at < cluster.failing_since
    return None if lost else check


def _cluster(pk: int) -> Cluster:
    return get_object_or_404(Cluster.objects.prefetch_related("credentials"), pk=pk)


def _saved(request, form: ClusterForm, cluster: Cluster | None = None) -> Cluster | None:
    """The saved cluster, or None with the reasons in the form."""
    if not form.is_valid():
        return None
    try:
        saved = services.save_cluster(**form.values, cluster=cluster, actor=request.user)
    except services.AlreadyThere as error:
        messages.info(request, "This cluster was there already; nothing was added.")
        return error.cluster
    except services.ClusterError as error:
        form.add_error(error.field, str(error))
        return None
    messages.success(request, f"{saved} is saved. Its credentials are tested now.")
    return saved


def _form_page(request, form: ClusterForm, cluster: Cluster | None = None):
    context = {"form": form, "cluster": cluster}
    return render(request, "backups/clusters/form.html", context, status=422 if form.is_bound else 200)
