"""Forms of sign-in, passwords, people and roles: shape and cross-field rules."""

from zoneinfo import available_timezones

from django import forms
from django.contrib.auth.password_validation import validate_password

from backups.access import ROLES
from backups.access.models import User
from backups.listing import Filters

from .services import MIN_REASON, AccountError, check_roles

MAX_PASSWORD = 1000
PEOPLE_STATES = [("", "Any state"), ("active", "Active"), ("invited", "Invited"), ("deactivated", "Deactivated")]
REGIONS = ("Africa", "America", "Antarctica", "Arctic", "Asia")
REGIONS += ("Atlantic", "Australia", "Europe", "Indian", "Pacific")
WHAT = {
    "viewer": "sees every page but people and the log, and starts nothing",
    "operator": "starts and cancels snapshots, verifies repositories",
    "approver": "sees what a viewer sees and the people; approves what needs a second person",
    "auditor": "reads and exports the whole log, and changes nothing",
    "administrator": "connects clusters, registers repositories, manages profiles and people",
}


def posted(request):
    """What a form is bound to: nothing until it is sent, but an empty answer is an answer."""
    return request.POST if request.method == "POST" else None


def time_zones() -> list[str]:
    """Those of places. The others are old names of them, offsets, and none at all (Factory, localtime)."""
    return sorted(zone for zone in available_timezones() if zone.partition("/")[0] in REGIONS)


def password_field(label: str, autocomplete: str, *, focus: bool = False, **kwargs) -> forms.CharField:
    """Blanks count; what was typed is never sent back."""
    widget = forms.PasswordInput({"autocomplete": autocomplete, "autofocus": focus})
    return forms.CharField(label=label, strip=False, max_length=MAX_PASSWORD, widget=widget, **kwargs)


class SignInForm(forms.Form):
    name = forms.CharField(
        label="Sign-in name",
        max_length=150,
        widget=forms.TextInput(
            {"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false", "autofocus": True}
        ),
    )
    password = password_field("Password", "current-password")


class StepUpForm(forms.Form):
    password = password_field("Password", "current-password", focus=True)


class PasswordForm(forms.Form):
    """``person`` is needed to refuse a password that is like their name."""

    current = password_field("Current password", "current-password")
    new = password_field(
        "New password", "new-password", help_text="At least 12 characters. A few unrelated words do well."
    )
    again = password_field("New password again", "new-password")

    def __init__(self, *args, person: User, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.person = person

    def clean_new(self) -> str:
        validate_password(self.cleaned_data["new"], self.person)
        return self.cleaned_data["new"]

    def clean(self) -> dict:
        data = super().clean()
        if "new" in data and data.get("again", data["new"]) != data["new"]:
            self.add_error("again", "This is not the same as the new password above.")
        if "new" in data and data.get("current") == data["new"]:
            self.add_error("new", "This is the current password. Choose another one.")
        return data


def email_field() -> forms.EmailField:
    return forms.EmailField(
        label="Mail address",
        required=False,
        help_text="For requests that need a decision. Without one, no mail is sent.",
        widget=forms.EmailInput({"autocomplete": "email", "autocapitalize": "none", "spellcheck": "false"}),
    )


class EmailForm(forms.Form):
    email = email_field()


class ProfileForm(forms.Form):
    email = email_field()
    time_zone = forms.ChoiceField(
        label="Time zone", required=False, help_text="Times are shown in UTC; yours is added as a second line."
    )

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        chosen = self.initial.get("time_zone")  # perhaps one that is not offered any more
        zones = sorted({*time_zones(), *([chosen] if chosen else [])})
        self.fields["time_zone"].choices = [("", "UTC only"), *((zone, zone) for zone in zones)]


class ReasonForm(forms.Form):
    reason = forms.CharField(
        label="Reason", required=False, max_length=2000, widget=forms.Textarea({"rows": 3}), help_text="For the log."
    )


class RolesForm(forms.Form):
    roles = forms.MultipleChoiceField(
        label="Roles",
        choices=[(role, f"{role.capitalize()}: {WHAT[role]}") for role in ROLES],
        widget=forms.CheckboxSelectMultiple,
        help_text="Roles add up. An auditor holds no other role.",
    )

    def clean_roles(self) -> list[str]:
        try:
            check_roles(self.cleaned_data["roles"])
        except AccountError as error:
            raise forms.ValidationError(str(error)) from error
        return self.cleaned_data["roles"]


class RoleChangeForm(RolesForm):
    reason = forms.CharField(
        label="Reason",
        min_length=MIN_REASON,
        max_length=2000,
        widget=forms.Textarea({"rows": 3}),
        help_text=f"At least {MIN_REASON} characters. It stays in the log.",
        error_messages={"min_length": f"Write at least {MIN_REASON} characters. The auditor reads this."},
    )


class PersonForm(RolesForm):
    full_name = forms.CharField(label="Full name", max_length=150, widget=forms.TextInput({"autocomplete": "off"}))
    email = email_field()
    name = forms.CharField(
        label="Sign-in name",
        max_length=60,
        help_text="Lower-case letters, digits, dots, dashes and underscores. It cannot be changed later.",
        widget=forms.TextInput(
            {"class": "mono", "autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )


class PeopleFilters(Filters):
    q = forms.CharField(label="Name or sign-in name")
    role = forms.ChoiceField(label="Role", choices=[("", "Any role"), *((role, role.capitalize()) for role in ROLES)])
    state = forms.ChoiceField(label="State", choices=PEOPLE_STATES)
