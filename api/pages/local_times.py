"""Times that people type into a form, in the time zone that the page names."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from insitu.errors import CorrectInput
from insitu.times import require_usual
from insitu.zones import find_zone

_FORM: Final = "%Y-%m-%dT%H:%M"
"""Of an input of the type datetime-local."""


def read_local(text: str, time_zone: str) -> datetime:
    """The moment of a local time such as 2026-03-29T14:30. CorrectInput for another form, and for a time that
    a clock skips; of a time that comes twice the first one.
    """
    zone = find_zone(time_zone) or ZoneInfo("UTC")
    try:
        local = datetime.strptime(text.strip()[:16], _FORM).replace(tzinfo=zone)
        moment = require_usual(local).astimezone(UTC)
    except ValueError:
        raise CorrectInput(f"{text[:40]!r} is no time: write it as 2026-03-29T14:30.") from None
    if moment.astimezone(zone).strftime(_FORM) != local.strftime(_FORM):
        raise CorrectInput(f"{text[:16]} does not exist in {time_zone}: the clocks skip it.")
    return moment


def read_local_or_none(text: str, time_zone: str) -> datetime | None:
    """The same; None for an empty field."""
    return read_local(text, time_zone) if text.strip() else None


def write_local(moment: datetime | None, time_zone: str) -> str:
    """For the field of a form; empty for None."""
    zone = find_zone(time_zone) or ZoneInfo("UTC")
    return "" if moment is None else moment.astimezone(zone).strftime(_FORM)
