"""Quality checks over arrays, in QARTOD's order, with IODE's flags: one file per check, one line in `CHECKS`.

A check sees one datastream in order of time and returns a flag for each observation. All use true time, not
row counts: the flags do not depend on the order of the rows, nor on a split into batches, if each batch has
`margin_us` of context.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from insitu.errors import CorrectInput
from insitu.model import Flag
from trials.quality import codes, flat_line, gross_range, spike, time_syntax
from trials.quality.parameters import Parameters

Flags = NDArray[np.int8]


def _own_row(parameters: Parameters) -> float:
    return 0.0


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    parameters: type[Parameters]
    run: Callable[..., Flags]
    """run(time_us, result, received_us, parameters) → flags, in order of time."""
    reach_s: Callable[..., float] = _own_row
    """reach_s(parameters): how far away in time a row may be and still decide about another."""


CHECKS: dict[str, Check] = {
    check.name: check
    for check in (
        Check("time_syntax", time_syntax.TimeSyntax, time_syntax.run, time_syntax.reach_s),
        Check("gross_range", gross_range.GrossRange, gross_range.run),
        Check("codes", codes.Codes, codes.run),
        Check("spike", spike.Spike, spike.run, spike.reach_s),
        Check("flat_line", flat_line.FlatLine, flat_line.run, flat_line.reach_s),
    )
}


@dataclass(frozen=True, slots=True)
class Planned:
    """A check with its parameters, ready to run."""

    check: Check
    parameters: Parameters


@dataclass(frozen=True, slots=True)
class QualityResult:
    """`flags`: the roll-up, in the given order. `by_check`: the flags of each check that ran."""

    flags: Flags
    by_check: dict[str, Flags]
    planned: list[str]
    ran: list[str]


def plan(checks: Sequence[tuple[str, dict[str, Any]]]) -> list[Planned]:
    """Checks by name with their parameters. CorrectInput names the wrong check or parameter."""
    planned = []
    for name, parameters in checks:
        if name not in CHECKS:
            raise CorrectInput(f"There is no check {name!r}; known are {', '.join(CHECKS)}.")
        try:
            planned.append(Planned(CHECKS[name], CHECKS[name].parameters.model_validate(parameters)))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "parameters"
            raise CorrectInput(
                f"Check {name}: {where}: {first['msg'].removeprefix('Value error, ')}."
            ) from error
    return planned


def run(
    planned: Sequence[Planned],
    time_us: NDArray[np.int64],
    result: NDArray[np.float64],
    received_us: NDArray[np.int64],
) -> QualityResult:
    """Runs the planned checks over one datastream, in any order of rows.

    Rows with the same stamp are sorted by receipt, then by result, so that the given order does not matter. A
    check that is planned twice gives each row its worse flag.
    """
    grows = bool(np.all(time_us[1:] > time_us[:-1]))  # then nothing is to be sorted, and nothing copied
    order = slice(None) if grows else np.lexsort((result, received_us, time_us))
    by_check: dict[str, Flags] = {}
    for item in planned:
        sorted_flags = item.check.run(time_us[order], result[order], received_us[order], item.parameters)
        flags = np.empty(len(time_us), np.int8)
        flags[order] = sorted_flags
        name = item.check.name
        by_check[name] = roll_up([by_check[name], flags], len(time_us)) if name in by_check else flags
    return QualityResult(
        roll_up(list(by_check.values()), len(time_us)),
        by_check,
        [p.check.name for p in planned],
        list(by_check),
    )


def roll_up(flags: Sequence[Flags], n: int) -> Flags:
    """The worst flag; PASS only if at least one check passed it, NOT_EVALUATED if none could judge."""
    if not flags:
        return np.full(n, Flag.NOT_EVALUATED, np.int8)
    table = np.stack(flags)
    worst = np.where(table == Flag.NOT_EVALUATED, 0, table).max(axis=0)
    return np.where(worst == 0, np.int8(Flag.NOT_EVALUATED), worst).astype(np.int8)


def margin_us(planned: Sequence[Planned]) -> int:
    """Distance in µs beyond which no row affects another's flags."""
    return round(1e6 * max((item.check.reach_s(item.parameters) for item in planned), default=0.0))


def parameters_text(planned: Sequence[Planned]) -> str:
    """Canonical JSON of the parameters of a run."""
    content = {p.check.name: p.parameters.model_dump(mode="json") for p in planned}
    return json.dumps(content, sort_keys=True, separators=(",", ":"))
