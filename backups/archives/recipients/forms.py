"""Forms of recipients: shape only."""

from django import forms

MONO = {"class": "mono", "spellcheck": "false", "autocapitalize": "none", "autocomplete": "off"}


class RecipientForm(forms.Form):
    name = forms.CharField(label="Name", max_length=60, help_text="Whose key it is, like Recovery safe.")
    key = forms.CharField(
        label="Public key",
        max_length=400,
        help_text="It begins with age1. The secret key is never entered here.",
        widget=forms.TextInput(MONO),
    )


class WordsForm(forms.Form):
    words = forms.CharField(
        label="The 8 words",
        max_length=200,
        help_text="As the decrypted probe shows them.",
        widget=forms.TextInput(MONO),
    )
