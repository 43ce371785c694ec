"""Numbers that loggers write for no result: -999, -9999, -7999, 999.9, 9.97e36. Counted, and asked about.
Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from insitu.errors import CorrectInput

_NINES: Final = (99, 999, 9999, 99999, 999999, 99.9, 99.99, 999.9, 999.99, 999.999, 9999.9, 9999.99)
_NUMBERS: Final = frozenset(
    {
        *(float(number) for number in _NINES),
        *(-float(number) for number in _NINES),
        *(
            -6999.0,
            6999.0,
            -7999.0,
            7999.0,
            -888.0,
            -888.8,
            -8888.0,
            -777.0,
            -7777.0,
            -1000.99,
            -1000.0,
            -127.0,
        ),
        *(-32768.0, 32767.0, 65535.0, -3276.8, 3276.7, 6553.5, -327.68, 327.67, 655.35, 6552.7, 65534.0),
        *(-2147483648.0, 2147483647.0, 4294967295.0, -99900.0, -9e9),
    }
)
_ENDLESS: Final = 1e19
"""Larger numbers than any result: fill values such as 9.96921e36."""
_FURTHER: Final = 3.0


@dataclass(slots=True)
class Numbers:
    """The numbers of one column."""

    low: float = float("inf")
    high: float = float("-inf")
    suspects: Counter[float] = field(default_factory=Counter)
    written: dict[float, str] = field(default_factory=dict)
    """How the file writes each suspect."""

    def add(self, number: float, cell: object) -> None:
        if number in _NUMBERS or _ENDLESS < abs(number) < float("inf"):
            self.suspects[number] += 1
            self.written.setdefault(number, str(cell).strip())
        elif abs(number) <= _ENDLESS:
            self.low, self.high = min(self.low, number), max(self.high, number)

    def far(self) -> dict[float, int]:
        """Suspects far from all other numbers, each with its count; a negative one needs less distance."""
        spread = max(self.high - self.low, 0.1 * max(abs(self.low), abs(self.high)))
        return {
            number: count
            for number, count in sorted(self.suspects.items())
            if self.low > self.high or number < self.low - spread or number > self.high + _FURTHER * spread
        }


def ask_sentinels(path: Path, numbers: Mapping[str, Numbers], keep: Sequence[str]) -> None:
    """Raises CorrectInput if numbers of a column look like marks for no result, unless `keep` has them."""
    kept = {_number(text) for text in keep}
    parts, texts = [], list[str]()
    for label, found in numbers.items():
        far = {number: count for number, count in found.far().items() if number not in kept}
        for number, count in far.items():
            text = found.written[number]
            parts.append(
                f"{count} {'result' if count == 1 else 'results'} of {label!r} "
                f"{'is' if count == 1 else 'are'} {text}"
            )
            texts += [text] if text not in texts else []
    if parts:
        missing, results = (
            " ".join(f"{option} {text}" for text in texts) for option in ("--missing", "--keep")
        )
        raise CorrectInput(
            f"{path}: {'; '.join(parts[:8])}. Loggers write such numbers for no result. Say "
            f"{missing} if that is meant, "
            f"or {results} if they are results."
        )


def _number(text: str) -> float:
    try:
        return float(text.strip().replace(",", "."))
    except ValueError as error:
        raise CorrectInput(f"--keep {text!r}: write a number, such as --keep -999.") from error
