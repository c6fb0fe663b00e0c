"""Forms of votes, comments and reviews: shape only."""

from django import forms

from backups.accounts.forms import password_field

from .models import Review

MOST = 4000


class ApproveForm(forms.Form):
    """``digest`` is that of the plan which the page showed: a vote is about that, and about nothing else. What proves
    that it is this person who votes is ``password``; see ``proving``."""

    comment = forms.CharField(label="Comment", required=False, max_length=MOST, widget=forms.Textarea({"rows": 3}))
    password = password_field(
        "Your password",
        "current-password",
        help_text="Asked for every vote, so an unlocked screen cannot vote.",
        error_messages={"required": "Give your password to vote."},
    )
    digest = forms.CharField(widget=forms.HiddenInput, max_length=64, required=False)

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].widget.attrs["form"] = "decide"  # it stands in a dialog outside of that


class RejectForm(ApproveForm):
    """Whole in a dialog of its own, beside the other one."""

    comment = forms.CharField(
        label="Why you reject it",
        max_length=MOST,
        widget=forms.Textarea({"rows": 3}),
        help_text="The person who asked reads this.",
        error_messages={"required": "Say why you reject this: the person who asked will want to know."},
    )

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, auto_id="reject_%s", **kwargs)
        self.fields["password"].widget.attrs["form"] = "reject-form"


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
