"""Forms of snapshots and profiles: shape only."""

import uuid

from django import forms

from backups.clusters.models import Cluster
from backups.listing import Filters
from backups.repositories.models import Repository

from .models import SnapshotProfile, SnapshotState


class PatternsField(forms.CharField):
    """Patterns, separated by commas, spaces or lines; as a list."""

    widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false"})

    def prepare_value(self, value):
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value) -> list[str]:
        return value if isinstance(value, list) else (value or "").replace(",", " ").split()


class RepositoryField(forms.ModelChoiceField):
    """One registered repository."""

    def __init__(self, **kwargs) -> None:
        super().__init__(Repository.objects.none(), empty_label=None, **kwargs)


def registered():
    """Repositories that a snapshot can go to."""
    return Repository.objects.targets().select_related("cluster")


NAME_HELP = (
    "Lower case, digits, dot, hyphen, underscore. Date math like <snapshot-{now/d}> is resolved before it is sent."
)
PATTERNS_HELP = "One a line; * stands for any characters, a leading - takes away. Closed indices are included."
GLOBAL_HELP = "Persistent settings and templates of the cluster. A restore can bring them back over newer ones."
PARTIAL_HELP = "Without this, the cluster refuses when a shard has no copy. With it, such shards are left out."


class StartForm(forms.Form):
    """What a person decides at the start of a snapshot of a profile."""

    name = forms.CharField(label="Name", max_length=200, help_text="Free in this repository when this page was made.")
    reason = forms.CharField(label="Reason", required=False, max_length=500)
    form_key = forms.CharField(widget=forms.HiddenInput, max_length=64)
    seen = forms.CharField(widget=forms.HiddenInput, required=False, max_length=64)


class FreeStartForm(StartForm):
    """The same without a profile: everything is decided here."""

    repository = RepositoryField(label="Repository")
    patterns = PatternsField(label="Indices", help_text=PATTERNS_HELP)
    global_state = forms.BooleanField(label="Include the global state", required=False, help_text=GLOBAL_HELP)
    partial = forms.BooleanField(label="Allow a partial snapshot", required=False, help_text=PARTIAL_HELP)
    field_order = ("repository", "patterns", "name", "global_state", "partial", "reason")

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["repository"].queryset = registered()
        self.fields["name"].help_text = NAME_HELP


class ProfileForm(forms.ModelForm):
    """A profile. ``seen`` is the digest that the form was made from."""

    repository = RepositoryField(label="Repository", help_text="Where its snapshots go.")
    patterns = PatternsField(label="Indices", help_text=PATTERNS_HELP)
    seen = forms.CharField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = SnapshotProfile
        fields = ("name", "repository", "patterns", "name_template", "time_field", "global_state", "partial")
        labels = {
            "name_template": "Name of the snapshots",
            "global_state": "Include the global state",
            "partial": "Allow partial snapshots",
            "time_field": "Time field",
        }
        help_texts = {
            "name_template": NAME_HELP,
            "global_state": GLOBAL_HELP,
            "partial": PARTIAL_HELP,
            "time_field": "The field with the time of an event. A later restore uses it to say what would be lost.",
        }

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        # Its own stays chosen whatever became of it: a page that is saved must not change it unasked.
        self.fields["repository"].queryset = registered() | Repository.objects.filter(pk=self.instance.repository_id)

    def clean(self) -> dict:
        """The cluster follows from the repository."""
        cleaned = super().clean()
        if cleaned.get("repository"):
            self.instance.cluster = Cluster.objects.get(pk=cleaned["repository"].cluster_id)
        return cleaned


class PreviewForm(forms.Form):
    """What the preview needs of either form."""

    repository = RepositoryField()
    patterns = PatternsField()
    name = forms.CharField(required=False, max_length=200)

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["repository"].queryset = registered()


class SnapshotFilters(Filters):
    """The filter above the list."""

    q = forms.CharField(label="Find by name", max_length=128)
    state = forms.ChoiceField(label="State", choices=[("", "Any state"), *SnapshotState.choices])
    repository = forms.ModelChoiceField(
        Repository.objects.select_related("cluster"), label="Repository", empty_label="Any repository"
    )
    profile = forms.ModelChoiceField(SnapshotProfile.objects.all(), label="Profile", empty_label="Any profile")


def new_form_key() -> str:
    """Names one opening of a form, so that sending it twice starts one snapshot."""
    return uuid.uuid4().hex
