"""The one list of cells: `make nightly` asserts each of them, and docs/validation.md is written from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np

from insitu.model import Verdict
from proving.coverage import forecasts, intervals, looks, missing, seasons
from proving.coverage.bounds import Result
from proving.coverage.forecasts import Forecast, Foretold
from proving.coverage.intervals import Counts, Ends, Measured
from proving.coverage.looks import Looked
from proving.coverage.missing import Judged, Silent
from proving.coverage.seasons import Drifted, Season
from simulators.worlds.cell import Cell, World
from simulators.worlds.register import WORLDS, cells, looked
from simulators.worlds.spaced import spaced
from trials.plan.parts import WORST_PERCENTILE

OPENING: Final = 50
"""The first replications of a cell, by which a later measurement is compared with an earlier one."""
DIGITS: Final = 9
SILENCE, POWER, FORECASTS, SEASONS = "silence", "random loss", "forecasts", "seasons"
"""Groups of cells that belong to no world."""

Opening = dict[str, list[float]]


class Entry(Protocol):
    """One cell: how it is replicated, counted, and read from stored numbers. Picklable."""

    @property
    def group(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def since(self) -> int:
        """The rules that changed its numbers last; rows of these and of newer ones are of today."""
        ...

    def replicate(self, numbers: Iterable[int], /) -> list[Any]: ...
    def count(self, found: Sequence[Any], /) -> Result: ...
    def numbers(self, found: Sequence[Any], /) -> dict[str, Any]: ...
    def read(self, numbers: Mapping[str, Any], replications: int, /) -> Result: ...
    def opening(self, found: Sequence[Any], /) -> Opening: ...


@dataclass(frozen=True, slots=True)
class OfWorld:
    """Intervals and verdicts of a design in a world."""

    world: World
    cell: Cell

    @property
    def group(self) -> str:
        return self.world.name

    @property
    def key(self) -> str:
        return f"{self.group}: {_named(self.cell)}"

    @property
    def since(self) -> int:
        return 6

    def replicate(self, numbers: Iterable[int]) -> list[dict[str, Ends]]:
        return intervals.replicate(self.world, self.cell, numbers)

    def count(self, found: Sequence[Mapping[str, Ends]]) -> Measured:
        return intervals.summed(self.world, self.cell, found)

    def numbers(self, found: Sequence[Mapping[str, Ends]]) -> dict[str, Any]:
        counted = self.count(found)
        of = {
            name: {
                field: None if value is None else rounded(value) for field, value in counts._asdict().items()
            }
            for name, counts in counted.counts.items()
        }
        return {"answered": counted.answered, "met": rounded(counted.met), "counts": of}

    def read(self, numbers: Mapping[str, Any], replications: int) -> Measured:
        counts = {name: Counts(**of) for name, of in numbers["counts"].items()}
        return Measured(
            self.world.name,
            self.world.design,
            self.cell,
            replications,
            numbers["answered"],
            counts,
            tuple(self.world.targets),
            numbers["met"],
            self.world.spaced,
            self.world.ideal(self.cell) if self.world.ideal else {},
        )

    def opening(self, found: Sequence[Mapping[str, Ends]]) -> Opening:
        """Statistic → number of answers, mean lower end, mean upper end."""
        made = {}
        for name in sorted({name for ends in found for name in ends}):
            of = [ends[name] for ends in found if name in ends]
            made[name] = [
                len(of),
                *(rounded(float(np.mean([ends[at] for ends in of])), DIGITS) for at in (1, 2)),
            ]
        return made


@dataclass(frozen=True, slots=True)
class OfLooks:
    """Ten looks at a trial that lasts."""

    world: World
    cell: Cell

    @property
    def group(self) -> str:
        return f"ten looks, {self.world.name}"

    @property
    def key(self) -> str:
        return f"{self.group}: {_named(self.cell)}"

    @property
    def since(self) -> int:
        return 6

    def replicate(self, numbers: Iterable[int]) -> list[tuple[int, bool, bool]]:
        return looks.replicate(self.world, self.cell, numbers)

    def count(self, found: Sequence[tuple[int, bool, bool]]) -> Looked:
        return looks.shares(self.world, self.cell, found)

    def numbers(self, found: Sequence[tuple[int, bool, bool]]) -> dict[str, Any]:
        of = self.count(found)
        return {
            name: rounded(value)
            for name, value in (
                ("looks", of.looks),
                ("always_valid", of.always_valid),
                ("single", of.single),
            )
        }

    def read(self, numbers: Mapping[str, Any], replications: int) -> Looked:
        statistic, cell = next(iter(self.world.truth(self.cell))), self.cell
        return Looked(
            self.world.name, self.world.design, statistic, cell.phi, cell.days, replications, **numbers
        )

    def opening(self, found: Sequence[tuple[int, bool, bool]]) -> Opening:
        """Sums of looks, of trials that a look always valid excluded, and of those that a single one did."""
        return {"looks": [float(total) for total in np.sum(np.array(found, float), axis=0)]}


@dataclass(frozen=True, slots=True)
class OfSilence:
    """Data missing because of their value, or at random."""

    cell: Silent
    group: str = SILENCE

    @property
    def key(self) -> str:
        one = self.cell
        effect = f", effect {one.effect:g}" if one.effect else ""
        return f"{self.group}: {one.name}, φ {one.phi:g}, {100 * one.share:g} % lost ({one.lost}){effect}"

    @property
    def since(self) -> int:
        return 6

    def replicate(self, numbers: Iterable[int]) -> list[tuple[Verdict, Verdict]]:
        return missing.replicate(self.cell, numbers, WORST_PERCENTILE)

    def count(self, found: Sequence[tuple[Verdict, Verdict]]) -> Judged:
        return missing.shares(self.cell, found)

    def numbers(self, found: Sequence[tuple[Verdict, Verdict]]) -> dict[str, Any]:
        of = self.count(found)
        return {
            name: rounded(value)
            for name, value in (
                ("answered", of.answered),
                ("met", of.met),
                ("not_met", of.not_met),
                ("met_without", of.met_without),
            )
        }

    def read(self, numbers: Mapping[str, Any], replications: int) -> Judged:
        return Judged(self.cell, replications, **numbers)

    def opening(self, found: Sequence[tuple[Verdict, Verdict]]) -> Opening:
        """Verdict → how often without the rule, and with it."""
        return {
            str(verdict): [sum(pair[place] is verdict for pair in found) for place in (0, 1)]
            for verdict in Verdict
        }


@dataclass(frozen=True, slots=True)
class OfForecast:
    """Verdicts where a baseline foretold a power of .8."""

    cell: Forecast
    group: str = FORECASTS

    @property
    def key(self) -> str:
        one = self.cell
        return f"{self.group}: {one.kind}, φ {one.phi:g}, {one.before} and {one.after} days"

    @property
    def since(self) -> int:
        return 6

    def replicate(self, numbers: Iterable[int]) -> list[Verdict | None]:
        return forecasts.replicate(self.cell, numbers)

    def count(self, found: Sequence[Verdict | None]) -> Foretold:
        return forecasts.shares(self.cell, found)

    def numbers(self, found: Sequence[Verdict | None]) -> dict[str, Any]:
        of = self.count(found)
        return {"possible": rounded(of.possible), "met": rounded(of.met)}

    def read(self, numbers: Mapping[str, Any], replications: int) -> Foretold:
        return Foretold(self.cell, replications, **numbers)

    def opening(self, found: Sequence[Verdict | None]) -> Opening:
        """Verdict, or `impossible` → how often."""
        return {
            "impossible": [sum(one is None for one in found)],
            **{str(verdict): [sum(one is verdict for one in found)] for verdict in Verdict},
        }


@dataclass(frozen=True, slots=True)
class OfSeason:
    """A season in which nothing was done, or a change without a season."""

    cell: Season
    group: str = SEASONS

    @property
    def key(self) -> str:
        one = self.cell
        what = f"{one.name}, {one.shape}, φ {seasons.PHI:g}, {one.before} and {one.after} days"
        return f"{self.group}: {what}, size {one.size:g}"

    @property
    def since(self) -> int:
        return 6

    def replicate(self, numbers: Iterable[int]) -> list[Verdict]:
        return seasons.replicate(self.cell, numbers)

    def count(self, found: Sequence[Verdict]) -> Drifted:
        return seasons.shares(self.cell, found)

    def numbers(self, found: Sequence[Verdict]) -> dict[str, Any]:
        of = self.count(found)
        return {"met": rounded(of.met), "refused": rounded(of.refused)}

    def read(self, numbers: Mapping[str, Any], replications: int) -> Drifted:
        return Drifted(self.cell, replications, **numbers)

    def opening(self, found: Sequence[Verdict]) -> Opening:
        """Verdict → how often."""
        return {str(verdict): [sum(one is verdict for one in found)] for verdict in Verdict}


def list_entries() -> list[Entry]:
    """Every cell, in the order of the page."""
    hourly = list(WORLDS.values())
    return [
        *(OfWorld(world, cell) for world in hourly for cell in cells(world)),
        *(OfWorld(world, cell) for world, some in spaced() for cell in some),
        *(OfSilence(cell) for cell in missing.cells()),
        *(OfLooks(world, cell) for world, some in looked(hourly) for cell in some),
        *(OfSilence(cell, POWER) for cell in missing.powers()),
        *(OfForecast(cell) for cell in forecasts.cells()),
        *(OfSeason(cell) for cell in seasons.cells()),
    ]


def rounded(value: float, digits: int = 6) -> float:
    return float(f"{value:.{digits}g}")


def _named(cell: Cell) -> str:
    trend = f", trend {cell.trend:g}" if cell.trend else ""
    return f"φ {cell.phi:g}, {cell.days} days{trend}{'' if cell.treated else ', nothing done'}"
