"""Did `/readyz` say what a device saw? Second by second, within 5 s, both ways. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

WITHIN_S = 5.0
GOOD_S = 0.5
"""A probe whose row is there within this time met no fault; a slower one is evidence for neither side."""


@dataclass(frozen=True)
class Look:
    """`/readyz` said `ready` at this time (seconds since 1970). None: it did not answer, because the pages
    were just starting.
    """

    at: float
    ready: bool | None


@dataclass(frozen=True)
class Trial:
    """A fresh device tried from `at` to `ended`. Its row was there after `took` seconds; None: it failed, and
    `why` says the reason.
    """

    at: float
    ended: float
    took: float | None
    why: str = ""

    @property
    def good(self) -> bool:
        return self.took is not None and self.took <= GOOD_S

    @property
    def bad(self) -> bool:
        return self.took is None


@dataclass(frozen=True)
class Second:
    """At `at`, `/readyz` `said` one thing and all `trials` showed the other."""

    at: float
    said: bool | None
    trials: tuple[Trial, ...]

    def text(self) -> str:
        """The trials with their times before the look."""
        told = (
            f"{self.at - one.at:.1f} s before: {one.why or f'row after {one.took:.2f} s'}"
            for one in self.trials
        )
        return f"at {self.at:.1f} `/readyz` said {self.said}; " + ", ".join(told)


@dataclass(frozen=True)
class Agreement:
    seconds: int
    silent: int
    disagreed: list[Second]

    def line(self) -> str:
        silent = f", {self.silent} without an answer" if self.silent else ""
        return f"{self.seconds - len(self.disagreed)} of {self.seconds} seconds{silent}"


def compare(looks: Sequence[Look], trials: Sequence[Trial]) -> Agreement:
    """A look disagrees if it contradicts all trials of the 5 s before it and also the next one: a fault may
    have struck in between.
    """
    disagreed: list[Second] = []
    seconds: set[int] = set()
    silent = 0
    ordered = sorted(trials, key=lambda trial: trial.at)
    begins, ends = [trial.at for trial in ordered], [trial.ended for trial in ordered]
    for look in sorted(looks, key=lambda look: look.at):
        first, after = bisect_left(ends, look.at - WITHIN_S), bisect_right(begins, look.at)
        if int(look.at) in seconds or not begins or look.at < begins[0] + WITHIN_S:
            continue
        seconds.add(int(look.at))
        silent += look.ready is None
        recent = ordered[first : after + 1]
        wrong = all(trial.bad for trial in recent) if look.ready else all(trial.good for trial in recent)
        if look.ready is not None and wrong:
            disagreed.append(Second(look.at, look.ready, tuple(recent)))
    return Agreement(len(seconds), silent, disagreed)
