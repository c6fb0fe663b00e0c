"""Names from templates, the rule for names, and the next free one.

A template is Elasticsearch's date math, resolved here so that people see the name before it is sent:
``<snapshot-{now/d}>`` is snapshot-2026.11.23, ``<logs-{now/M-1M{uuuu.MM|+01:00}}>`` last month in that zone.
Only a template in ``<`` and ``>`` is date math; any other text is a name as it stands.
"""

import calendar
import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

NAME_LIMIT = 128
DEFAULT_FORMAT = "uuuu.MM.dd"

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_PLACEHOLDER = re.compile(r"\{([^{}]*)(?:\{([^{}]*)\})?\}")
_STEP = re.compile(r"(/)([yMwdhHms])|([+-])([0-9]{0,9})([yMwdhHms])")
_PIECE = re.compile(r"([A-Za-z])\1*|[^A-Za-z]+")
_OFFSET = re.compile(r"([+-])([0-9]{2}):?([0-9]{2})")
_FORMATS = {"uuuu": "{0.year:04d}", "yyyy": "{0.year:04d}", "MM": "{0.month:02d}", "dd": "{0.day:02d}"}
_FORMATS |= {"HH": "{0.hour:02d}", "mm": "{0.minute:02d}", "ss": "{0.second:02d}"}
_LENGTHS = {"h": "hours", "H": "hours", "m": "minutes", "s": "seconds"}


class DateMathError(ValueError):
    """The template cannot be understood. The text says which piece."""


class BadName(ValueError):
    """The name would be refused, or would be dangerous to use. The text says why."""


def resolve(template: str, now: datetime) -> str:
    """The name that the template stands for at ``now`` (aware). A plain name is returned as it is."""
    if not (template.startswith("<") or template.endswith(">")):
        return template
    if not (template.startswith("<") and template.endswith(">")) or len(template) < 2:
        raise DateMathError("A template begins with < and ends with >, like <snapshot-{now/d}>.")
    inside = template[1:-1]
    rest = _PLACEHOLDER.sub("", inside)
    if "{" in rest or "}" in rest:
        raise DateMathError("The curly brackets do not match. Write it like <snapshot-{now/d}>.")
    try:
        return _PLACEHOLDER.sub(lambda found: _placeholder(found[1], found[2], now), inside)
    except (OverflowError, OSError):
        raise DateMathError("The date lies outside the years 1 to 9999. Use a smaller number.") from None


def check_name(name: str) -> str:
    """The name itself, when a snapshot or repository may be called so."""
    if not name:
        raise BadName("The name is empty.")
    if len(name) > NAME_LIMIT:
        raise BadName(f"The name has {len(name)} characters; at most {NAME_LIMIT} are allowed.")
    faults = []
    if any(character.isupper() for character in name):
        faults.append("upper-case letters. Use lower case only")
    if ".." in name:
        faults.append("two dots in a row. Use one")
    if not _NAME.fullmatch(name.lower()):
        faults.append(
            "a character that is not allowed. Use a to z, 0 to 9, dot, hyphen and underscore, and begin with a "
            "letter or a digit"
        )
    if faults:
        better = _mended(name)
        raise BadName(f"The name {name} has {'. It has '.join(faults)}{f': {better}' if better else ''}.")
    return name


def _mended(name: str) -> str:
    """The nearest name that passes; empty when nothing of it can stay."""
    plain = re.sub(r"[^a-z0-9._-]+", "-", name.lower())
    return re.sub(r"\.{2,}", ".", plain).strip("._-")


def propose(name: str, taken: Collection[str]) -> str:
    """The name, or when it is taken the next free one: name-2, name-3 and so on."""
    proposal, number = name, 1
    while proposal in taken:
        number += 1
        tail = f"-{number}"
        proposal = name[: NAME_LIMIT - len(tail)] + tail
    return proposal


def _placeholder(expression: str, form: str | None, now: datetime) -> str:
    form, _, zone = (DEFAULT_FORMAT if form is None else form).partition("|")
    return _formatted(_moment(expression, now.astimezone(_zone(zone))), form or DEFAULT_FORMAT)


def _moment(expression: str, moment: datetime) -> datetime:
    if not expression.startswith("now"):
        raise DateMathError(f"{{{expression}}} does not begin with now. Write it like {{now/d}} or {{now-1d}}.")
    position = len("now")
    while position < len(expression):
        step = _STEP.match(expression, position)
        if step is None:
            raise DateMathError(
                f"{expression[position:]} in {{{expression}}} is not understood. Use +1d or -2M to move and "
                "/d to round down, with y, M, w, d, h or m."
            )
        moment = _rounded(moment, step[2]) if step[1] else _moved(moment, int(f"{step[3]}{step[4] or 1}"), step[5])
        position = step.end()
    return moment


def _moved(moment: datetime, number: int, unit: str) -> datetime:
    """Days and longer move the calendar, hours and shorter move the clock."""
    if unit in _LENGTHS:
        return (moment.astimezone(UTC) + timedelta(**{_LENGTHS[unit]: number})).astimezone(moment.tzinfo)
    if unit in "wd":
        return moment + timedelta(days=number * (7 if unit == "w" else 1))
    months = moment.year * 12 + moment.month - 1 + number * (12 if unit == "y" else 1)
    year, month = divmod(months, 12)
    if not 1 <= year <= 9999:
        raise OverflowError
    last = calendar.monthrange(year, month + 1)[1]
    return moment.replace(year=year, month=month + 1, day=min(moment.day, last))


def _rounded(moment: datetime, unit: str) -> datetime:
    if unit in _LENGTHS:
        kept = "hms".index(unit.lower()) + 1
        names = ("minute", "second", "microsecond")[kept - 1 :]
        return moment.replace(**dict.fromkeys(names, 0))
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if unit == "d":
        return day
    if unit == "w":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1, month=1 if unit == "y" else day.month)


def _formatted(moment: datetime, form: str) -> str:
    return "".join(_written(moment, found[0], form) for found in _PIECE.finditer(form))


def _written(moment: datetime, piece: str, form: str) -> str:
    if piece in _FORMATS:
        return _FORMATS[piece].format(moment)
    if piece[0].isalpha():
        raise DateMathError(f"{piece} in the format {form} is not known. Use uuuu, MM, dd, HH, mm and ss.")
    return piece


def _zone(text: str) -> tzinfo:
    if text in ("", "Z"):
        return UTC
    if found := _OFFSET.fullmatch(text):
        offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
        if offset <= timedelta(hours=18):
            return timezone(offset if found[1] == "+" else -offset)
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise DateMathError(f"The time zone {text} is not known. Use +02:00 or Europe/Rome.") from None
