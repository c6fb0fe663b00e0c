"""Rules that every template keeps: the content security policy, known icons, known addresses, one shell."""

import re
from pathlib import Path

import pytest
from django.template.loader import get_template
from django.urls import get_resolver

from backups.templatetags.ui import icon_names

ROOT = Path(__file__).parents[2] / "templates"
TEMPLATES = sorted(str(file.relative_to(ROOT)) for file in ROOT.rglob("*.html"))

FORBIDDEN = {
    "a style attribute": r"<[^>]*\sstyle\s*=",
    "a style element": r"<style\b",
    "an event attribute": r"<[^>]*\son[a-z]+\s*=",
    "a script with content": r"<script\b[^>]*>\s*[^<\s]",
    "a script without address": r"<script\b(?![^>]*\bsrc=)",
    "a data: or javascript: address": r"(?:href|src|action)\s*=\s*[\"']\s*(?:data|javascript):",
    "htmx that needs eval": r"\shx-on|hx-vals\s*=\s*[\"']?js:|hx-trigger\s*=\s*[\"'][^\"']*\[",
    "something from another host": r"(?:href|src|action|hx-get|hx-post)\s*=\s*[\"'](?:https?:)?//",
    "a needless load of built-in tags": r"{%\s*load\s+(?:static|ui)\s*%}",
}


def source(name: str) -> str:
    return re.sub(r"{#.*?#}|{% comment %}.*?{% endcomment %}", "", (ROOT / name).read_text(), flags=re.DOTALL)


def address_names() -> set[str]:
    def walk(resolver, prefix: str) -> set[str]:
        names = set()
        for pattern in resolver.url_patterns:
            if hasattr(pattern, "url_patterns"):
                names |= walk(pattern, f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix)
            elif pattern.name:
                names.add(f"{prefix}{pattern.name}")
        return names

    return walk(get_resolver(), "")


@pytest.mark.parametrize("name", TEMPLATES)
def test_it_compiles(name):
    assert get_template(name).template.nodelist is not None


@pytest.mark.parametrize("rule", sorted(FORBIDDEN))
def test_nothing_that_the_policy_forbids(rule):
    # What a template tag prints is checked where it is printed; its own arguments are no markup.
    offenders = [
        name
        for name in TEMPLATES
        if re.search(FORBIDDEN[rule], re.sub(r"{{.*?}}", "", source(name)), flags=re.IGNORECASE)
    ]

    assert offenders == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_htmx_attributes_are_not_inherited(name):
    markup = re.sub(r"{%.*?%}|{{.*?}}", "", source(name))
    stray = [
        tag
        for tag in re.findall(r"<[a-z][^>]*\shx-(?:swap|target|trigger|include|vals)=[^>]*>", markup)
        if not re.search(r"\shx-(?:get|post)=", tag)
    ]

    assert stray == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_icon_is_in_the_sprite(name):
    used = set(re.findall(r"{%\s*icon\s+[\"']([^\"']+)", source(name)))
    used |= set(re.findall(r"\sicon=[\"']([^\"']+)", source(name)))

    assert used - icon_names() == set()


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_address_has_a_name_that_exists(name):
    used = set(re.findall(r"{%\s*url\s+[\"']([^\"']+)", source(name)))

    assert used - address_names() == set()


@pytest.mark.parametrize("name", TEMPLATES)
def test_it_is_a_page_in_the_shell_or_a_fragment(name):
    fragment = name.startswith("ui/") or Path(name).name.startswith("_")
    page = re.match(r"\s*{%\s*extends\s+(?:[\"'](?:base|plain)\.html|user\.is_authenticated)", source(name))

    assert name == "base.html" or bool(page) != fragment


@pytest.mark.parametrize("name", [name for name in TEMPLATES if "/" in name and "/_" not in name])
def test_every_form_that_posts_carries_the_token(name):
    forms = re.findall(r"<form\b[^>]*method=[\"']post[\"'].*?</form>", source(name), flags=re.DOTALL | re.IGNORECASE)

    assert [form for form in forms if "{% csrf_token %}" not in form] == []
