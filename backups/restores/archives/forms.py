"""The form of a restore from an archive: shape only."""

from pathlib import PurePosixPath

from django import forms

from backups.archives.models import Archive, RedisServer
from backups.archives.profiles.forms import PatternsField

from .asked import REDIS_MODES, Database

ONLY_HELP = "Paths in the archive, like models/detector/* or nifi/conf. Empty: all of each folder."
TO_HELP = "A folder that is empty or missing: needs no approval. Empty: everything goes to where it came from."
REMOVE_HELP = "Off: such files stay, and the restore only adds and overwrites. On: they are kept in the safety copy."
HASH_HELP = "Reads all content of what is there now. Off: a file of the same size and time is taken to be the same."
IDENTITY_HELP = "The name of a file with the key, in the directory for keys of the worker's host."
NOT_CHOSEN = ("", "Leave it as it is")


class ArchiveForm(forms.Form):
    """What to bring back from an archive, where to, and how. Each Redis database has a field for what becomes of it
    and one for a pattern of keys."""

    folders = forms.MultipleChoiceField(label="Folders", required=False, widget=forms.CheckboxSelectMultiple)
    only = PatternsField(label="Only these files", help_text=ONLY_HELP)
    to = forms.CharField(label="Another folder", required=False, max_length=1000, help_text=TO_HELP)
    remove = forms.BooleanField(
        label="Remove files that the archive does not have", required=False, help_text=REMOVE_HELP
    )
    by_hash = forms.BooleanField(label="Compare content", required=False, help_text=HASH_HELP)
    identity = forms.CharField(label="Key file", required=False, max_length=255, help_text=IDENTITY_HELP)

    def __init__(self, *args, archive: Archive, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        names = [source["name"] for source in archive.sources]
        self.fields["folders"].choices = [(name, name) for name in names]
        self.fields["folders"].initial = names
        self.fields["to"].widget.attrs |= {"class": "mono", "spellcheck": "false"}
        if not archive.encrypted:
            del self.fields["identity"]
        self.databases = _databases(archive)
        for number, (name, database, keys, server) in enumerate(self.databases):
            label = f"{name}, database {database} ({keys:,} keys), on {server}"
            self.fields[f"redis_{number}"] = forms.ChoiceField(
                label=label, required=False, choices=[NOT_CHOSEN, *REDIS_MODES.items()]
            )
            self.fields[f"pattern_{number}"] = forms.CharField(
                label=f"Only keys of database {database} like", required=False, max_length=200, empty_value=""
            )

    @property
    def redis_fields(self) -> list:
        return [self[name] for name in self.fields if name.startswith(("redis_", "pattern_"))]

    def clean_to(self) -> str:
        text = self.cleaned_data["to"].strip()
        if not text:
            return ""
        if not text.startswith("/") or ".." in PurePosixPath(text).parts or "\0" in text:
            raise forms.ValidationError("Write the folder from the root on, like /srv/restored, without '..'.")
        return str(PurePosixPath(text))

    def clean(self) -> dict:
        cleaned = super().clean()
        cleaned["redis"] = [
            Database(name, database, server.pk, cleaned[f"redis_{number}"], cleaned.get(f"pattern_{number}", ""))
            for number, (name, database, _, server) in enumerate(self.databases)
            if cleaned.get(f"redis_{number}")
        ]
        if not cleaned.get("folders") and not cleaned["redis"]:
            self.add_error("folders", "Choose at least one folder, or a Redis database.")
        if cleaned.get("to") and cleaned.get("remove"):
            self.add_error("remove", "In an empty folder there is nothing to remove.")
        return cleaned


def _databases(archive: Archive) -> list[tuple[str, int, int, RedisServer]]:
    """Name of the data, database, keys, and the server of that name that its host reaches."""
    servers = {server.name: server for server in RedisServer.objects.filter(host=archive.kept_on)}
    return [
        (record["name"], int(number), keys, servers[record["name"]])
        for record in archive.redis
        if record["name"] in servers
        for number, keys in sorted(record["keys"].items())
    ]
