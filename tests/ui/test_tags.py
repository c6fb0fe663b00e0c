import re
from datetime import UTC, datetime, timedelta

import pytest
from django.template import engines
from django.template.loader import render_to_string
from django.utils import timezone

from backups.audit.models import Outcome
from backups.clusters import models as clusters
from backups.repositories import models as repositories
from backups.runs.models import Level, RunLogLine, RunState, StepState
from backups.snapshots.models import SnapshotState
from backups.templatetags import ui

MODULES = (clusters, repositories)


def draw(source: str, **context) -> str:
    return engines["django"].from_string(source).render(context)


def every_state() -> set[str]:
    """Every value of every closed list of states in the models."""
    lists = [RunState, StepState, SnapshotState, Outcome]
    for module in MODULES:
        lists += [kind for name, kind in vars(module).items() if name.endswith(("State", "Health"))]
    return {value for kind in lists for value in kind.values}


def test_an_icon_is_a_symbol_of_the_sprite():
    html = draw('{% icon "check" "i-sm" %}')

    assert html == (
        '<svg class="i i-sm" aria-hidden="true"><use href="/static/backups/vendor/icons.svg#check"/></svg>'
    )


def test_an_unknown_icon_is_an_error():
    with pytest.raises(LookupError, match="no icon 'unicorn'"):
        draw('{% icon "unicorn" %}')


def test_a_pill_has_icon_word_and_colour():
    html = draw('{% pill "running" note="62%" size="lg" %}')

    assert '<span class="pill run lg">' in html
    assert "#loader-2" in html
    assert "Running 62%" in html


def test_a_state_nobody_knows_is_shown_as_it_is_called():
    html = draw("{% pill state %}", state="half_done<b>")

    assert '<span class="pill idle">' in html
    assert "Half done&lt;b&gt;" in html


def test_every_state_of_the_models_has_a_word_and_an_icon():
    assert every_state() - set(ui.STATES) == set()


@pytest.mark.parametrize("name", sorted(ui.STATES))
def test_the_icon_of_a_state_exists(name):
    assert ui.STATES[name].icon in ui.icon_names()
    assert ui.STATES[name].kind in {"ok", "run", "wait", "warn", "fail", "idle"}


def test_dots_use_the_plain_marks():
    assert 'class="dot ok"' in draw('{% dot "succeeded" %}')
    assert "#check" in draw('{% dot "succeeded" %}')
    assert 'class="dot"' in draw('{% dot "waiting" %}')


@pytest.mark.parametrize("style", sorted(ui.WHEN))
def test_a_time_always_carries_its_utc_form(style):
    moment = timezone.now() - timedelta(minutes=12)

    html = draw("{% when moment style %}", moment=moment, style=style)

    assert re.search(r'<time datetime="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ">', html)
    assert ("12\N{NO-BREAK SPACE}min ago" in html) == (style in {"full", "table", "ago"})


def test_clock_times_are_hours_minutes_and_seconds():
    html = draw('{% when moment "clock" %}', moment=datetime(2026, 11, 22, 9, 5, 7, tzinfo=UTC))

    assert ">09:05:07</time>" in html


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{% when none %}", "Never"),
        ('{% when none empty="Not yet" %}', "Not yet"),
        ("{% took none %}", "Not started"),
        ("{% size none %}", "not known"),
        ('{% number none empty="–" %}', "–"),
        ("{% percent none none %}", "0"),
    ],
)
def test_what_is_not_known_has_words(source, text):
    assert draw(source, none=None) == text


def test_what_still_runs_says_so_far():
    start = timezone.now() - timedelta(minutes=12, seconds=30)

    assert draw("{% took start %}", start=start).endswith(" so far")
    assert draw("{% took start end %}", start=start, end=start + timedelta(seconds=48)) == ("48\N{NO-BREAK SPACE}s")


@pytest.mark.parametrize("level", Level.values)
def test_a_log_line_has_its_level_in_words_and_in_colour(level):
    line = RunLogLine(number=7, at=timezone.now(), level=level, text="<script>")

    html = render_to_string("ui/log_line.html", {"line": line})

    assert '<li id="L7"' in html
    assert (' class="w"' in html, ' class="e"' in html) == (level == "warning", level == "error")
    assert html.count(Level(level).label) == 2  # one of them is for phones
    assert "&lt;script&gt;" in html
