"""Missing intervals are part of the verdict: a decided verdict must survive values as bad as the protocol
calls plausible, and the tipping point says how bad they would have to be. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from insitu.model import PeriodName, Verdict
from trials.designs import Question
from trials.evaluation import MissingSummary, TippingPoint
from trials.judge.beside import levels
from trials.judge.completion import Cell, Filled, fill, is_paired, patterns_of
from trials.judge.silence import patterns
from trials.sentences import finding
from trials.statement import Evidence, Statement

BEYOND: Final = 200.0
"""Furthest value that is tried: one range of those seen above the highest (`trials.judge.completion`)."""
STEPS: Final = 7
"""Halvings to the tipping point: it is known to about one percentile."""
Judge = Callable[[Question], Verdict]


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
    if verdict not in (Verdict.MET, Verdict.NOT_MET) or not missing:
        return Survival(verdict, [], summary)
    filled = {pattern: fill(question, pattern, worst) for pattern in found}
    turned = next((name for name, one in filled.items() if judge(one.question) is not verdict), None)
    if turned is None and not tell:
        return Survival(verdict, [], summary)
    tip = _tipping_point(question, verdict, judge, turned, worst)
    if tip is None and turned is not None:
        tip = filled[turned], BEYOND
    point = None if tip is None else _point(question, *tip)
    plausible = None
    if turned is not None and point is not None:
        plausible = next((v for (_, period), v in _last(filled[turned]) if str(period) == point.period), None)
    summary = summary.model_copy(update={"tipping": point, "plausible": plausible})
    end = verdict if turned is None else Verdict.INCONCLUSIVE
    return Survival(end, [_told(question, summary, turned is not None)], summary)


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


def _point(question: Question, filled: Filled, percentile: float) -> TippingPoint:
    (role, period), value = _last(filled)[-1]
    return TippingPoint(
        arm=question.endpoint.arms[role],
        period=str(period),
        value=float(f"{value:.4g}"),
        percentile=round(percentile, 1),
    )


def _last(filled: Filled) -> list[tuple[Cell, float]]:
    """The filled arms and periods; the one that a sentence names comes last."""
    of_reporting = PeriodName.REPORTING
    return sorted(filled.values.items(), key=lambda c: (c[0][1] is of_reporting, c[0][0] == "candidate"))


def counts(question: Question) -> tuple[int, int]:
    """(planned intervals without a value, planned intervals), over all arms and periods, without windows
    that were declared before they began.
    """
    units = [unit for found in question.units.values() for unit in found]
    missing = sum(int(unit.missing.sum()) for unit in units)
    return missing, missing + sum(int(unit.valid.sum()) for unit in units)


def _tipping_point(
    question: Question, verdict: Verdict, judge: Judge, turned: str | None, worst: float
) -> tuple[Filled, float] | None:
    """The mildest filling that turns the verdict, with its percentile (above 100: further than any seen);
    None if none does.
    """
    tried = patterns_of(question.endpoint.design) if turned is None else (turned,)
    best: tuple[Filled, float] | None = None
    for pattern in tried:
        top = BEYOND if best is None else best[1]
        if judge(fill(question, pattern, top, adjusted=False).question) is verdict:
            continue
        low, high = 50.0, top
        for inner in (worst, 100.0):
            if low < inner < high:
                turns = judge(fill(question, pattern, inner, adjusted=False).question) is not verdict
                low, high = (low, inner) if turns else (inner, high)
        for _ in range(STEPS):
            middle = (low + high) / 2
            turns = judge(fill(question, pattern, middle, adjusted=False).question) is not verdict
            low, high = (low, middle) if turns else (middle, high)
        best = fill(question, pattern, high, adjusted=False), high
    return best


# -- why they are missing


def missingness(question: Question) -> list[Statement]:
    """A finding for each arm and period whose missing intervals have something in common."""
    found = []
    for (role, period), units in question.units.items():
        other = next((us for (r, p), us in question.units.items() if p is period and r != role and us), None)
        beside = None
        if other is not None:
            known = dict(zip(units, levels(units, other), strict=True))
            beside = known.__getitem__
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
