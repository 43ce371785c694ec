"""The bars of a strip of days, as paths: one for each style, because a fleet page has thousands of bars."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, Protocol

from markupsafe import Markup

STEP: Final = 7
"""From one bar to the next; a bar is 5 wide, and 18 high at most."""


class Day(Protocol):
    @property
    def share(self) -> float | None: ...

    @property
    def level(self) -> str: ...


def draw_strip(days: Iterable[Day]) -> Markup:
    """A bar for each day: its height is the share, and a line where nothing was planned."""
    return _drawn(
        tuple(
            ("none", 2.0) if day.share is None else (day.level, round(max(1.5, 18 * day.share), 1))
            for day in days
        )
    )


@lru_cache(maxsize=10_000)
def _drawn(bars: tuple[tuple[str, float], ...]) -> Markup:
    """Most devices of a fleet have one of a few strips."""
    paths: dict[str, list[str]] = {}
    for place, (style, height) in enumerate(bars):
        if style != "none":
            paths.setdefault("bed", []).append(f"M{place * STEP} 1h5v18h-5z")
        paths.setdefault(style, []).append(f"M{place * STEP} {19 - height:g}h5v{height:g}h-5z")
    drawn = (f'<path class="{style}" d="{"".join(parts)}"/>' for style, parts in paths.items())
    return Markup("".join(drawn))  # noqa: S704 - numbers and styles of our own
