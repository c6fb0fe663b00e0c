"""Forms of votes, comments and reviews: shape only."""

from django import forms

from backups.accounts.forms import password_field

from .models import Review

MOST = 4000


class DecideForm(forms.Form):
    """``digest`` is that of the plan which the page showed: a vote is about that, and about nothing else."""

    comment = forms.CharField(
        label="Comment",
        required=False,
        max_length=MOST,
        widget=forms.Textarea({"rows": 3}),
        help_text="Needed to reject.",
    )
    digest = forms.CharField(widget=forms.HiddenInput, max_length=64, required=False)


class ApproveForm(DecideForm):
    """What proves that it is this person who approves is ``password``; see ``proving``."""

    password = password_field(
        "Your password",
        "current-password",
        help_text="Asked for every approval, so an unlocked screen cannot approve.",
        error_messages={"required": "Give your password to approve."},
    )

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].widget.attrs["form"] = "decide"  # it stands in a dialog outside of that


class CommentForm(forms.Form):
    text = forms.CharField(
        label="Say something",
        max_length=MOST,
        widget=forms.Textarea({"rows": 2}),
        error_messages={"required": "Write what you want to say."},
    )


class ReviewForm(forms.Form):
    found = forms.ChoiceField(
        label="What you found",
        choices=[(Review.ACCEPTED, "It was right"), (Review.VIOLATION, "It was against the rules")],
        widget=forms.RadioSelect,
    )
    note = forms.CharField(
        label="Why",
        max_length=MOST,
        widget=forms.Textarea({"rows": 3}),
        help_text="At least 20 characters. It stays in the log.",
    )
