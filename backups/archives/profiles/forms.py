"""The form of a profile: shape only. Its folders are as many small forms as there are."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from django import forms
from django.conf import settings
from django.utils.functional import cached_property

from backups.listing import key
from backups.templatetags.formats import size

from .. import sources
from ..models import ArchiveLocation, ArchiveProfile, ArchiveRecipient, ReadBack, RedisServer, Unreadable

UNREADABLE_HELP = {
    Unreadable.MARK: "The archive is made, its run ends as partial, and what is missing is listed in both.",
    Unreadable.FAIL: "One file that may not be read, and nothing is written. For data that is of no use in parts.",
}
READ_BACK_HELP = {
    ReadBack.ALWAYS: "Every byte is read from the disk again and held against its checksum: only this verifies it.",
    ReadBack.SAMPLE: "Some of it is read again: quicker for large archives. Such an archive stays “not read back”.",
    ReadBack.NEVER: "Nothing is read again. An archive is “finished”, and nobody knows more.",
}

BLANKS = re.compile(r"[ \t]+")


class PatternsField(forms.CharField):
    """Patterns as a list: separated by spaces in one line, or one a line, which may then have spaces in them."""

    def __init__(self, **kwargs) -> None:
        widget = forms.Textarea(attrs={"rows": 2, "spellcheck": "false", "class": "mono"})
        super().__init__(required=False, strip=False, widget=widget, max_length=20_000, **kwargs)

    def prepare_value(self, value):
        if not isinstance(value, list):
            return value
        lines = "\n".join(value)
        return f"{lines}\n" if len(value) == 1 and BLANKS.search(lines) else lines

    def to_python(self, value) -> list[str]:
        if isinstance(value, list):
            return value
        text = (value or "").replace("\r\n", "\n").replace("\r", "\n")
        parts = text.split("\n") if "\n" in text else BLANKS.split(text)
        return [part for part in parts if part.strip()]

    def has_changed(self, initial, data) -> bool:
        return self.to_python(initial) != self.to_python(data)


class SourceForm(forms.Form):
    """One folder."""

    path = forms.CharField(
        label="Folder", max_length=1000, error_messages={"required": "Write the folder from the root on."}
    )
    name = forms.CharField(label="Name in the archive", max_length=60, required=False)
    include = PatternsField(label="Include")
    exclude = PatternsField(label="Exclude")
    one_file_system = forms.BooleanField(
        label="Stay on one file system", required=False, help_text="What is mounted below is left out."
    )

    def __init__(self, *args, number: int = 0, **kwargs) -> None:
        options = {"prefix": f"source-{number}", "use_required_attribute": False, "empty_permitted": True}
        super().__init__(*args, **options, **kwargs)
        self.number = number
        for name in ("path", "name"):
            self.fields[name].widget.attrs |= {"class": "mono", "spellcheck": "false", "autocomplete": "off"}
        self.fields["include"].widget.attrs["placeholder"] = "everything"

    @property
    def title(self) -> str:
        """What its heading calls it."""
        name = self["name"].value() or sources.proposed(str(self["path"].value() or "").strip())
        return "new folder" if not self["path"].value() else name

    @property
    def is_blank(self) -> bool:
        """Nothing was written into it: it is left out."""
        return not any(self.cleaned_data.get(name) for name in ("path", "name", "include", "exclude"))

    def source(self) -> dict | None:
        """The folder as a profile keeps it; None while it is none."""
        if not self.is_valid():
            return None
        try:
            return sources.checked([self.cleaned_data], forbidden())[0]
        except sources.BadSources:
            return None


class Choice(NamedTuple):
    """One of several, with what it means."""

    value: str
    label: str
    help: str
    chosen: bool


class LocationField(forms.ModelChoiceField):
    """Says where each is, and how much room is there."""

    def label_from_instance(self, obj: ArchiveLocation) -> str:
        free = f", {size(obj.space_free)} free" if obj.space_free is not None else ""
        return f"{obj}: {obj.path} on {obj.host}{free}"


class ProfileForm(forms.ModelForm):
    """A profile. ``seen`` is the digest that the form was made from; ``folders`` are the forms of its sources."""

    location = LocationField(
        ArchiveLocation.objects.all(),
        label="Location",
        empty_label=None,
        help_text="Where its archives lie. Folders and Redis are read on the same host.",
    )
    redis = forms.ModelMultipleChoiceField(
        RedisServer.objects.all(), required=False, label="Redis servers", widget=forms.CheckboxSelectMultiple
    )
    recipients = forms.ModelMultipleChoiceField(
        ArchiveRecipient.objects.all(), required=False, label="Encrypt for", widget=forms.CheckboxSelectMultiple
    )
    seen = forms.CharField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = ArchiveProfile
        fields = ("name", "location", "redis", "codec", "name_template", "recipients")
        fields += ("unreadable", "read_back", "keep_index")
        labels = {
            "name": "Profile name",
            "codec": "Compression",
            "name_template": "Name of the archives",
            "unreadable": "What cannot be read",
            "read_back": "Read back after writing",
            "keep_index": "Keep a list of the files beside the archive",
        }
        help_texts = {
            "name_template": "{host}, {time} and {date} are filled in. The ending follows from the compression.",
            "keep_index": "Makes looking into an archive quick. It holds names, sizes and checksums in the clear, "
            "also of an encrypted archive: without it, nobody learns them who cannot open the archive.",
        }
        error_messages = {"name": {"unique": "A profile of this name exists already."}}

    def __init__(self, data=None, *, instance: ArchiveProfile, rows: list[dict] | None = None, **kwargs) -> None:
        """``rows`` are the folders where nothing was sent; else those of the profile."""
        super().__init__(data, instance=instance, **kwargs)
        if data is not None:
            self.folders = [SourceForm(data, number=number) for number in range(number_of(data))]
        else:
            kept = instance.sources if rows is None else rows
            self.folders = [SourceForm(initial=row, number=number) for number, row in enumerate(kept)]

    @classmethod
    def anew(cls, data, *, instance: ArchiveProfile, rows: list[dict]) -> "ProfileForm":
        """With what was written, and these folders; nothing is judged or kept."""
        written = {name: data.get(name, "") for name in cls._meta.fields} | {
            "redis": data.getlist("redis"),
            "recipients": data.getlist("recipients"),
            "keep_index": "keep_index" in data,
        }
        return cls(instance=instance, initial=written, rows=rows)

    @cached_property
    def place(self) -> ArchiveLocation | None:
        """The location that is chosen, also while the rest of the form is no profile; at first the first one."""
        wanted, known = key(str(self["location"].value() or "")), self.fields["location"].queryset
        return known.first() if wanted is None else known.filter(pk=wanted).first()

    def servers(self) -> Iterator[tuple[RedisServer, bool]]:
        """Those on the host of the location, and those that are chosen on another one; and whether each is chosen."""
        chosen, host = {str(value) for value in self["redis"].value() or ()}, self.place.host if self.place else ""
        for server in self.fields["redis"].queryset:
            if server.host == host or str(server.pk) in chosen:
                yield server, str(server.pk) in chosen

    def readers(self) -> Iterator[tuple[ArchiveRecipient, bool]]:
        """Everybody who may open it, and whether each is chosen."""
        chosen = {str(value) for value in self["recipients"].value() or ()}
        for recipient in self.fields["recipients"].queryset:
            yield recipient, str(recipient.pk) in chosen

    def unreadable_choices(self) -> list[Choice]:
        return self._explained("unreadable", Unreadable, UNREADABLE_HELP)

    def read_back_choices(self) -> list[Choice]:
        return self._explained("read_back", ReadBack, READ_BACK_HELP)

    def _explained(self, name: str, choices, words: dict) -> list[Choice]:
        value = self[name].value()
        return [Choice(each.value, each.label, words[each], each.value == value) for each in choices]

    def clean(self) -> dict:
        """Judge the folders, each error at its field, and hand them to the profile."""
        cleaned = super().clean()
        if not all([folder.is_valid() for folder in self.folders]):
            raise forms.ValidationError("Some folders need a change.")
        self.written = [folder for folder in self.folders if not folder.is_blank]
        try:
            self.instance.sources = sources.checked([folder.cleaned_data for folder in self.written], forbidden())
        except sources.BadSources as error:
            self.mark(error.problems)
        return cleaned

    def mark(self, problems) -> None:
        """Show these problems at their fields; they count the folders that are not blank."""
        for number, field, message in problems:
            if number < len(self.written):
                self.written[number].add_error(field, message)
        self.add_error(None, "Some folders need a change.")


def number_of(data) -> int:
    """How many folders were sent; one more than may be is enough to say so."""
    text = data.get("folders", "")
    return min(int(text), sources.MOST + 1) if text.isascii() and text.isdigit() and len(text) < 4 else 0


def raw_rows(data) -> list[dict]:
    """The folders as they were written, for a form that is drawn anew."""
    rows = []
    for number in range(number_of(data)):
        row = {name: data.get(f"source-{number}-{name}", "") for name in ("path", "name", "include", "exclude")}
        rows.append(row | {"one_file_system": f"source-{number}-one_file_system" in data})
    return rows


def forbidden() -> tuple[str, ...]:
    """Folders that go into no archive."""
    return (str(settings.KEYS_DIR),)
