"""Missing intervals are part of the verdict: a decided verdict must survive values as bad as the protocol
calls plausible, and the tipping point says how bad they would have to be. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from insitu.arrays import Floats
from insitu.model import PeriodName, Verdict
from trials.designs import Question
from trials.designs.devices import TIPPING_DEVICE, lacking
from trials.evaluation import MissingSummary, TippingPoint
from trials.judge.beside import levels
from trials.judge.completion import Cell, apart, fill, is_paired, patterns_of
from trials.judge.silence import patterns
from trials.sentences import finding
from trials.series.slots import Calendar, Unit
from trials.statement import Evidence, Statement

BEYOND: Final = 200.0
"""Furthest value that is tried: one range of those seen above the highest (`trials.judge.completion`)."""
STEPS: Final = 7
"""Halvings to the tipping point: it is known to about one percentile."""
Judge = Callable[[Question], Verdict]
Values = Mapping[Cell, float]
"""As in `Filled`."""


@dataclass(frozen=True, slots=True)
class Survival:
    verdict: Verdict
    findings: list[Statement]
    summary: MissingSummary | None = None


def survive(question: Question, verdict: Verdict, judge: Judge, worst: float, *, tell: bool) -> Survival:
    """The verdict after the missing intervals are filled at the percentile `worst`: unchanged, or
    `inconclusive`. `judge`: verdict of a filled question. `tell`: find the tipping point too.
    """
    missing, planned = counts(question)
    found = patterns_of(question.endpoint.design)
    if not found:
        return Survival(verdict, [])
    summary = MissingSummary(
        missing=missing, planned=planned, worst_percentile=worst, verdict_without=verdict
    )
    if verdict not in (Verdict.MET, Verdict.NOT_MET):
        return Survival(verdict, [], summary)
    who = lacking(question) if question.rules.ask_devices else None
    if who is not None and judge(replace(question, steady=True)) is not verdict:
        told = TIPPING_DEVICE.state(**who.told(question), verdict=str(verdict))
        return Survival(Verdict.INCONCLUSIVE, [told], summary)
    if not missing:
        return Survival(verdict, [], summary)
    turning = Turning(apart(question), verdict, judge)
    turned = next((name for name in found if turning.turns(name, worst, adjusted=True)), None)
    if turned is None and not tell:
        return Survival(verdict, [], summary)
    tip = _tipping_point(turning, found if turned is None else (turned,), worst)
    if tip is None and turned is not None:
        tip = turning.values(turned, worst, adjusted=True), BEYOND
    point = None if tip is None else _point(question, *tip)
    plausible = None
    if turned is not None and point is not None:
        last = _last(turning.values(turned, worst, adjusted=True))
        plausible = next((v for (_, period), v in last if str(period) == point.period), None)
    summary = summary.model_copy(update={"tipping": point, "plausible": plausible})
    end = verdict if turned is None else Verdict.INCONCLUSIVE
    return Survival(end, [_told(question, summary, turned is not None)], summary)


@dataclass(frozen=True, slots=True)
class Turning:
    """Whether fillings turn a verdict; asks each once."""

    question: Question
    verdict: Verdict
    judge: Judge
    asked: dict[tuple[str, float, bool], tuple[bool, Values]] = field(default_factory=dict)

    def turns(self, pattern: str, percentile: float, *, adjusted: bool = False) -> bool:
        return self._ask(pattern, percentile, adjusted)[0]

    def values(self, pattern: str, percentile: float, *, adjusted: bool = False) -> Values:
        """Means of the values that were filled in."""
        return self._ask(pattern, percentile, adjusted)[1]

    def _ask(self, pattern: str, percentile: float, adjusted: bool) -> tuple[bool, Values]:
        tails = self.question.rules.return_tails or not is_paired(self.question)
        key = pattern, percentile, adjusted and tails
        if key not in self.asked:
            filled = fill(self.question, pattern, percentile, adjusted=adjusted)
            self.asked[key] = self.judge(filled.question) is not self.verdict, filled.values
        return self.asked[key]


def _told(question: Question, summary: MissingSummary, turned: bool) -> Statement:
    """The tipping point in a sentence."""
    counted: Evidence = {
        "missing": summary.missing,
        "planned": summary.planned,
        "share": round(100 * summary.missing / summary.planned, 1),
    }
    point = summary.tipping
    if point is None:
        return finding("tipping_nowhere", **counted)
    apart = "_apart" if is_paired(question) else ""
    about: Evidence = {
        "value": point.value,
        "unit": question.endpoint.unit,
        "arm": point.arm,
        "period": point.period,
    }
    if turned:
        about |= {
            "verdict": str(summary.verdict_without),
            "percentile": min(100.0, point.percentile),
            "plausible": summary.plausible,
        }
        return finding(f"tipping_within{apart}", **counted, **about)
    if point.percentile > 100:
        return finding("tipping_unseen", **counted, **about)
    worst = summary.worst_percentile
    return finding(f"tipping_point{apart}", **counted, **about, percentile=point.percentile, worst=worst)


def _point(question: Question, values: Values, percentile: float) -> TippingPoint:
    (role, period), value = _last(values)[-1]
    return TippingPoint(
        arm=question.endpoint.arms[role],
        period=str(period),
        value=float(f"{value:.4g}"),
        percentile=round(percentile, 1),
    )


def _last(values: Values) -> list[tuple[Cell, float]]:
    """The filled arms and periods; the one that a sentence names comes last."""
    of_reporting = PeriodName.REPORTING
    return sorted(values.items(), key=lambda c: (c[0][1] is of_reporting, c[0][0] == "candidate"))


def counts(question: Question) -> tuple[int, int]:
    """(planned intervals without a value, planned intervals), over all arms and periods, without windows
    that were declared before they began.
    """
    units = [unit for found in question.units.values() for unit in found]
    missing = sum(int(unit.missing.sum()) for unit in units)
    return missing, missing + sum(int(unit.valid.sum()) for unit in units)


def _tipping_point(turning: Turning, tried: Sequence[str], worst: float) -> tuple[Values, float] | None:
    """The mildest filling that turns the verdict, with its percentile (above 100: further than any seen);
    None if none does.
    """
    best: tuple[Values, float] | None = None
    for pattern in tried:
        top = BEYOND if best is None else best[1]
        if not turning.turns(pattern, top):
            continue
        low, high = 50.0, top
        for inner in (worst, 100.0):
            if low < inner < high:
                low, high = (low, inner) if turning.turns(pattern, inner) else (inner, high)
        for _ in range(STEPS):
            middle = (low + high) / 2
            low, high = (low, middle) if turning.turns(pattern, middle) else (middle, high)
        best = turning.values(pattern, high), high
    return best


# -- why they are missing


def missingness(question: Question) -> list[Statement]:
    """A finding for each arm and period whose missing intervals have something in common."""
    found = []
    for (role, period), units in question.units.items():
        other = next((us for (r, p), us in question.units.items() if p is period and r != role and us), None)
        beside = None
        if other is not None:
            means = {calendar: level.means() for calendar, level in levels(units, other).items()}
            beside = partial(_of_calendar, means)
        for one in patterns(units, beside):
            found.append(
                finding(
                    one.code,
                    arm=question.endpoint.arms[role],
                    period=str(period),
                    share=round(one.share, 1),
                    usual=round(one.usual, 1),
                    part=one.part,
                )
            )
    return found


def _of_calendar(means: Mapping[Calendar, Floats], unit: Unit) -> Floats:
    return means[unit.calendar]
