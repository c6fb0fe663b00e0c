"""Forms of restores: shape only."""

from collections.abc import Collection, Mapping

from django import forms

from backups.accounts.services import MIN_REASON
from backups.snapshots.forms import PatternsField
from backups.snapshots.models import Snapshot

from .indices.asked import MODES, REPLICAS, RESETS, SCRATCH, TIER, Mode

LISTED = 200
"""So many indices are shown as boxes; of more, patterns choose."""

DEFAULTS = {"mode": Mode.BESIDE, "template": f"{SCRATCH}{{index}}", "patterns": ["*", "-.*"]}

MODE_HELP = (
    "A swap restores beside, proves the copy, and gives it the name; the old index is kept as the way back. In place "
    "closes and overwrites it: only where there is no room for both."
)
TEMPLATE_HELP = "For copies next to it: put {index} where the old name goes. Those in restored- need no approval."
PARTIAL_HELP = "Shards that are not in the snapshot come back empty. Without this, such an index is not restored."
ALIASES_HELP = "Off: searches through aliases keep using what they use now."
GLOBAL_HELP = "Overwrites persistent settings and templates of the cluster. Two people have to approve."


def chosen_in(options: Mapping) -> dict:
    """What the form begins with for a plan like another one, from the options of that."""
    names = [name for name in options["names"] if name not in options["skip"]]
    settings = options["settings"]
    streams = [name for name in options.get("streams", ()) if name not in options["skip"]]
    kept = {name: options[name] for name in ("mode", "template", "aliases", "partial", "global_state", "resets")}
    kept |= {"names": names, "patterns": names, "streams": streams}
    return kept | {"replicas": settings.get(REPLICAS), "tier": settings.get(TIER)}


class RestoreForm(forms.Form):
    """What to bring back from a snapshot, where to, and how."""

    into = forms.ModelChoiceField(Snapshot.objects.none(), label="Into", empty_label=None)
    names = forms.MultipleChoiceField(label="Indices", required=False, widget=forms.CheckboxSelectMultiple)
    patterns = PatternsField(label="Indices by pattern", required=False)
    streams = forms.MultipleChoiceField(label="Data streams", required=False, widget=forms.CheckboxSelectMultiple)
    mode = forms.ChoiceField(
        label="If the name already exists", choices=MODES.items(), widget=forms.RadioSelect, help_text=MODE_HELP
    )
    template = forms.CharField(label="New name", max_length=200, required=False, help_text=TEMPLATE_HELP)
    replicas = forms.IntegerField(
        label="Replicas", required=False, min_value=0, max_value=20, help_text="Empty: as in the snapshot."
    )
    tier = forms.RegexField(
        r"^[a-z_,]*$",
        label="Data tier",
        required=False,
        max_length=100,
        help_text="Like data_warm,data_hot. Empty: as in the snapshot.",
    )
    resets = forms.MultipleChoiceField(
        label="Leave these settings behind",
        required=False,
        choices=RESETS.items(),
        widget=forms.CheckboxSelectMultiple,
    )
    aliases = forms.BooleanField(label="Restore aliases", required=False, help_text=ALIASES_HELP)
    partial = forms.BooleanField(label="Allow what is incomplete", required=False, help_text=PARTIAL_HELP)
    global_state = forms.BooleanField(label="Restore the global state", required=False, help_text=GLOBAL_HELP)

    def __init__(
        self, *args, snapshot: Snapshot, places, held: list[str], streams: Collection[str], **kwargs
    ) -> None:
        """``places`` are the rows of this snapshot on every cluster that can read it, ``held`` the indices that it
        holds, ``streams`` the data streams."""
        super().__init__(*args, **kwargs)
        self.held = held
        self.fields["into"].queryset = places
        self.fields["into"].label_from_instance = lambda one: f"{one.repository.cluster} ({one.repository.name})"
        self.fields["into"].initial = snapshot.pk
        if len(held) <= LISTED:
            self.fields["names"].choices = [(name, name) for name in held]
            del self.fields["patterns"]
        else:
            self.fields["patterns"].help_text = f"The snapshot holds {len(held):,} indices. One pattern a line."
            del self.fields["names"]
        self.fields["streams"].choices = [(name, name) for name in streams]
        if not streams:
            del self.fields["streams"]

    def clean(self) -> dict:
        cleaned = super().clean()
        if not any(cleaned.get(name) for name in ("names", "patterns", "streams")):
            self.add_error("names" if "names" in self.fields else "patterns", "Choose at least one index.")
        if cleaned.get("mode") == Mode.BESIDE and not cleaned.get("template"):
            self.add_error("template", "Give the copies a new name, like restored-{index}.")
        return cleaned


class AskForm(forms.Form):
    """What the requester says to those who decide."""

    reason = forms.CharField(
        label="Reason",
        min_length=MIN_REASON,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="The approver and the auditor read this.",
    )
    ticket = forms.CharField(label="Ticket", required=False, max_length=60)
    typed_name = forms.CharField(required=False, max_length=60, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    earlier = forms.IntegerField(required=False, widget=forms.HiddenInput)
