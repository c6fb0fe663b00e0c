"""Pages of profiles: the list, one of them, and the form with its previews."""

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from backups.access import role_required
from backups.listing import key, paginate
from backups.runs.check_views import check_context, check_fragment

from ..models import ArchiveLocation, ArchiveProfile, Codec
from ..services import ArchiveRefused
from . import runs, services
from .forms import ProfileForm, SourceForm, number_of, raw_rows
from .summary import Summary, summary

# What of the form is looked at before anything is saved: the buttons that draw it anew.
ANEW = ("add", "remove", "count", "redraw")


@require_GET
@role_required("pages.read")
def profiles_list(request):
    rows = runs.with_lane_from(_profiles().prefetch_related("redis"))
    page = paginate(request, rows)
    runs.give_runs(page.rows)
    places = ArchiveLocation.objects.exists()
    return render(request, "backups/archives/profile_list.html", {"page": page, "places": places})


@require_GET
@role_required("pages.read")
def profile(request, pk):
    found = get_object_or_404(runs.with_lane_from(_profiles()), pk=pk)
    runs.give_runs([found])
    recent = found.archives.select_related("made_by__run", "location")[:10]
    return render(request, "backups/archives/profile.html", {"profile": found, "archives": recent})


@require_http_methods(["GET", "POST"])
@role_required("profile.manage")
def profile_add(request):
    return _form(request, ArchiveProfile())


@require_http_methods(["GET", "POST"])
@role_required("profile.manage")
def profile_change(request, pk):
    return _form(request, get_object_or_404(_profiles(), pk=pk))


@require_POST
@role_required("profile.manage")
def profile_preview(request, number):
    """Ask the worker what folder ``number`` of the form holds; answers with the fragment that polls for it."""
    location, folder = _place(request.POST), SourceForm(request.POST, number=number)
    source = folder.source()
    if location is None or source is None:
        context = {"folder": folder, "location": location}
        return render(request, "backups/archives/_source_empty.html", context)
    return check_fragment(request, _count(request, location, source, number))


@require_POST
@role_required("profile.manage")
def profile_sum(request):
    """What an archive would hold, as far as the previews tell."""
    profile = ArchiveProfile.objects.filter(pk=key(request.POST.get("profile"))).first() or ArchiveProfile()
    form = ProfileForm.anew(request.POST, instance=profile, rows=raw_rows(request.POST))
    return render(request, "backups/archives/_profile_sum.html", _summed(request, form, _sent(request.POST)))


def _form(request, profile):
    adding = profile.pk is None
    now = "" if adding else profile.digest
    if request.method == "POST" and (asked := next((name for name in ANEW if name in request.POST), "")):
        return _anew(request, profile, asked)
    form = ProfileForm(request.POST or None, instance=profile, initial={"seen": now}, rows=_first(profile))
    if request.method == "POST" and form.is_valid() and _saved(request, form):
        messages.success(request, f"Profile {form.instance} {'added' if adding else 'changed'}.")
        if unknown := services.not_looked_at(request.user, form.instance):
            words = f"Nobody has looked into {', '.join(unknown)} yet: what matches nothing makes an archive fail."
            messages.warning(request, words)
        return redirect(form.instance)
    found = _sent(request.POST) if form.is_bound else profile.sources or [None] * len(form.folders)
    # What was sent stays what was seen: saving a second time must not slip over somebody else's change.
    seen = request.POST.get("seen", "") if form.is_bound else now
    return _page(request, form, found, seen, status=422 if form.is_bound else 200)


def _saved(request, form) -> bool:
    """Whether it is kept; otherwise the reason stands in the form."""
    chosen = {name: form.cleaned_data[name] for name in ("redis", "recipients", "seen")}
    try:
        services.save_profile(actor=request.user, profile=form.instance, **chosen)
    except services.SourcesRefused as error:
        form.mark(error.problems)
    except ArchiveRefused as error:
        form.add_error(error.field if error.field in form.fields else None, str(error))
    else:
        return True
    return False


def _anew(request, profile, asked: str):
    """The form with one folder more or less, or with folders counted again; nothing is saved."""
    rows, found = raw_rows(request.POST), _sent(request.POST)
    if asked == "add":
        rows, found = [*rows, {}], [*found, None]
    elif asked == "remove" and (number := key(request.POST["remove"])) is not None and number < len(rows):
        del rows[number], found[number]
    form = ProfileForm.anew(request.POST, instance=profile, rows=rows)
    if asked == "count" and form.place:
        for number, source in enumerate(found):
            if source:
                _count(request, form.place, source, number)
    return _page(request, form, found, request.POST.get("seen", ""))


def _page(request, form, found, seen: str, status: int = 200):
    """The page, or for htmx the part with folders and servers. ``found`` are the folders that are right so far."""
    part = bool(request.headers.get("HX-Request"))
    context = {"form": form, "seen": seen, "adding": form.instance.pk is None, "part": part}
    context |= _summed(request, form, found)
    template = "_profile_parts.html" if part else "profile_form.html"
    return render(request, f"backups/archives/{template}", context, status=status)


def _summed(request, form, found) -> dict:
    """The folders of the form with their previews, and the sum of them."""
    right = [source for source in found if source]
    seen = iter(services.previews(request.user, form.place, right))
    runs = [next(seen) if source else None for source in found]
    folders = [
        {"form": folder} | check_context(request.user, run) for folder, run in zip(form.folders, runs, strict=True)
    ]
    pairs = [(source, run) for source, run in zip(found, runs, strict=True) if source]
    return {"folders": folders, "sum": _sum(form, pairs)}


def _sum(form, pairs) -> Summary | None:
    if form.place is None:
        return None
    template, codec = form["name_template"].value() or "", form["codec"].value()
    codec = codec if codec in Codec.values else Codec.GZIP
    profile = ArchiveProfile(pk=form.instance.pk, location=form.place, name_template=template, codec=codec)
    servers = [server for server, chosen in form.servers() if chosen]
    return summary(profile, pairs, servers, encrypted=any(chosen for _, chosen in form.readers()))


def _sent(data) -> list[dict | None]:
    """The folders that were sent, as far as each is one."""
    return [SourceForm(data, number=number).source() for number in range(number_of(data))]


def _count(request, location, source: dict, number: int):
    """One preview for each person, profile and folder: a newer one takes its place."""
    form = f"{services.PREVIEW}:{key(request.POST.get('profile')) or 0}:{number}"
    return services.queue_preview(actor=request.user, location=location, source=source, form=form)


def _first(profile) -> list[dict] | None:
    """A new profile begins with one empty folder."""
    return [{}] if profile.pk is None else None


def _place(data) -> ArchiveLocation | None:
    return ArchiveLocation.objects.filter(pk=key(data.get("location"))).first()


def _profiles():
    return ArchiveProfile.objects.select_related("location")
