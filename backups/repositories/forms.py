"""Forms of repositories: shape only."""

import uuid

from django import forms

from backups.clusters.models import Cluster
from backups.listing import Filters

from . import paths
from .models import RepositoryState


class RegisterForm(forms.Form):
    """A repository of type ``fs``: a folder that every node sees."""

    cluster = forms.ModelChoiceField(Cluster.objects.none(), label="Cluster", empty_label=None)
    name = forms.CharField(
        label="Name",
        max_length=200,
        widget=forms.TextInput({"class": "mono", "autocapitalize": "none", "spellcheck": "false"}),
        help_text="Lower-case letters, digits, dot, hyphen and underscore. It cannot be changed later.",
    )
    location = forms.CharField(
        label="Location",
        max_length=1000,
        widget=forms.TextInput({"class": "mono", "autocapitalize": "none", "spellcheck": "false"}),
        help_text="A folder below path.repo of the nodes: absolute, or relative to its first entry.",
    )
    compress = forms.BooleanField(
        label="Compress index metadata",
        required=False,
        initial=True,
        help_text="Mappings and settings. Documents are compressed already.",
    )
    form_key = forms.CharField(widget=forms.HiddenInput, max_length=64)

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["cluster"].queryset = Cluster.objects.prefetch_related("credentials")
        self.fields["location"].help_text += self._allowed()

    @staticmethod
    def _allowed() -> str:
        """What is known of path.repo, as it was when each cluster was last looked at."""
        clusters = Cluster.objects.only("name", "nodes")
        allowed = [(cluster.name, paths.allowed_everywhere(cluster.nodes)) for cluster in clusters]
        known = [f"{name}: {', '.join(folders)}" for name, folders in allowed if folders]
        return f" Allowed on {'; '.join(known)}." if known else ""


class RepositoryFilters(Filters):
    """The filter above the list."""

    q = forms.CharField(label="Find by name", max_length=128)
    cluster = forms.ModelChoiceField(Cluster.objects.all(), label="Cluster", empty_label="Any cluster")
    state = forms.ChoiceField(label="State", choices=[("", "Any state"), *RepositoryState.choices])


def new_form_key() -> str:
    """Names one opening of a form, so that sending it twice registers once."""
    return uuid.uuid4().hex
