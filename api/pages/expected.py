"""An outlook for a page: numbers with three significant digits, sentences in the reader's language."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from api.rendering import Page
from trials.judge.expectations import CriterionOutlook, Expectation, Outlook
from trials.report.sentence import sentence_of
from trials.statement import Statement, Value


@dataclass(frozen=True, slots=True)
class Row:
    days: int
    counted: int
    width: str
    detectable: str
    met: str
    """True values for which the verdict is met."""
    decided: str
    planned: bool


@dataclass(frozen=True, slots=True)
class Sentence:
    text: str
    warns: bool


@dataclass(frozen=True, slots=True)
class Criterion:
    statistic: str
    target: str
    unit: str
    assumed: str | None
    rows: list[Row]
    needed: int | None
    """Calendar days; None if no number of days is enough, or if `assumed` is None."""
    notes: list[Sentence]


@dataclass(frozen=True, slots=True)
class Endpoint:
    title: str
    days: int
    level: str
    notes: list[Sentence]
    criteria: list[Criterion]


@dataclass(frozen=True, slots=True)
class Expected:
    start: datetime
    end: datetime
    power: str
    endpoints: list[Endpoint]


def expected(outlook: Outlook | None, page: Page) -> Expected | None:
    """For a template; None stays None."""
    if outlook is None:
        return None
    endpoints = [
        Endpoint(
            title=page.pick(one.title.model_dump()),
            days=one.days,
            level=f"{significant(page, 100 * one.level)}\u00a0%",
            notes=[_sentence(page, note) for note in one.notes],
            criteria=[_criterion(page, criterion, outlook.planned_days) for criterion in one.criteria],
        )
        for one in outlook.endpoints
    ]
    return Expected(outlook.start, outlook.end, page.percent(outlook.power), endpoints)


def significant(page: Page, value: float | None, digits: int = 3) -> str:
    """A number with `digits` significant digits in the reader's format; an en dash for None."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    return page.number(round(value, places), max(0, places))


def bounds(page: Page, low: float | None, high: float | None) -> str:
    """'≤ −5', '≥ 0.7', '0.65 … 1.35'."""
    if low is None:
        return f"≤ {significant(page, high)}"
    if high is None:
        return f"≥ {significant(page, low)}"
    return f"{significant(page, low)} … {significant(page, high)}"


def _criterion(page: Page, criterion: CriterionOutlook, planned: int) -> Criterion:
    rows = {row.days: row for row in criterion.lengths}
    if criterion.planned is not None:
        rows[planned] = criterion.planned
    return Criterion(
        statistic=criterion.statistic,
        target=bounds(page, criterion.target.low, criterion.target.high),
        unit=criterion.unit,
        assumed=None if criterion.assumed is None else significant(page, criterion.assumed),
        rows=[_row(page, rows[days], days == planned) for days in sorted(rows)],
        needed=criterion.days_needed,
        notes=[_sentence(page, note) for note in criterion.notes],
    )


def _row(page: Page, row: Expectation, planned: bool) -> Row:
    if row.reachable:
        met = bounds(page, row.met_low, row.met_high)
    else:
        met = "–" if row.half_width is None and row.smallest_effect is None else page.t("none")
    return Row(
        row.days,
        row.counted,
        significant(page, row.half_width),
        significant(page, row.smallest_effect),
        met,
        page.percent(row.decided),
        planned,
    )


def _sentence(page: Page, note: Statement) -> Sentence:
    def show(_name: str, value: Value) -> object:
        return significant(page, value) if isinstance(value, float) else value

    return Sentence(sentence_of(note, translate=page.t, show=show), note.severity == "warning")
