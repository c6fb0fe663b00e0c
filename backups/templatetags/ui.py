"""The tags of every template (built in: no ``{% load %}``), and how forms are drawn.

===============================================  =====================================================
``{% icon "name" %}``, ``{% icon "x" "i-sm" %}``  a symbol of the sprite, hidden from screen readers
``{% pill state %}``, ``{% dot state %}``         a state as icon, word and colour; the words are STATES
``{% when moment %}``, ``{% when m "table" %}``   a time in UTC and how long ago; the styles are WHEN
``{% took start end %}``                          20 min 14 s; "so far" while there is no end
``{% size n %}``, ``{% number n %}``              18.2 GiB; 1,234; "not known" for None
``{% percent done total %}``, ``{% about s %}``   62; about 7 min
``{% lane_words states %}``                       last 14 snapshots, 13 verified, 1 failed
===============================================  =====================================================

Larger pieces are includes in ``templates/ui/``; each says in its first line what it takes. A form draws its
fields with ``{{ form.name.as_field_group }}``, which is ``ui/field.html``.
"""

import json
import re
from collections import Counter
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from django import template
from django.forms import BoundField, CheckboxInput, CheckboxSelectMultiple, DateField, Textarea
from django.forms.renderers import TemplatesSetting
from django.forms.utils import flatatt
from django.forms.widgets import RadioSelect, Select
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe

from . import formats

register = template.Library()

SPRITE = Path(__file__).parent.parent / "static/backups/vendor/icons.svg"


class State(NamedTuple):
    """``kind`` is the colour: ok run wait warn fail idle."""

    kind: str
    icon: str
    word: str


OK, RUN, WARN, FAIL, IDLE = "circle-check", "loader-2", "alert-triangle", "circle-x", "circle-dashed"

# One word and one icon for each state, whatever it is the state of.
STATES: dict[str, State] = {
    # runs and their steps
    "queued": State("idle", IDLE, "Queued"),
    "waiting": State("idle", IDLE, "Waiting"),
    "running": State("run", RUN, "Running"),
    "succeeded": State("ok", OK, "Success"),
    "partial": State("warn", WARN, "Partial"),
    "failed": State("fail", FAIL, "Failed"),
    "cancelled": State("idle", "ban", "Cancelled"),
    "skipped": State("idle", IDLE, "Not reached"),
    # snapshots and repositories
    "wanted": State("idle", IDLE, "Not started"),
    "verified": State("ok", "shield-check", "Verified"),
    "missing": State("fail", FAIL, "Missing"),
    "found": State("idle", "eye", "Found"),
    "damaged": State("fail", FAIL, "Damaged"),
    "deleted": State("idle", "trash", "Deleted"),
    "finished": State("idle", IDLE, "Not read back"),
    "registered": State("ok", OK, "Registered"),
    # clusters and their credentials
    "green": State("ok", OK, "Green"),
    "yellow": State("warn", WARN, "Yellow"),
    "red": State("fail", FAIL, "Red"),
    "unreachable": State("fail", "plug-connected-x", "No contact"),
    "unknown": State("idle", IDLE, "Unknown"),
    "unchecked": State("idle", IDLE, "Not checked"),
    "good": State("ok", OK, "Works"),
    "bad": State("fail", FAIL, "Does not work"),
    # safety copies
    "kept": State("ok", "copy", "Kept"),
    "used": State("idle", "restore", "Put back"),
    "removing": State("run", RUN, "Being removed"),
    "removed": State("idle", "trash", "Removed"),
    # requests and their risk
    "pending": State("wait", "clock-pause", "Waiting for approval"),
    "approved": State("ok", OK, "Approved"),
    "started": State("run", "player-play", "Started"),
    "rejected": State("fail", FAIL, "Rejected"),
    "expired": State("idle", "clock", "Expired"),
    "invalidated": State("warn", WARN, "Out of date"),
    "to_review": State("warn", "eye", "To be reviewed"),
    "R0": State("idle", "copy-plus", "Scratch"),
    "R1": State("run", "plus", "Adds"),
    "R2": State("warn", "replace", "Replaces"),
    "R3": State("fail", WARN, "Cannot be undone"),
    # people
    "active": State("ok", OK, "Active"),
    "invited": State("wait", "clock-pause", "Invited"),
    "deactivated": State("idle", IDLE, "Deactivated"),
    # entries of the log
    "success": State("ok", OK, "Done"),
    "failure": State("warn", WARN, "Failed"),
    "denied": State("fail", "ban", "Denied"),
    # steps to do, and yes or no
    "done": State("ok", OK, "Done"),
    "next": State("run", "arrow-right", "Next"),
    "allowed": State("ok", OK, "Allowed"),
    "blocked": State("fail", "ban", "Blocked"),
}


def _time(moment, text: str) -> str:
    return f'<time datetime="{formats.iso(moment)}">{text}</time>'


def _distance(moment, now, css: str) -> str:
    return f'<span class="{css}">{formats.distance(moment, now)}</span>'


# How a moment is written: style -> (moment, now) -> HTML.
WHEN = {
    "full": lambda at, now: _time(at, formats.stamp(at)) + _distance(at, now, "sub"),
    "table": lambda at, now: _time(at, formats.short_stamp(at, now)) + _distance(at, now, "sub hide-sm"),
    "short": lambda at, now: _time(at, formats.short_stamp(at, now)),
    "text": lambda at, now: _time(at, formats.stamp(at)),
    "ago": lambda at, now: _time(at, formats.distance(at, now)),
    "clock": lambda at, now: _time(at, formats.stamp(at)[-12:-4]),
}


@lru_cache(maxsize=1)
def icon_names() -> frozenset[str]:
    return frozenset(re.findall(r'<symbol id="([^"]+)"', SPRITE.read_text(encoding="utf-8")))


def state_of(name: str) -> State:
    """How a state is shown. One that nobody knows must not blank a page: it is shown as it is called."""
    word = str(name).replace("_", " ").capitalize()
    return STATES.get(str(name), State("idle", IDLE, word))


@register.simple_tag
@cache  # a page has a hundred of them, and the address of the sprite does not change
def icon(name: str, css: str = "") -> str:
    """Raises LookupError for a name that is not in the sprite: it would be drawn as nothing."""
    if name not in icon_names():
        raise LookupError(f"The sprite has no icon {name!r}; see vendor/README.md on how to add it.")
    return format_html(
        '<svg class="{}" aria-hidden="true"><use href="{}#{}"/></svg>',
        f"i {css}".strip(),
        static("backups/vendor/icons.svg"),
        name,
    )


@register.simple_tag
@lru_cache(maxsize=500)
def pill(state: str, note: str = "", size: str = "", word: str = "") -> str:
    shown = state_of(state)
    return format_html(
        '<span class="{}">{}{}</span>',
        f"pill {shown.kind} {size}".strip(),
        icon(shown.icon, "spin" if shown.icon == RUN else ""),
        f"{word or shown.word} {note}".strip(),
    )


@register.simple_tag
def dot(state: str) -> str:
    """The mark of a step in ``ol.steps`` and ``ol.rows``."""
    shown = state_of(state)
    kind = "" if shown.kind == "idle" else shown.kind
    symbol = {OK: "check", FAIL: "x"}.get(shown.icon, shown.icon)
    return format_html(
        '<span class="{}">{}</span>', f"dot {kind}".strip(), icon(symbol, "spin" if symbol == RUN else "")
    )


@register.filter
def state_kind(state: str) -> str:
    """ok, run, warn ...: the colour class of a state, for ``<li class="{{ step.state|state_kind }}">``."""
    return state_of(state).kind


@register.filter
def state_word(state: str) -> str:
    return state_of(state).word


@register.simple_tag
def lane_words(states: list[str], what: str = "snapshot") -> str:
    """What a lane of marks says: last 3 snapshots, 2 verified, 1 failed."""
    counts = Counter(state_word(state).lower() for state in states)
    said = ", ".join(f"{count} {word}" for word, count in counts.most_common())
    return f"last {len(states)} {what}s, {said}" if len(states) > 1 else f"one {what}, {said[2:]}"


@register.filter
def setting(value) -> str:
    """A setting of a server: yes or no as people write it, whether it came as JSON or as text."""
    return {"true": "Yes", "false": "No"}.get(str(value).lower(), str(value))


@register.filter
def pretty(document) -> str:
    """A document as JSON that people can read."""
    return json.dumps(document, indent=2, ensure_ascii=False)


@register.filter
def log_css(level: str) -> str:
    """The colour class of a level in a log."""
    return {"done": "lo", "warning": "lw", "error": "le"}.get(str(level), "lv")


@register.simple_tag
def when(moment, style: str = "full", empty: str = "Never") -> str:
    if moment is None:
        return empty
    return mark_safe(WHEN[style](moment, timezone.now()))  # noqa: S308 figures and names of months


@register.simple_tag
def took(started, ended=None, empty: str = "Not started") -> str:
    if started is None:
        return empty
    if ended is None:
        return f"{formats.duration((timezone.now() - started).total_seconds())} so far"
    return formats.duration((ended - started).total_seconds())


@register.simple_tag
def size(count, empty: str = "not known") -> str:
    return empty if count is None else formats.size(count)


@register.simple_tag
def number(count, empty: str = "not known") -> str:
    return empty if count is None else formats.number(count)


@register.simple_tag
def percent(done, total) -> int:
    return formats.percent(done or 0, total or 0)


@register.simple_tag
def about(seconds) -> str:
    return formats.about(seconds)


class Field(BoundField):
    """A form field whose widget carries the classes of the design."""

    CSS = ((CheckboxSelectMultiple, ""), (RadioSelect, ""), (CheckboxInput, ""), (Select, "select"))

    def build_widget_attrs(self, attrs, widget=None):
        attrs = super().build_widget_attrs(attrs, widget)
        widget = widget or self.field.widget
        own = widget.attrs.get("class", "")
        attrs["class"] = f"{self._css(widget)} {own}".strip()
        return {name: value for name, value in attrs.items() if name != "class" or value}

    def _css(self, widget) -> str:
        if isinstance(widget, Textarea):
            return "textarea"
        return next((css for kind, css in self.CSS if isinstance(widget, kind)), "input")

    @property
    def is_check(self) -> bool:
        """One tick box, whose label stands behind it."""
        return isinstance(self.field.widget, CheckboxInput)

    @property
    def is_date(self) -> bool:
        return isinstance(self.field, DateField)

    @property
    def is_choice(self) -> bool:
        """Boxes or radio buttons, one below the other, in a group with a legend."""
        return isinstance(self.field.widget, (RadioSelect, CheckboxSelectMultiple))


class FieldRenderer(TemplatesSetting):
    """FORM_RENDERER: draws fields with ``ui/field.html``."""

    field_template_name = "ui/field.html"
    bound_field_class = Field

    def render(self, template_name, context, request=None) -> str:
        if template_name == Select.template_name and (drawn := select(**context["widget"])):
            return drawn
        return super().render(template_name, context, request)


def select(*, name: str, attrs: dict, optgroups: list, **_) -> str:
    """A choice as Django's templates draw it, which include two more for each option; empty where it has groups."""
    if any(title for title, _, _ in optgroups):
        return ""
    options = [(option["value"], flatatt(option["attrs"]), option["label"]) for _, (option,), _ in optgroups]
    drawn = format_html_join("\n", '<option value="{}"{}>{}</option>', options)
    return format_html('<select name="{}"{}>\n{}\n</select>', name, flatatt(attrs), drawn)
