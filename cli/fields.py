"""Times of the command line."""

from __future__ import annotations

from datetime import UTC, datetime

from insitu.errors import CorrectInput
from insitu.times import require_usual


def to_utc(when: datetime) -> datetime:
    """A time of the command line: UTC, or with an offset. CorrectInput for one that nobody means."""
    try:
        return require_usual(when).astimezone(UTC)
    except ValueError as error:
        raise CorrectInput(f"{error}.") from None
