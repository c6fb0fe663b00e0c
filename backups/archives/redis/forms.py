"""The form of a Redis server: shape only. The password goes in and never comes back."""

import re

from django import forms
from django.conf import settings

from backups.clusters import authorities
from backups.clusters.forms import SYSTEM_AUTHORITIES

from ..locations.facts import workers
from ..models import RedisMode, RedisServer

MONO = {"class": "mono", "spellcheck": "false", "autocapitalize": "none", "autocomplete": "off"}
FIELDS = ("name", "host", "address", "sentinel_master", "tls", "ca_file", "mode", "databases", "pattern")
MODES = [
    (RedisMode.RDB, "rdb: one moment, all databases. Redis sends its own dump, as to a replica"),
    (RedisMode.SCAN, "scan: key by key, chosen databases or names. Not one moment; the archive says so"),
]


class DatabasesField(forms.CharField):
    """Numbers of databases, separated by spaces or commas; as a list."""

    widget = forms.TextInput(MONO)

    def prepare_value(self, value):
        return " ".join(map(str, value)) if isinstance(value, list) else value

    def to_python(self, value) -> list[int]:
        words = [] if value in self.empty_values else re.split(r"[\s,]+", str(value).strip())
        if not all(re.fullmatch(r"[0-9]{1,5}", word) for word in words):
            raise forms.ValidationError("Write the numbers of databases, like 0 1 5.")
        return [int(word) for word in words]


class RedisForm(forms.Form):
    """``server`` is the one to be changed, or None for a new one. ``seen`` says which state of it was shown."""

    name = forms.CharField(
        label="Name", max_length=60, help_text="The name of its folder in the archives, like sensors-state."
    )
    host = forms.ChoiceField(label="Host", help_text="Its worker reads the server, for archives of that host.")
    address = forms.CharField(
        label="Address",
        max_length=500,
        help_text="host:port, or the path of a unix socket. With a group of Sentinels: their addresses.",
        widget=forms.TextInput(MONO),
    )
    sentinel_master = forms.CharField(
        label="Group of the Sentinels",
        required=False,
        max_length=200,
        help_text="Like mymaster. A healthy replica is read then, so that the primary has no work of it.",
        widget=forms.TextInput(MONO),
    )
    tls = forms.BooleanField(label="TLS", required=False, help_text="The server speaks TLS on this port.")
    ca_file = forms.ChoiceField(label="Certificate of the authority", required=False)
    username = forms.CharField(
        label="User",
        required=False,
        max_length=255,
        help_text="Empty: the default one.",
        widget=forms.TextInput(MONO),
    )
    password = forms.CharField(
        label="Password",
        required=False,
        max_length=1024,
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "new-password"}, render_value=False),
    )
    no_password = forms.BooleanField(label="No password", required=False, help_text="The server asks for none.")
    mode = forms.ChoiceField(label="How to read", choices=MODES, widget=forms.RadioSelect, initial=RedisMode.RDB)
    databases = DatabasesField(
        label="Databases", required=False, max_length=200, help_text="For scan, like 0 1. Empty: all of them."
    )
    pattern = forms.CharField(
        label="Names of keys",
        required=False,
        max_length=200,
        help_text="For scan, like session:*. Empty: all.",
        widget=forms.TextInput(MONO),
    )
    seen = forms.CharField(widget=forms.HiddenInput, required=False, max_length=64)

    def __init__(self, *args, server: RedisServer | None = None, **kwargs) -> None:
        self.server = server
        super().__init__(*args, initial=self._present(), **kwargs)
        self.fields["host"].choices = self._hosts()
        self.fields["ca_file"].choices = self._authorities()
        self.fields["ca_file"].help_text = f"A file in {settings.CA_DIR} on the worker's host."
        if server and server.sealed:
            self.fields["password"].help_text = "Empty: the stored one stays."

    def clean(self) -> dict:
        cleaned = super().clean()
        if cleaned.get("password") and cleaned.get("no_password"):
            self.add_error("no_password", "There is a password above. Empty it, or untick this.")
        if not self.server and not cleaned.get("password") and not cleaned.get("no_password"):
            self.add_error("password", "Enter the password, or say that there is none.")
        return cleaned

    @property
    def values(self) -> dict:
        """What the service takes."""
        given = {name: self.cleaned_data[name] for name in (*FIELDS, "username", "seen")}
        password = self.cleaned_data["password"] or ("" if self.cleaned_data["no_password"] else None)
        return given | {"password": password}

    def _present(self) -> dict:
        if not self.server:
            return {}
        present = {name: getattr(self.server, name) for name in (*FIELDS, "username")}
        return present | {"username": self.server.new_username or self.server.username, "seen": self.server.digest}

    def _hosts(self) -> list[tuple[str, str]]:
        hosts = [(worker.host, worker.words) for worker in workers()]
        if self.server and self.server.host not in dict(hosts):
            hosts.append((self.server.host, self.server.host))
        return hosts

    def _authorities(self) -> list[tuple[str, str]]:
        known = authorities.names()
        if self.server and self.server.ca_file and self.server.ca_file not in known:
            known.append(self.server.ca_file)
        return [("", SYSTEM_AUTHORITIES), *((name, name) for name in known)]
