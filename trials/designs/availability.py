"""Design 3: what share of the planned results came? A census of the planned intervals of the reporting
period: no sampling error.

L = U, unless windows were declared afterwards: L then counts the intervals they excused as missing. A target
between the two is `inconclusive`, so that nobody can reach it by declaring a window afterwards.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from insitu.model import PeriodName
from trials.designs.design import REPORTING, Design, Statistic, named
from trials.designs.other_choices import DAY_BOOTSTRAP
from trials.designs.question import Answer, Known, Question, at_any_level, line
from trials.series.slots import Unit, day_groups
from trials.statement import Sentence
from trials.statistics.intervals import bootstrap
from trials.statistics.metrics.availability import completeness, gap_hours, mtbf

Bools = NDArray[np.bool_]

REPLICATES = 2000
NOTHING_DUE = Sentence(
    "nothing_due", "blocking", "No interval of the reporting period is due: windows cover all of it."
)
WINDOWS_AFTERWARDS = Sentence(
    "windows_afterwards",
    "warning",
    "With the windows that were declared afterwards counted as missing, completeness is {strict} % "
    "instead of {share} %.",
)
NO_GAP = Sentence(
    "no_gap",
    "note",
    "There was no gap in {hours} h of operation: the time between failures is a lower bound.",
)


def answer(question: Question) -> Answer:
    """Completeness (usable results), uptime (any result), gaps and the time between them, over the devices of
    the candidate arm.
    """
    result = Answer()
    units = question.arm("candidate", PeriodName.REPORTING)
    if not any(_due(unit, _heard(unit), strict=False).any() for unit in units):
        result.findings.append(NOTHING_DUE.state())
        return result
    lenient, strict = (_statistics(units, strict=strict) for strict in (False, True))
    n = sum(int(_due(unit, _heard(unit), strict=False).sum()) for unit in units)
    for name, value in lenient.items():
        ends = (min(value, strict[name]), max(value, strict[name]))
        known = Known(
            name,
            value,
            at_any_level(ends),
            DESIGN.unit_of(name, question.endpoint.unit),
            "exact",
            n,
            counts={"intervals": n},
        )
        result.statistics.append(known)
    if any(unit.afterwards is not None and unit.afterwards.any() for unit in units):
        found = WINDOWS_AFTERWARDS.state(share=lenient["completeness"], strict=strict["completeness"])
        result.findings.append(found)
    if not lenient["gaps"]:
        result.findings.append(NO_GAP.state(hours=lenient["mtbf"]))
    _by_day(question, result, units)
    return result


def _heard(unit: Unit) -> Bools:
    return unit.valid if unit.heard is None else unit.heard & unit.inside


def _due(unit: Unit, present: Bools, *, strict: bool) -> Bools:
    """Planned and not excused. `strict`: windows that were declared afterwards excuse nothing."""
    excused = unit.excused_beforehand if strict else unit.excused
    return (~excused | present) & unit.inside


def _statistics(units: list[Unit], *, strict: bool) -> dict[str, float]:
    """Every statistic over all devices; a gap belongs to one device."""
    heard = [(_heard(unit), _due(unit, _heard(unit), strict=strict), unit.calendar.hours) for unit in units]
    lengths = np.concatenate([gap_hours(present=p, due=d, hours=h) for p, d, h in heard if d.any()])
    return {
        "completeness": completeness(
            present=np.concatenate([unit.valid for unit in units]),
            due=np.concatenate([_due(unit, unit.valid, strict=strict) for unit in units]),
        ),
        "uptime": completeness(
            present=np.concatenate([p for p, _, _ in heard]), due=np.concatenate([d for _, d, _ in heard])
        ),
        "gaps": float(len(lengths)),
        "longest_gap": float(lengths.max(initial=0.0)),
        "mtbf": mtbf(up_h=sum(float(hours[p].sum()) for p, _, hours in heard), gaps=len(lengths)),
    }


def _by_day(question: Question, result: Answer, units: list[Unit]) -> None:
    """Completeness of each day for the figure; and its range when days are resampled, as a description."""
    groups, days = day_groups(units[0].calendar)
    due = sum(
        np.bincount(groups, weights=_due(u, u.valid, strict=False).astype(float), minlength=len(days))
        for u in units
    )
    had = sum(np.bincount(groups, weights=u.valid.astype(float), minlength=len(days)) for u in units)
    shares = np.full(len(days), np.nan)
    np.divide(100 * had, due, out=shares, where=due > 0)
    result.lines = [line("completeness", question.endpoint.arms["candidate"], days, shares)]
    sums = np.stack([had, due], axis=1)[due > 0]
    low, high = bootstrap(
        sums,
        lambda s: 100 * s[..., 0] / s[..., 1],
        block=1,
        replicates=REPLICATES,
        seed=question.seed,
        level=question.level,
    )
    known = Known(
        "completeness", result.statistics[0].value, lambda _: (low, high), "%", "day_bootstrap", len(sums)
    )
    result.sensitivity.append(("day_bootstrap", known.estimate(question.level)))


DESIGN = Design(
    "availability",
    infers_by=None,
    title="Availability",
    method="Availability: completeness is usable over planned intervals, uptime those with any result; "
    "intervals in windows that hold nothing are not planned. A census has no sampling error: the interval is "
    "one point, or reaches down to the share with windows declared afterwards counted as missing.",
    arms=("candidate",),
    periods=REPORTING,
    statistics=named(
        Statistic("completeness", "completeness", unit="%"),
        Statistic("uptime", "uptime", unit="%"),
        Statistic("gaps", "number of gaps", unit="1"),
        Statistic("longest_gap", "longest gap", unit="h"),
        Statistic("mtbf", "time between failures", unit="h"),
    ),
    function=answer,
    sentences=(NOTHING_DUE, WINDOWS_AFTERWARDS, NO_GAP),
    other_choices=DAY_BOOTSTRAP,
    lines={"completeness": "completeness"},
    not_foretold="Not known: completeness is a census of what comes, and has no sampling error.",
    early=False,
    needs_capture=False,
    takes_independent=False,
)
