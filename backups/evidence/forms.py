"""The filters of the log."""

from django import forms

from backups.access import may
from backups.access.models import User
from backups.audit.actions import ACTIONS
from backups.audit.models import Outcome
from backups.listing import Filters

KINDS = sorted({action.kind for action in ACTIONS.values()})


def action_choices() -> list[tuple[str, str]]:
    """Each kind, and below it its actions."""
    choices = [("", "Any action")]
    for kind in KINDS:
        choices.append((kind, kind))
        choices += [(name, f"· {name}") for name, action in ACTIONS.items() if action.kind == kind]
    return choices


class EntryFilters(Filters):
    q = forms.CharField(
        label="On",
        max_length=300,
        widget=forms.TextInput({"aria-label": "Entries on", "placeholder": "On: run 12, or a name"}),
    )
    person = forms.ModelChoiceField(User.objects.order_by("name", "username"), label="Who", empty_label="Anyone")
    action = forms.ChoiceField(label="Action", choices=action_choices())
    outcome = forms.ChoiceField(label="Outcome", choices=[("", "Any outcome"), *Outcome.choices])
    since = forms.DateField(label="From")
    until = forms.DateField(label="To")

    def __init__(self, request) -> None:
        super().__init__(request)
        if not may(request.user, "entry.read_all"):
            del self.fields["person"]  # these are their own entries anyway
