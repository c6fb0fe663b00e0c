"""Forms of retention: shape only."""

import uuid
from datetime import UTC, datetime, time, timedelta

from django import forms

from backups.accounts.services import MIN_REASON

from .copies import LONGEST_REASON


class ReasonForm(forms.Form):
    """Whatever is done here is done for a reason."""

    reason = forms.CharField(
        label="Reason",
        min_length=MIN_REASON,
        max_length=LONGEST_REASON,
        widget=forms.Textarea({"rows": 3}),
        help_text=f"At least {MIN_REASON} characters. It stays in the log.",
        error_messages={"min_length": f"Write at least {MIN_REASON} characters. The auditor reads this."},
    )


class HoldForm(ReasonForm):
    """``until`` becomes the moment at which the day is over, in UTC."""

    until = forms.DateField(
        label="Until", widget=forms.DateInput({"type": "date"}), help_text="The last day on which it is kept, in UTC."
    )

    def clean_until(self) -> datetime:
        return datetime.combine(self.cleaned_data["until"] + timedelta(days=1), time(), UTC)


class DeleteForm(ReasonForm):
    """``typed_name`` is asked for where it is the last good copy."""

    typed_name = forms.CharField(
        label="Its name",
        max_length=255,
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
        help_text="Type the whole name, so that nothing goes by mistake.",
    )
    form_key = forms.CharField(widget=forms.HiddenInput, max_length=64)

    def __init__(self, *args, last_good: bool, **kwargs) -> None:
        super().__init__(*args, initial={"form_key": uuid.uuid4().hex}, **kwargs)
        if not last_good:
            del self.fields["typed_name"]


class AskForm(DeleteForm):
    """The same, for other people to decide about."""

    ticket = forms.CharField(label="Ticket", required=False, max_length=60)
    field_order = ("typed_name", "reason", "ticket", "form_key")
