"""console.js in a real browser, under the product's content security policy, with a console that is played."""

import mimetypes
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.template import engines

from backups.web.middleware import HEADERS

ANSWERED = """() => { window.answered = new Promise((done) =>
    document.addEventListener("htmx:afterRequest", done, { once: true })); }"""
NOON = "2026-11-22T12:00:00Z"
EARLIER = "2026-11-22T11:00:00Z"
HOST = "https://console.test"
STATIC = Path(__file__).parents[2] / "backups/static"
PAGE = '{% extends "plain.html" %}{% block title %}Test{% endblock %}{% block content %}CONTENT{% endblock %}'
LIVE = '<section id="live" hx-get="/live/" hx-trigger="every 2s" hx-swap="outerHTML">FIGURES</section>'


class Played:
    """A page and the console behind it: ``answers`` maps a path to (status, body)."""

    def __init__(self, page) -> None:
        self.page, self.answers, self.asked, self.headers = page, {}, Counter(), {}
        page.route("**/*", self._answer)

    def _answer(self, route) -> None:
        path = urlsplit(route.request.url).path
        if path.startswith("/static/"):
            file = STATIC / path.removeprefix("/static/")
            kind = mimetypes.guess_type(file.name)[0] or "font/woff2"
            return route.fulfill(body=file.read_bytes(), content_type=kind, headers={"Content-Type": kind})
        self.asked[path] += 1
        self.headers[path] = route.request.headers
        status, body = self.answers.get(path, (404, ""))
        return route.fulfill(status=status, body=body, headers=HEADERS | {"Content-Type": "text/html"})

    def show(self, content: str, **context):
        """Open a page with this content, with a clock that stands until ``after`` moves it."""
        source = PAGE.replace("CONTENT", content)
        self.answers["/"] = (200, engines["django"].from_string(source).render({"csrf_token": "t0ken"} | context))
        self.page.clock.install(time=EARLIER)  # it goes until it is paused, so not from NOON on
        self.page.clock.pause_at(NOON)
        self.page.goto(HOST)
        return self.page

    def after(self, seconds: float) -> None:
        self.page.clock.run_for(seconds * 1000)

    def next_poll(self, path: str = "/live/", *, settled: bool = False) -> None:
        """Let two seconds pass, and wait until the answer to what is asked then has been dealt with."""
        before = self.asked[path]
        self.page.evaluate(ANSWERED)
        self.after(2)
        self.page.evaluate("window.answered.then(() => null)")
        assert self.asked[path] == before + 1
        if settled:
            self.after(0.1)  # htmx makes what it has swapped in live a moment later

    def two_seconds(self, polls: bool) -> int:
        """Let two seconds pass, in which the page polls or does not; how often it has asked by then."""
        if polls:
            self.next_poll()
        else:
            self.after(2)
            self.page.evaluate("fetch('/')")  # whatever was sent before this has arrived by then
        return self.asked["/live/"]


@pytest.fixture
def played(browser):
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"], timezone_id="UTC")
    page = context.new_page()
    troubles = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text) if "Security Policy" in message.text else None)
    yield Played(page)
    context.close()
    assert troubles == []


def pressed(page, selector: str) -> str:
    return page.locator(selector).get_attribute("aria-pressed")


# --- live parts -----------------------------------------------------------------------------------------


def test_htmx_does_nothing_that_the_policy_forbids(played):
    page = played.show("")

    assert page.evaluate("[htmx.config.includeIndicatorStyles, htmx.config.allowEval, htmx.config.allowScriptTags,"
                         "htmx.config.selfRequestsOnly, htmx.config.historyCacheSize]") == [
        False, False, False, True, 0,
    ]  # fmt: skip


def test_a_live_part_replaces_itself_until_it_comes_without_an_address(played):
    page = played.show(LIVE)

    played.answers["/live/"] = (204, "")
    played.next_poll()
    assert page.locator("#live").text_content() == "FIGURES"

    played.answers["/live/"] = (200, LIVE.replace("FIGURES", "62%"))
    played.next_poll(settled=True)
    assert page.locator("#live").text_content() == "62%"

    played.answers["/live/"] = (200, '<section id="live">100%</section>')
    played.next_poll(settled=True)
    asked = played.asked["/live/"]
    played.after(10)
    assert page.locator("#live").text_content() == "100%"
    assert played.asked["/live/"] == asked


def test_polls_say_that_they_are_polls_and_carry_the_token(played):
    played.answers["/live/"] = (204, "")
    played.show(LIVE)

    played.next_poll()

    assert played.headers["/live/"]["x-poll"] == "1"
    assert played.headers["/live/"]["x-csrftoken"] == "t0ken"


def test_a_form_that_comes_back_with_errors_is_shown(played):
    played.answers["/check/"] = (422, '<p id="answer">Write a name.</p>')
    page = played.show('<form hx-post="/check/" hx-swap="outerHTML"><button>Check</button></form>')

    page.get_by_role("button", name="Check").click()

    assert page.locator("#answer").text_content() == "Write a name."
    assert "x-poll" not in played.headers["/check/"]


@pytest.mark.parametrize("status", [403, 500])
def test_a_form_without_a_usable_answer_says_so(played, status):
    played.answers["/check/"] = (status, "<p>a whole page</p>")
    page = played.show('<form hx-post="/check/"><button>Check</button></form>')

    page.get_by_role("button", name="Check").click()

    page.locator("#trouble-note").wait_for()
    assert "This did not work" in page.locator("#trouble-note").text_content()
    assert "a whole page" not in page.content()


def test_a_script_in_a_fragment_does_not_run(played):
    played.answers["/live/"] = (200, '<section id="live">new<script>window.ran = true</script></section>')
    page = played.show(LIVE)

    played.next_poll(settled=True)

    assert page.locator("#live").text_content() == "new"
    assert page.evaluate("window.ran") is None


def test_tries_become_rare_after_errors_and_frequent_again_after_an_answer(played):
    played.answers["/live/"] = (502, "")
    played.show(LIVE)

    # Seconds 2 to 16: each error doubles the wait, from 2 s.
    asked = [played.two_seconds(polls) for polls in (True, True, False, True, False, False, False, True)]
    assert asked == [1, 2, 2, 3, 3, 3, 3, 4]

    played.answers["/live/"] = (204, "")
    played.after(14)
    asked = [played.two_seconds(True) for _ in range(3)]
    assert asked == [5, 6, 7]


def test_old_figures_say_that_they_are_old(played):
    played.answers["/live/"] = (502, "")
    page = played.show(LIVE)

    for polls in (True, True, False, True):  # eight seconds without an answer
        played.two_seconds(polls)
    assert page.locator("#stale-note").count() == 0

    played.after(6)
    played.next_poll()
    note = page.locator("#stale-note").text_content()
    assert "No answer from the console" in note
    assert "Trying again every 16 s" in note

    played.answers["/live/"] = (204, "")
    played.after(14)
    played.next_poll()
    assert page.locator("#stale-note").count() == 0


@pytest.mark.parametrize("how", ["hidden", "paused"])
def test_nobody_is_asked_while_nobody_looks(played, how):
    played.answers["/live/"] = (204, "")
    page = played.show(LIVE + '<button type="button" data-pause aria-pressed="false">Pause updates</button>')
    if how == "paused":
        page.get_by_role("button", name="Pause updates").click()
    else:
        page.evaluate("Object.defineProperty(document, 'hidden', {value: true, writable: true})")

    played.after(20)
    assert played.asked["/live/"] == 0

    if how == "paused":
        page.get_by_role("button", name="Pause updates").click()
    else:
        page.evaluate("document.hidden = false")
    played.next_poll()
    assert played.asked["/live/"] == 1


def test_only_what_is_marked_and_new_is_spoken(played):
    played.answers["/live/"] = (200, LIVE.replace("<section", '<section data-say="Snapshot: 50%"'))
    page = played.show(LIVE)

    played.next_poll(settled=True)

    assert page.locator("#announce").text_content() == "Snapshot: 50%"


# --- log ------------------------------------------------------------------------------------------------

LINES = "".join(
    f'<li id="L{n}" class="{"e" if n % 10 == 0 else "w" if n % 5 == 0 else ""}"><a href="#L{n}">{n}</a>'
    f"<time>09:00:00</time><span>INFO</span><span>line number {n}</span></li>"
    for n in range(1, 61)
)
LOG = f"""<section data-log>
<button type="button" data-log-follow aria-pressed="true">Follow</button>
<button type="button" data-log-wrap aria-pressed="true">Wrap</button>
<button type="button" data-copy="#lines"><b>+</b>Copy</button>
<input type="search" aria-label="Find" data-log-find>
<span><button type="button" data-level="" aria-current="true">All</button>
<button type="button" data-level="w e">Warnings</button><button type="button" data-level="e">Errors</button></span>
<div class="log" tabindex="0"><ol id="lines">{LINES}
<li class="cursor" hx-get="/lines/" hx-trigger="every 2s" hx-swap="outerHTML">Waiting</li></ol></div></section>"""


def shown(page) -> int:
    return page.locator("#lines li[id]:visible").count()


def test_a_log_shows_what_is_looked_for(played):
    page = played.show(LOG)

    page.get_by_label("Find").fill("NUMBER 6")
    assert shown(page) == 2
    page.get_by_label("Find").fill("")
    page.get_by_role("button", name="Warnings").click()
    assert shown(page) == 12
    page.get_by_role("button", name="Errors").click()
    assert shown(page) == 6
    page.get_by_role("button", name="All").click()
    assert shown(page) == 60


def test_new_lines_keep_to_the_filter_and_old_ones_go(played):
    many = "".join(f'<li id="N{n}" class="e">new {n}</li>' for n in range(490))
    played.answers["/lines/"] = (200, many)
    page = played.show(LOG)
    page.get_by_role("button", name="Errors").click()

    played.next_poll("/lines/", settled=True)

    assert page.locator("#lines li").count() == 500
    assert shown(page) == 491


def test_a_log_is_followed_until_somebody_scrolls_up(played):
    page = played.show(LOG)
    log = page.locator(".log")
    below = "(log) => log.scrollHeight - log.scrollTop - log.clientHeight"
    assert log.evaluate(below) < 2

    log.evaluate("(log) => { log.scrollTop = 0; }")
    page.locator('[data-log-follow][aria-pressed="false"]').wait_for()

    page.keyboard.press("f")
    assert pressed(page, "[data-log-follow]") == "true"
    assert log.evaluate(below) < 2


def test_long_lines_can_stay_on_one_line(played):
    page = played.show(LOG)

    page.get_by_role("button", name="Wrap").click()

    assert page.locator("#lines li.nowrap").count() == 60


def test_copy(played):
    page = played.show(LOG)

    page.get_by_role("button", name="Copy").click()

    page.get_by_role("button", name="Copied").wait_for()
    assert "line number 60" in page.evaluate("navigator.clipboard.readText()")


# --- hands ----------------------------------------------------------------------------------------------


def test_times_tell_the_readers_zone(played):
    page = played.show(
        '<time datetime="2026-07-22T09:30:04Z">22 Jul 09:30</time>', user={"time_zone": "Europe/Malta"}
    )

    assert page.locator("time").get_attribute("title") == (
        "2026-07-22 09:30:04 UTC\n22 Jul 2026, 11:30:04 in Europe/Malta"
    )


def test_a_name_must_be_typed_before_the_button_works(played):
    page = played.show(
        '<form><input aria-label="Name" data-typed-name="nightly-[1]"><button type="submit">Delete</button></form>'
    )
    button = page.get_by_role("button", name="Delete")
    assert button.is_disabled()

    page.get_by_label("Name").fill("nightly-1")
    assert button.is_disabled()
    page.get_by_label("Name").fill("nightly-[1]")
    assert button.is_enabled()


def test_a_toast_goes_by_itself_but_not_while_it_is_read(played):
    page = played.show('<div class="toast" data-toast>Started<button type="button" data-dismiss>x</button></div>')

    page.get_by_role("button", name="x").focus()
    played.after(30)
    assert page.locator(".toast").count() == 1

    page.get_by_role("button", name="x").blur()
    played.after(3)
    assert page.locator(".toast").count() == 0


def test_a_toast_can_be_closed(played):
    page = played.show('<div class="toast" data-toast>Started<button type="button" data-dismiss>x</button></div>')

    page.get_by_role("button", name="x").click()

    assert page.locator(".toast").count() == 0


def test_focus_goes_to_the_summary_of_errors(played):
    page = played.show('<section tabindex="-1" data-focus id="summary">Not saved</section>')

    assert page.evaluate("document.activeElement.id") == "summary"


SHELL = """<div class="main"><div class="search"><input class="input" aria-label="Search"></div>
<nav class="nav"><a href="/runs/" data-key="r">Runs</a></nav>
<table class="table"><tbody><tr><td><a href="#1" id="one">1</a></td></tr><tr><td><a href="#2" id="two">2</a></td></tr>
</tbody></table></div>{% include "ui/shortcuts.html" %}"""


def focused(page) -> str:
    return page.evaluate("document.activeElement.id || document.activeElement.getAttribute('aria-label') || ''")


def test_keys_move_between_rows_and_to_the_search(played):
    page = played.show(SHELL)

    for key, there in [("j", "one"), ("j", "two"), ("k", "one"), ("/", "Search")]:
        page.keyboard.press(key)
        assert focused(page) == there


def test_two_keys_open_a_section(played):
    played.answers["/runs/"] = (200, "<title>Runs</title>")
    page = played.show(SHELL)

    page.keyboard.press("g")
    page.keyboard.press("r")

    page.wait_for_url("**/runs/")


def test_keys_are_letters_while_somebody_writes(played):
    page = played.show(SHELL)
    page.get_by_label("Search").focus()

    page.keyboard.type("j?/gr")

    assert page.get_by_label("Search").input_value() == "j?/gr"
    assert not page.locator("#shortcuts").is_visible()


def test_keys_can_be_listed_and_switched_off(played):
    page = played.show(SHELL)

    page.keyboard.press("?")
    page.get_by_label("Use shortcuts in this browser").uncheck()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("j")

    assert focused(page) != "one"
    page.reload()
    assert not page.locator("[data-shortcuts-on]").is_checked()


def test_a_menu_closes_with_escape_and_gives_the_focus_back(played):
    page = played.show('<details class="dd"><summary id="theme">Theme</summary><button>Dark</button></details>')
    page.locator("summary").click()

    page.keyboard.press("Escape")

    assert page.locator("details[open]").count() == 0
    assert focused(page) == "theme"


# --- errors -----------------------------------------------------------------------------------------------


def test_a_raw_cause_is_copied_from_the_details_that_its_button_stands_in(played):
    one = "<details open><summary>Technical details</summary><pre>{}</pre><button data-copy>Copy</button></details>"
    page = played.show(one.format("first") + one.format("second"))

    page.get_by_role("button", name="Copy").nth(1).click()

    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == "second"


def test_a_form_that_is_asked_anew_forgets_what_it_said_before(played):
    page = played.show(
        '<form><section class="note fail" data-focus tabindex="-1">Not registered</section>'
        '<div class="field bad"><label for="name">Name</label><input id="name" aria-invalid="true" value="mine">'
        '<div id="name_error"><p class="err">Taken</p></div></div>'
        '<button type="button" hx-post="/check/" hx-target="#check">Check</button></form><p id="check"></p>'
    )
    played.answers["/check/"] = (200, "Every node can write there.")
    assert page.get_by_text("Taken").is_visible()

    page.get_by_role("button", name="Check").click()

    page.get_by_text("Every node can write there.").wait_for()
    assert page.locator(".note.fail, .err, .bad, [aria-invalid]").count() == 0
    assert page.get_by_label("Name").input_value() == "mine"


def test_a_preview_that_asks_beside_a_form_leaves_what_it_says(played):
    page = played.show(
        '<form><div class="field bad"><label for="path">Folder</label><input id="path" aria-invalid="true">'
        '<p class="err">Write a folder.</p></div>'
        '<span hidden data-aside hx-post="/preview/" hx-trigger="input from:#path" hx-target="#preview"></span>'
        '</form><p id="preview"></p>'
    )
    played.answers["/preview/"] = (200, "214 files")

    page.get_by_label("Folder").fill("/opt")

    page.get_by_text("214 files").wait_for()
    assert page.get_by_text("Write a folder.").is_visible()
    assert page.locator(".bad, [aria-invalid]").count() == 2


# --- the end of a session -------------------------------------------------------------------------------


def test_the_end_of_a_session_is_said_two_minutes_before_and_can_be_put_off(played):
    page = played.show("", console={"session_ends_in": 600})
    page.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<input id=written>')")
    page.locator("#written").fill("What I wrote")
    played.after(470)
    assert page.locator("#session-note").count() == 0
    played.after(15)
    assert page.locator("#session-note h2").text_content() == "Your session ends in 2 minutes"

    played.answers["/account/"] = (200, '<html lang="en" data-session="1800">')
    page.get_by_role("button", name="Stay signed in").click()
    page.locator("#session-note").wait_for(state="detached")
    assert page.locator("#written").input_value() == "What I wrote"
    played.after(1685)
    assert page.locator("#session-note").count() == 1

    played.answers["/account/"] = (200, '<html lang="en">')
    page.get_by_role("button", name="Stay signed in").click()
    page.get_by_role("heading", name="Your session has ended").wait_for()
    assert page.locator("#written").input_value() == "What I wrote"
