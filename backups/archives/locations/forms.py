"""The form of a location: shape only."""

from django import forms

from ..models import ArchiveLocation
from .facts import workers


class LocationForm(forms.Form):
    """``location`` is the one to be changed, or None for a new one. ``seen`` says which state of it was shown."""

    name = forms.CharField(label="Name", max_length=60, help_text="How people call it here, like Archive share.")
    host = forms.ChoiceField(
        label="Host",
        help_text="Its worker writes and reads the archives. Profiles that go there read the files of this host.",
    )
    path = forms.CharField(
        label="Directory",
        max_length=1000,
        help_text="From the root on, like /srv/archives. It has to be there, and the worker has to be able to write.",
        widget=forms.TextInput({"class": "mono", "spellcheck": "false", "autocapitalize": "none"}),
    )
    seen = forms.CharField(widget=forms.HiddenInput, required=False, max_length=64)

    def __init__(self, *args, location: ArchiveLocation | None = None, **kwargs) -> None:
        present = {name: getattr(location, name) for name in ("name", "host", "path")} if location else {}
        digest = {"seen": location.digest} if location else {}
        super().__init__(*args, initial=present | digest, **kwargs)
        hosts = [(worker.host, worker.words) for worker in workers()]
        if location and location.host not in dict(hosts):
            hosts.append((location.host, location.host))
        self.fields["host"].choices = hosts
