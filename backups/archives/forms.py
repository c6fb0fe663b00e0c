"""Forms of archives: shape only."""

import uuid

from django import forms

from backups.listing import Filters

from .models import ArchiveLocation, ArchiveProfile, ArchiveState


class StartForm(forms.Form):
    """What a person decides at the start of an archive of a profile."""

    name = forms.CharField(
        label="Name", max_length=200, help_text="Without its ending. Free when this page was made."
    )
    reason = forms.CharField(label="Reason", required=False, max_length=500)
    form_key = forms.CharField(widget=forms.HiddenInput, max_length=64)
    seen = forms.CharField(widget=forms.HiddenInput, required=False, max_length=64)


class ArchiveFilters(Filters):
    """The filter above the list."""

    q = forms.CharField(label="Find by name", max_length=128)
    state = forms.ChoiceField(label="State", choices=[("", "Any state"), *ArchiveState.choices])
    profile = forms.ModelChoiceField(ArchiveProfile.objects.all(), label="Profile", empty_label="Any profile")
    location = forms.ModelChoiceField(ArchiveLocation.objects.all(), label="Location", empty_label="Any location")


def new_form_key() -> str:
    """Names one opening of a form, so that sending it twice starts one archive."""
    return uuid.uuid4().hex


class ContentsForm(forms.Form):
    """Which page of what is in an archive. ``open`` is the directory that was clicked; it ends a search."""

    open = forms.IntegerField(required=False, min_value=0)
    directory = forms.IntegerField(required=False, min_value=0)
    q = forms.CharField(required=False, max_length=200)
    show = forms.ChoiceField(required=False, choices=[("all", "All"), ("changed", "Changed"), ("skipped", "Skipped")])
    after = forms.IntegerField(required=False, min_value=0)

    def page(self) -> dict:
        """What to ask the worker for."""
        asked = self.cleaned_data
        if asked["open"] is not None:
            return {"directory": asked["open"]}
        page = {name: asked[name] or 0 for name in ("directory", "after")}
        return page | {"q": asked["q"], "show": asked["show"]}


class TakeOutForm(forms.Form):
    """One file: its number in the index, and its name as it was shown."""

    number = forms.IntegerField(min_value=1)
    path = forms.CharField(max_length=4000)
