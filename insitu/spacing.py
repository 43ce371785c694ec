"""The planned time between two results: a fixed time, or a number of calendar months.

A month has 28 to 31 days, and a day has 23 to 25 hours where the clocks change, so a spacing is no number of
seconds. `trials.series.edges` lays it on the local clock and calendar.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

_ISO: Final = re.compile(
    r"P(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+(?:\.\d+)?)D)?"
    r"(?P<time>T(?:(?P<hours>\d+(?:\.\d+)?)H)?(?:(?P<minutes>\d+(?:\.\d+)?)M)?"
    r"(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)
_NOTHING: Final = timedelta(0)
_DAY: Final = timedelta(days=1)
LONGEST: Final = timedelta(days=36_525)
_MOST_MONTHS: Final = 1200


@dataclass(frozen=True, slots=True)
class Spacing:
    """`months` calendar months, or `fixed` if that is 0. ValueError for one that is not longer than nothing,
    or longer than a hundred years.
    """

    fixed: timedelta = _NOTHING
    months: int = 0

    def __post_init__(self) -> None:
        if self.months <= 0 and self.fixed <= _NOTHING:
            raise ValueError("a time between two results must be longer than nothing")
        if self.months > _MOST_MONTHS or self.fixed > LONGEST:
            raise ValueError("a time between two results must be shorter than a hundred years")

    @classmethod
    def of(cls, given: Spacing | timedelta) -> Spacing:
        """The spacing itself, or the one of that fixed time."""
        return given if isinstance(given, Spacing) else cls(given)

    @classmethod
    def parse(cls, text: str) -> Spacing:
        """From ISO 8601: PT15M, PT1H, P1D, P1W; P1M and P1Y are calendar units and stand alone. ValueError
        says what to write.
        """
        if text.startswith("-"):
            raise ValueError("a time between two results must be longer than nothing")
        found = _ISO.fullmatch(text)
        if found is None or not any(found.groups()) or found["time"] == "T":
            raise ValueError(f"{text!r} is no interval: write PT15M, PT1H, P1D, P1W, P1M or P1Y")
        parts = {name: part for name, part in found.groupdict().items() if part and name != "time"}
        months = 12 * int(parts.pop("years", 0)) + int(parts.pop("months", 0))
        if months and parts:
            raise ValueError(
                f"{text!r} adds days or hours to months, which differ in length: write months alone, as P1M, "
                "or days alone, as P30D"
            )
        try:
            return cls(timedelta(**{name: float(part) for name, part in parts.items()}), months)
        except OverflowError:
            raise ValueError("a time between two results must be shorter than a hundred years") from None

    @property
    def about(self) -> timedelta:
        """Its length, with 30 days for a month and 365 for a year: an estimate, for a lateness or a count."""
        years, months = divmod(self.months, 12)
        return self.fixed + timedelta(days=365 * years + 30 * months)

    @property
    def about_us(self) -> int:
        """`about` in µs."""
        return self.about // timedelta(microseconds=1)

    def about_s(self) -> float:
        """`about` in s."""
        return self.about.total_seconds()

    @property
    def days(self) -> int:
        """Number of days if it is a whole number of them, else 0. Days are those of the calendar: PT24H is
        P1D.
        """
        return 0 if self.months or self.fixed % _DAY else self.fixed // _DAY

    @property
    def is_longer_than_a_day(self) -> bool:
        return self.about > _DAY

    def goes_into(self, longer: Spacing) -> bool:
        """Whether `longer` is always a whole number of these, on the local calendar."""
        if self.months:
            return longer.months % self.months == 0 and longer.months > 0
        if longer.months:
            return _DAY % self.fixed == _NOTHING
        return longer.fixed % self.fixed == _NOTHING

    def __str__(self) -> str:
        """ISO 8601, the same text for equal spacings."""
        if self.months:
            years, months = divmod(self.months, 12)
            return "P" + (f"{years}Y" if years else "") + (f"{months}M" if months else "")
        days, rest = divmod(self.fixed, _DAY)
        hours, rest = divmod(rest, timedelta(hours=1))
        minutes, rest = divmod(rest, timedelta(minutes=1))
        time = "".join(f"{count}{unit}" for count, unit in ((hours, "H"), (minutes, "M")) if count)
        if rest:
            time += f"{rest.total_seconds():f}".rstrip("0").rstrip(".") + "S"
        return "P" + (f"{days}D" if days else "") + (f"T{time}" if time else "")
