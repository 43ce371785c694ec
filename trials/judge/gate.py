"""The gate before every endpoint: is there enough of the planned data?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from insitu.model import PeriodName
from trials.designs import DESIGNS, Design
from trials.evaluation import (
    GateResult,
)
from trials.judge.experimental_units import Units
from trials.plan.endpoint import Endpoint
from trials.plan.parts import Capture, Period
from trials.plan.rules import Rules
from trials.sentences import finding
from trials.series.aggregate import due_units, own_plan, partial_groups
from trials.series.inputs import TrialInputs
from trials.series.slots import Unit, day_groups
from trials.statement import Statement
from trials.statistics.intervals import MIN_DAYS

UNBALANCED = 0.15


def check_gate(units: Units) -> tuple[list[GateResult], dict[str, list[Statement]]]:
    """Capture of each arm, property and period that an endpoint needs, and the findings of each endpoint."""
    results: dict[tuple[str, str, PeriodName, str | None], GateResult] = {}
    findings: dict[str, list[Statement]] = {}
    inputs = units.inputs
    for endpoint in inputs.protocol.endpoints:
        found = findings.setdefault(endpoint.name, [])
        design = DESIGNS.get(endpoint.design)
        if design is None:
            found.append(finding("margin_missing", statistic=endpoint.design))
            continue
        for period_name in design.periods:
            period = inputs.protocol.period(period_name)
            if period is None:
                found.append(finding("period_missing", period=str(period_name)))
            elif period.start > inputs.now:
                found.append(finding("period_in_future", period=str(period_name)))
            elif period.end <= period.start:  # it has begun, but no day of it is over
                found.append(finding("too_few_days", days=0, period=str(period_name), needed=MIN_DAYS))
            else:
                found += _gate_of_period(units, endpoint, design, period, results)
    return list(results.values()), findings


def _gate_of_period(
    units: Units,
    endpoint: Endpoint,
    design: Design,
    period: Period,
    results: dict[tuple[str, str, PeriodName, str | None], GateResult],
) -> list[Statement]:
    found: list[Statement] = []
    inputs, shares = units.inputs, []
    for role in design.arms:
        arm = endpoint.arms.get(role)
        if arm is None:
            found.append(finding("no_observations", arm=role, period=str(period.name)))
            continue
        key = (arm, endpoint.property, period.name, own_plan(endpoint))
        if key not in results:
            there = units.about(endpoint, inputs.protocol.arm(arm), period)
            results[key] = _capture(inputs, arm, endpoint, period, there)
        result = results[key]
        shares.append(result.share)
        if not result.valid:
            found.append(finding("no_observations", arm=arm, period=str(period.name)))
        elif not result.passed and design.needs_capture:
            share = round(100 * result.days_valid / max(1, result.days), 1)
            needed = round(100 * inputs.protocol.capture.days, 1)
            found.append(
                finding("below_capture", arm=arm, share=share, period=str(period.name), needed=needed)
            )
    if len(shares) > 1 and max(shares) - min(shares) > UNBALANCED:
        found.append(finding("unbalanced_completeness", points=round(100 * (max(shares) - min(shares)), 1)))
    return found


def _capture(
    inputs: TrialInputs, arm: str, endpoint: Endpoint, period: Period, units: Sequence[Unit]
) -> GateResult:
    """Valid intervals against planned ones; intervals inside windows are planned but leave the denominator.

    Intervals outside the endpoint's filter are not planned, and a day without a planned interval is not
    counted.
    """
    capture = inputs.protocol.capture
    planned = sum(int(unit.inside.sum()) for unit in units)
    excused = sum(int((unit.excused & ~unit.valid & unit.inside).sum()) for unit in units)
    valid = sum(int(unit.valid.sum()) for unit in units)
    days, days_valid = captured_days(units, capture, inputs.rules)
    share = valid / max(1, planned - excused)
    return GateResult(
        arm=arm,
        property=endpoint.property,
        endpoint=own_plan(endpoint),
        period=period.name,
        planned=planned,
        excused=excused,
        valid=valid,
        share=share,
        days=days,
        days_valid=days_valid,
        passed=is_captured(days, days_valid, capture),
    )


def captured_days(units: Sequence[Unit], capture: Capture, rules: Rules) -> tuple[int, int]:
    """(days with a planned interval, those of them that have enough valid ones). A day that the period cuts
    to less than `capture.day` is none.
    """
    if not units:
        return 0, 0
    groups, ordinals = day_groups(units[0].calendar)
    n = len(ordinals)
    due = sum(np.bincount(groups[~unit.excused | unit.valid], minlength=n) for unit in units)
    had = sum(np.bincount(groups[unit.valid], minlength=n) for unit in units)
    named = due_units(units, groups, n) > 0
    if rules.whole_days:
        named[partial_groups(units, groups, n, capture.day)] = False
    enough = named & ((had >= capture.share * due) & (had > 0) | (due == 0))
    return int(np.sum(named)), int(np.sum(enough))


def is_captured(days: int, days_valid: int, capture: Capture) -> bool:
    """Whether enough days count."""
    return days > 0 and days_valid >= capture.days * days
