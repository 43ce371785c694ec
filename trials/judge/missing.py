"""Missing intervals are part of the verdict: a decided verdict must survive values as bad as the protocol
calls plausible, and the tipping point says how bad they would have to be. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from insitu.model import Verdict
from trials.designs import DESIGNS, Question
from trials.judge.completion import Cell, Filled, fill, missing_of, partner, patterns_of
from trials.judge.silence import patterns
from trials.sentences import finding
from trials.statement import Statement

BEYOND: Final = 200.0
"""Furthest value that is tried: one range of those seen above the highest (`trials.judge.completion`)."""
STEPS: Final = 7
"""Halvings to the tipping point: it is known to about one percentile."""
Judge = Callable[[Question], Verdict]


@dataclass(frozen=True, slots=True)
class Survival:
    verdict: Verdict
    findings: list[Statement]


def survive(question: Question, verdict: Verdict, judge: Judge, worst: float, *, tell: bool) -> Survival:
    """The verdict after the missing intervals are filled at the percentile `worst`: unchanged, or
    `inconclusive`. `judge`: verdict of a filled question. `tell`: state the tipping point too.
    """
    design = question.endpoint.design
    missing, planned = counts(question)
    if verdict not in (Verdict.MET, Verdict.NOT_MET) or not missing or not patterns_of(design):
        return Survival(verdict, [])
    turned = next(
        (p for p in patterns_of(design) if judge(fill(question, p, worst).question) is not verdict), ""
    )
    if not turned and not tell:
        return Survival(verdict, [])
    tip = _tipping_point(question, verdict, judge, turned, worst)
    share = round(100 * missing / planned, 1)
    if tip is None:
        found = finding("tipping_beyond", missing=missing, planned=planned, share=share, worst=worst)
        return Survival(verdict, [found])
    filled, percentile = tip
    cell, value = _named(filled)
    code = "tipping_within" if turned else "tipping_point"
    told = finding(
        code + ("_pairs" if _is_paired(question) else ""),
        missing=missing,
        planned=planned,
        share=share,
        verdict=str(verdict),
        value=float(f"{value:.4g}"),
        unit=question.endpoint.unit,
        arm=question.endpoint.arms[cell[0]],
        period=str(cell[1]),
        percentile=min(100.0, round(percentile, 1)),
        worst=worst,
    )
    return Survival(Verdict.INCONCLUSIVE if turned else verdict, [told])


def counts(question: Question) -> tuple[int, int]:
    """(planned intervals without a value, planned intervals), over all arms and periods, without windows
    that were declared before they began.
    """
    units = [unit for found in question.units.values() for unit in found]
    missing = sum(int(missing_of(unit).sum()) for unit in units)
    return missing, missing + sum(int(unit.valid.sum()) for unit in units)


def _is_paired(question: Question) -> bool:
    return question.endpoint.design == "replicates" or len(DESIGNS[question.endpoint.design].arms) > 1


def _named(filled: Filled) -> tuple[Cell, float]:
    """The arm and period of the sentence: the last that has missing intervals, the reporting period's."""
    cells = sorted(filled.values, key=lambda cell: (cell[1] == "reporting", cell[0] == "candidate"))
    return cells[-1], filled.values[cells[-1]]


def _tipping_point(
    question: Question, verdict: Verdict, judge: Judge, turned: str, worst: float
) -> tuple[Filled, float] | None:
    """The mildest filling that turns the verdict, with its percentile (above 100: further than any seen);
    None if none does.
    """
    tried = (turned,) if turned else patterns_of(question.endpoint.design)
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
        beside = None if other is None else (lambda unit, other=other: partner(unit, other))
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
