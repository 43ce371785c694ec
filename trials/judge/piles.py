"""Results that have one exact value far too often, and the verdict if they were others. Rules 6. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from insitu.arrays import Bools
from insitu.model import Flag, PeriodName, Verdict
from insitu.times import to_whole_second_us
from trials.designs import DESIGNS
from trials.evaluation import EndpointResult, Sensitivity
from trials.judge.exclusions import Stretch, left_out
from trials.judge.experimental_units import Units
from trials.judge.verdicts import DECIDED
from trials.plan.endpoint import Endpoint
from trials.quality.piles import Pile, find_piles
from trials.series.inputs import StreamInput, TrialInputs
from trials.statement import Sentence, Statement

VALUES_PILE: Final = Sentence(
    "values_pile",
    "warning",
    "{number} of {results} results of {device} in the {period} period ({share} %) are exactly {value} {unit} "
    "({where}), far more than "
    "any value near it: the end of a range, a negative result set to 0, or a code for an error. They were "
    "used as they are. Ask the maker of the device; in a protocol the checks codes and gross_range keep such "
    "results out.",
)
PILE_TURNS: Final = Sentence(
    "pile_turns",
    "warning",
    "Inconclusive because of these results: with them the verdict is “{verdict_with}”, and "
    "“{verdict_without}” if they were others: beyond an end of the range by half of the range seen or more, "
    "and missing elsewhere.",
)
SENTENCES: Final = (VALUES_PILE, PILE_TURNS)
OTHERWISE: Final = "piles_otherwise"
"""Name of the other choice."""
BEYOND: Final = 0.5
"""Ranges of the results seen, from percentile 1 to 99, by which one beyond the end may have been further; or
as many as results are piled for each of the others, if that is more.
"""
_NEVER_RESTS: Final = re.compile(
    r"([kmunp]?g|mol|[mun]mol)/(m3|l|L)|\[(ppm|ppb|ppth|pptr|pH)\]|\[?ppm\]?|\[?ppb\]?|Cel|K|\[degF\]"
    r"|[hkM]?Pa|m?bar|m?m\[Hg\]|d?B(\[.*\])?(\(.*\))?"
)
"""Units of quantities that have no 0 and no end of a range in which they rest: concentrations, temperatures,
pressures, levels, pH.
"""


@dataclass(frozen=True, slots=True)
class Found:
    """A pile among the results of a datastream that count in a period."""

    stream: str
    """Its key."""
    device: str
    period: PeriodName
    pile: Pile
    results: int
    span: float
    """Range of the results seen, from percentile 1 to 99."""

    def told(self, unit: str) -> Statement:
        return VALUES_PILE.state(
            device=self.device,
            period=str(self.period),
            number=self.pile.number,
            results=self.results,
            share=round(100 * self.pile.number / self.results, 1),
            value=self.pile.value,
            unit=unit,
            where=str(self.pile.where),
        )


def piles_of(units: Units, endpoint: Endpoint) -> list[Found]:
    """Of the arms of an endpoint, in each period of its design. None of totals, of states that hold, and of
    directions.
    """
    inputs, scale = units.inputs, units.scale_of(endpoint.property)
    known = inputs.rules.ask_piles and endpoint.design in DESIGNS
    if not known or scale.is_total or scale.is_held or scale.is_circular:
        return []
    found: list[Found] = []
    for name in dict.fromkeys(endpoint.arms.values()):
        usable, arm = units.usable(endpoint.property, name), inputs.protocol.arm(name)
        for device in arm.devices:
            gone = [one for of in left_out(inputs, device, arm.site).values() for one in of]
            for stream in inputs.series_of(device, endpoint.property):
                counts = np.isin(stream.flag, usable) & ~_within(stream, gone)
                for period in DESIGNS[endpoint.design].periods:
                    found += _of_period(inputs, stream, period, counts)
    return list(dict.fromkeys(found))


def _of_period(inputs: TrialInputs, stream: StreamInput, name: PeriodName, counts: Bools) -> Iterator[Found]:
    period = inputs.protocol.period(name)
    if period is None:
        return
    result = stream.result[counts & _within(stream, [(period.start, period.end)])]
    for pile in find_piles(result, rests=_NEVER_RESTS.fullmatch(stream.unit) is None):
        low, high = np.percentile(result, [1, 99])
        yield Found(stream.key(), stream.device, name, pile, len(result), float(high - low))


def _within(stream: StreamInput, stretches: Sequence[Stretch]) -> Bools:
    """Results in any of the stretches."""
    inside = np.zeros(len(stream.time_us), bool)
    for start, end in stretches:
        of_one = stream.time_us >= to_whole_second_us(start)
        inside |= of_one if end is None else of_one & (stream.time_us < to_whole_second_us(end))
    return inside


def otherwise(inputs: TrialInputs, found: Sequence[Found]) -> TrialInputs:
    """The same inputs with the piles at the ends of a range beyond it, and the others as failed results."""
    streams = []
    for stream in inputs.streams:
        changed = stream
        for one in found:
            period = inputs.protocol.period(one.period)
            if one.stream == stream.key() and period is not None:
                there = (stream.result == one.pile.value) & _within(stream, [(period.start, period.end)])
                changed = _other(changed, one, there)
        streams.append(changed)
    return replace(inputs, streams=streams)


def _other(stream: StreamInput, found: Found, there: Bools) -> StreamInput:
    if found.pile.where not in ("lowest", "highest"):
        return replace(stream, flag=np.where(there, np.int8(Flag.FAIL), stream.flag))
    odds = found.pile.number / max(1, found.results - found.pile.number)
    away = max(BEYOND, odds) * found.span * (1 if found.pile.where == "highest" else -1)
    return replace(stream, result=np.where(there, stream.result + away, stream.result))


def beside_piles(result: EndpointResult, found: Sequence[Found], other: EndpointResult) -> EndpointResult:
    """The result with what was found, and with `other`, the result if the piles were others, among its other
    choices. A decided verdict that `other` does not share is open.
    """
    turns = result.verdict in DECIDED and other.verdict is not result.verdict
    findings = [*result.findings, *(one.told(result.unit) for one in found)]
    if turns:
        findings.append(
            PILE_TURNS.state(verdict_with=str(result.verdict), verdict_without=str(other.verdict))
        )
    return result.model_copy(
        update={
            "verdict": Verdict.INCONCLUSIVE if turns else result.verdict,
            "findings": findings,
            "sensitivity": [*result.sensitivity, *_as_choice(other)],
        }
    )


def _as_choice(other: EndpointResult) -> Iterator[Sensitivity]:
    for criterion in other.criteria:
        if criterion.estimate is not None:
            yield Sensitivity(
                name=OTHERWISE,
                statistic=criterion.statistic,
                estimate=criterion.estimate,
                verdict=criterion.verdict,
            )
