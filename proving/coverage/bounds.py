"""The bounds of docs/validation.md, and the numbers beyond them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from proving.coverage.forecasts import Foretold
from proving.coverage.intervals import POWER, Measured
from proving.coverage.looks import MOST as MOST_EXCLUDED
from proving.coverage.looks import Looked
from proving.coverage.missing import Judged
from proving.coverage.seasons import CHANGE, Drifted

Result = Measured | Looked | Judged | Foretold | Drifted
LEAST: Final = 0.93
"""Coverage of nominal .95 in every cell."""
LEAST_MEAN: Final = 0.945
"""Mean coverage over the cells of a world."""
MOST_FALSE: Final = 0.025
"""False verdicts on one side, beside three standard errors."""
CONSERVATIVE: Final = 0.985
"""Above this coverage a cell is called conservative, with its width ratio."""
ENOUGH: Final = 100
"""Answers that a cell needs before they are judged by themselves."""
WIDEST: Final = 1.6
"""Median half-width ÷ that of somebody who knows φ and σ, in the cells of `PROMISED`."""
PROMISED: Final = [("limit_daily", phi, days) for days in (29, 30) for phi in (0.5, 0.7)]


class Beyond(NamedTuple):
    """One number beyond its bound."""

    where: str
    what: str
    found: float
    bound: float
    error: float = 0.0
    """Standard error of the measurement; 0 where it is not known, infinite for too few answers to judge."""

    @property
    def is_certain(self) -> bool:
        """By more than three standard errors."""
        return abs(self.found - self.bound) > 3 * self.error

    def __str__(self) -> str:
        digits = 0 if self.bound >= ENOUGH else 2 if self.bound > 1 else 3 if self.bound > 0.1 else 4
        side = "under" if self.found < self.bound else "over"
        error = f" ± {self.error:.{digits}f}" if 0 < self.error < np.inf else ""
        return f"{self.where}: {self.what} {self.found:.{digits}f}{error}, {side} {self.bound:.3g}"


def most_false(answered: int) -> float:
    """2.5 % a side plus three standard errors."""
    return MOST_FALSE + 3 * error_of(MOST_FALSE, answered)


def of_results(found: Sequence[Result]) -> list[Beyond]:
    """Everything beyond a bound; the forecasts have none."""
    return [
        *of_worlds([one for one in found if isinstance(one, Measured)]),
        *of_looks(one for one in found if isinstance(one, Looked)),
        *of_silence(one for one in found if isinstance(one, Judged)),
        *of_seasons(one for one in found if isinstance(one, Drifted)),
    ]


def is_beyond(found: Result) -> bool:
    """Whether a cell is beyond a bound by itself, or has too few answers to say."""
    return bool(list(_of_cell(found)) if isinstance(found, Measured) else of_results([found]))


def of_worlds(found: Sequence[Measured]) -> list[Beyond]:
    """Cells of worlds, then the means of each world."""
    return [*(beyond for one in found for beyond in _of_cell(one)), *_of_means(found)]


def _of_cell(one: Measured) -> Iterator[Beyond]:
    where = named(one)
    of = one.asked if one.spaced else one.answered
    if not one.spaced and one.answered < ENOUGH:
        yield Beyond(where, "answered", one.answered, ENOUGH, np.inf)
        return
    for name, counts in one.counts.items():
        holding, wrong, bound = one.holding(name), one.wrong(name), most_false(of)
        if holding < LEAST:
            yield Beyond(where, f"`{name}` covers", holding, LEAST, error_of(holding, of))
        if wrong > bound:
            yield Beyond(where, f"`{name}` decides wrongly on one side in", wrong, bound)
        if one.cell.treated and one.answered >= ENOUGH and counts.power < POWER:
            error = error_of(counts.power, one.answered)
            yield Beyond(where, f"`{name}` has at the planned effect power", counts.power, POWER, error)
        width = one.width(name)
        if (one.world, one.cell.phi, one.cell.days) in PROMISED and (width is None or width > WIDEST):
            yield Beyond(where, f"`{name}` has a width of", np.inf if width is None else width, WIDEST)
    if not one.cell.treated and one.met > most_false(of):
        yield Beyond(where, "`met` in", one.met, most_false(of))


def _of_means(found: Sequence[Measured]) -> Iterator[Beyond]:
    for world in dict.fromkeys(one.world for one in found):
        cells = [one for one in found if one.world == world and one.cell.treated]
        for name, coverage in means(cells):
            if coverage < LEAST_MEAN:
                error = error_of(coverage, sum(one.answered for one in cells))
                yield Beyond(world, f"`{name}` covers on average", coverage, LEAST_MEAN, error)


def of_looks(found: Iterable[Looked]) -> list[Beyond]:
    """Cells in which ten looks exclude the truth more often than one may, beyond three standard errors."""
    return [
        Beyond(
            f"ten looks, {one.world}, φ {one.phi:g}, {one.days} days",
            "the truth is excluded in",
            one.always_valid,
            bound,
        )
        for one in found
        if one.always_valid > (bound := MOST_EXCLUDED + 3 * error_of(MOST_EXCLUDED, one.replications))
    ]


def of_silence(found: Iterable[Judged]) -> list[Beyond]:
    """Cells with too many wrong verdicts on a side among the trials that the gate lets through; among all
    where these are few.
    """
    return list(_of_silence(found))


def _of_silence(found: Iterable[Judged]) -> Iterator[Beyond]:
    for one in (one for one in found if not one.cell.effect):
        answered = round(one.answered * one.replications)
        of = answered if answered >= ENOUGH else one.replications
        for kind, share in (("met", one.met), ("not_met", one.not_met)):
            wrong = share * one.replications / of
            if wrong > most_false(of):
                cell = one.cell
                where = f"{cell.name}, φ {cell.phi:g}, {100 * cell.share:g} % lost ({cell.lost})"
                yield Beyond(where, f"`{kind}` in", wrong, most_false(of))


def of_seasons(found: Iterable[Drifted]) -> Iterator[Beyond]:
    """Seasons in which nothing was done that are `met` too often."""
    for one in found:
        cell, most = one.cell, most_false(one.replications)
        if cell.shape != CHANGE and one.met > most:
            where = f"{cell.name}, {cell.shape}, {cell.before} and {cell.after} days"
            yield Beyond(where, "`met` in", one.met, most)


def by_statistic(found: Sequence[Measured]) -> dict[str, list[Measured]]:
    """Statistic → its cells with enough answers."""
    enough = [one for one in found if (one.spaced or one.answered >= ENOUGH) and one.cell.treated]
    names = dict.fromkeys(name for one in enough for name in one.counts)
    return {name: [one for one in enough if name in one.counts] for name in names}


def means(found: Sequence[Measured]) -> list[tuple[str, float]]:
    """Statistic → mean coverage of its cells."""
    return [
        (name, float(np.mean([one.holding(name) for one in of]))) for name, of in by_statistic(found).items()
    ]


def named(one: Measured) -> str:
    number = f"{one.cell.days} {'values' if one.spaced else 'days'}"
    return f"{one.world}, φ {one.cell.phi:g}, {number}{trended(one)}"


def trended(one: Measured) -> str:
    return (f", trend of {one.cell.trend:g} SD" if one.cell.trend else "") + (
        "" if one.cell.treated else ", nothing done"
    )


def error_of(share: float, n: int) -> float:
    """Standard error of a share of `n` replications."""
    return float(np.sqrt(share * (1 - share) / n))
