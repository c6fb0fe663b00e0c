"""A console on which nothing was done yet: its empty pages, looked at by axe in every way."""

import pytest

from tests.browser.pages import EMPTY
from tests.browser.person import DESK, PHONE

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["1440", "390"])
def test_axe_finds_nothing_on_an_empty_page(person, theme, size):
    found = []
    for who in sorted({who for who, _ in EMPTY.values()}):
        one = person(who, size=size, theme=theme)
        for name, (opener, path) in EMPTY.items():
            if opener == who:
                page = one.open(path)
                assert page.locator(".empty, #h-setup").first.is_visible(), name
                found += [f"{name}: {line}" for line in one.axe()]
    assert found == []
