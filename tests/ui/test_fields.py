import pytest
from django import forms
from django.forms.renderers import TemplatesSetting
from django.template.loader import render_to_string
from django.test.html import parse_html


class Example(forms.Form):
    name = forms.CharField(help_text="Lower case letters.", widget=forms.TextInput({"class": "mono"}))
    kind = forms.ChoiceField(choices=[("fs", "Folder")], required=False)
    reason = forms.CharField(widget=forms.Textarea)
    compress = forms.BooleanField(label="Compress metadata", required=False, help_text="Costs little.")
    theme = forms.ChoiceField(choices=[("light", "Light"), ("dark", "Dark")], widget=forms.RadioSelect)


@pytest.fixture
def sent():
    return Example({})


@pytest.mark.parametrize(
    ("field", "markup"),
    [
        ("name", 'class="input mono"'),
        ("kind", 'class="select"'),
        ("reason", 'class="textarea"'),
        ("compress", '<label class="check"><input type="checkbox" name="compress"'),
        ("theme", '<fieldset class="field choice"'),
    ],
)
def test_widgets_carry_the_classes_of_the_design(field, markup):
    assert markup in Example()[field].as_field_group()


def test_a_field_has_its_label_and_its_help():
    html = Example()["name"].as_field_group()

    assert '<label for="id_name">Name</label>' in html
    assert 'aria-describedby="id_name_helptext"' in html
    assert '<p class="help" id="id_name_helptext">Lower case letters.</p>' in html


def test_a_field_that_may_stay_empty_says_so():
    assert '<span class="opt">optional</span>' in Example()["kind"].as_field_group()
    assert "optional" not in Example()["name"].as_field_group()


def test_an_error_is_tied_to_its_field(sent):
    html = sent["name"].as_field_group()

    assert '<div class="field bad">' in html
    assert 'aria-invalid="true"' in html
    assert 'aria-describedby="id_name_helptext id_name_error"' in html
    assert '<div id="id_name_error">' in html


def test_the_summary_links_to_the_fields(sent):
    html = render_to_string("ui/error_summary.html", {"form": sent, "title": "Repository not saved"})

    assert "Repository not saved" in html
    assert 'href="#id_name"' in html
    assert 'href="#id_theme_0"' in html
    assert "data-focus" in html


def test_a_form_without_errors_has_no_summary():
    assert render_to_string("ui/error_summary.html", {"form": Example()}).strip() == ""


@pytest.mark.parametrize(
    "choices",
    [
        [("", "Any"), ("a", 'A "quoted" <b>'), ("b&c", "B")],
        [(1, "One"), (2, "Two")],
        [],
        [("", "Any"), ("Group", [("a", "A"), ("b", "B")])],
    ],
)
@pytest.mark.parametrize("chosen", [None, "a", "b&c", 2])
def test_a_choice_is_drawn_as_django_draws_it(choices, chosen):
    widget = forms.Select({"class": "select", "aria-label": "<Kind>", "required": True}, choices=choices)

    ours = widget.render("kind", chosen)

    assert parse_html(ours) == parse_html(widget.render("kind", chosen, renderer=TemplatesSetting()))
