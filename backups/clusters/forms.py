"""The form of a cluster: shape, and rules between its fields. Passwords go in and never come back."""

from django import forms
from django.conf import settings

from . import authorities
from .addresses import MOVED
from .models import Purpose

SYSTEM_AUTHORITIES = "Authorities of this system"


class AddressesField(forms.CharField):
    """Addresses, one a line; as a list."""

    widget = forms.Textarea(attrs={"rows": 3, "class": "mono", "spellcheck": "false"})

    def prepare_value(self, value):
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value) -> list[str]:
        return value if isinstance(value, list) else (value or "").replace(",", " ").split()


def user_field(purpose: str, **options) -> forms.CharField:
    attrs = {"class": "mono", "autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}
    label = f"{Purpose(purpose).label} user"
    return forms.CharField(label=label, max_length=255, widget=forms.TextInput(attrs), **options)


def password_field(purpose: str) -> forms.CharField:
    """Written, never shown: what was typed is not sent back either."""
    label = f"{Purpose(purpose).label} password"
    widget = forms.PasswordInput({"autocomplete": "new-password"}, render_value=False)
    return forms.CharField(label=label, max_length=1024, strip=False, required=False, widget=widget)


class ClusterForm(forms.Form):
    """``cluster`` is the one to be changed, or None for a new one. ``seen`` says which state of it was shown."""

    name = forms.CharField(label="Name", max_length=60, help_text="How people call it here, like soc-prod.")
    addresses = AddressesField(
        label="Addresses",
        max_length=5000,
        help_text="One a line, like https://es1.example.org:9200. Any of them is used that answers.",
    )
    ca_file = forms.ChoiceField(label="Certificate of the authority", required=False)
    everyday_user = user_field("everyday")
    everyday_password = password_field("everyday")
    restricted_user = user_field("restricted", required=False)
    restricted_password = password_field("restricted")
    seen = forms.CharField(widget=forms.HiddenInput, required=False, max_length=64)

    def __init__(self, *args, cluster=None, **kwargs) -> None:
        self.cluster = cluster
        self.users = {row.purpose: row.username for row in cluster.credentials.order_by("pk")} if cluster else {}
        super().__init__(*args, initial=self._present(), **kwargs)
        self.fields["ca_file"].choices = self._authorities()
        self.fields[
            "ca_file"
        ].help_text = (
            f"A file in {settings.CA_DIR} on the console's host, with which the cluster's own certificate is checked."
        )
        self.fields["everyday_password"].required = cluster is None
        for purpose in self.users:
            self.fields[f"{purpose}_password"].help_text = "Empty: the stored one stays."

    def clean(self) -> dict:
        """A password belongs to its user and its place: for another one it has to be given."""
        cleaned = super().clean()
        moved = self.cluster and bool(set(cleaned.get("addresses", [])) - set(self.cluster.addresses))
        for purpose in Purpose.values:
            user, password = cleaned.get(f"{purpose}_user"), cleaned.get(f"{purpose}_password")
            if user and not password and self.users.get(purpose) != user:
                self.add_error(f"{purpose}_password", f"Enter the password of {user}.")
            elif user and not password and moved:
                self.add_error(f"{purpose}_password", MOVED)
            elif password and not user:
                self.add_error(f"{purpose}_user", "Enter the user that this password belongs to.")
        return cleaned

    @property
    def values(self) -> dict:
        """What the service takes."""
        return {name: self.cleaned_data[name] for name in ("name", "addresses", "ca_file", "seen")} | {
            "credentials": dict(self._credentials())
        }

    def _credentials(self):
        """Those that were given; a user that was there and is empty now is to be removed."""
        for purpose in Purpose.values:
            user, password = self.cleaned_data[f"{purpose}_user"], self.cleaned_data[f"{purpose}_password"]
            if password:
                yield purpose, (user, password)
            elif not user and purpose in self.users:
                yield purpose, None

    def _present(self) -> dict:
        if not self.cluster:
            return {}
        present = {name: getattr(self.cluster, name) for name in ("name", "addresses", "ca_file")}
        users = {f"{purpose}_user": user for purpose, user in self.users.items()}
        return present | users | {"seen": self.cluster.digest}

    def _authorities(self) -> list[tuple[str, str]]:
        known = authorities.names()
        if self.cluster and self.cluster.ca_file and self.cluster.ca_file not in known:
            known.append(self.cluster.ca_file)
        return [("", SYSTEM_AUTHORITIES), *((name, name) for name in known)]
