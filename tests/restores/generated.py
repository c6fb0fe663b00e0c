"""Generated situations in which a plan is held against reality: 12 in ``make test``, 60 in ``make test-long``."""

import os

import pytest

NUMBER, SHORT = 60, 12
SEED = int(os.environ.get("REALITY_SEED", "7"))


def cases(situations) -> list:
    """Those that ``situations(NUMBER, SEED)`` makes; REALITY_SEED makes others by chance."""
    long = pytest.mark.long("servers")
    made = enumerate(situations(NUMBER, SEED))
    return [pytest.param(one, marks=[] if number < SHORT else [long], id=str(one)) for number, one in made]
