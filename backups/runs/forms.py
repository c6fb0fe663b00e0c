"""The filters of the list of runs."""

from django import forms
from django.db.models import QuerySet

from backups.access.models import User
from backups.listing import Filters

from . import words
from .models import RunState

SYSTEM = "system"


class RunFilters(Filters):
    """``q`` finds by the beginning of the subject. One that is rare is looked for in every run, newest first."""

    q = forms.CharField(label="Subject begins with", max_length=100)
    kind = forms.ChoiceField(
        label="Kind", choices=[("", "Any kind"), *((kind, about.title) for kind, about in words.KINDS.items())]
    )
    state = forms.ChoiceField(label="State", choices=[("", "Any state"), *RunState.choices])
    who = forms.ChoiceField(label="Who")

    def __init__(self, request) -> None:
        super().__init__(request)
        people = User.objects.order_by("name").values_list("pk", "name")
        self.fields["who"].choices = [("", "Anyone"), (SYSTEM, "System"), *((str(pk), name) for pk, name in people)]

    def narrow(self, runs: QuerySet) -> QuerySet:
        """Of these runs, those that the filters ask for."""
        chosen = self.chosen
        if "q" in chosen:
            runs = runs.filter(subject__startswith=chosen["q"])
        if "who" in chosen:
            runs = runs.filter(actor=None if chosen["who"] == SYSTEM else chosen["who"])
        return runs.filter(**{name: chosen[name] for name in ("kind", "state") if name in chosen})
