"""Asks a design on plain arrays, without a protocol, a catalogue or a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, cast, get_args

import numpy as np
from numpy.typing import ArrayLike
from pydantic import ValidationError

from insitu.errors import CorrectInput
from insitu.model import AveragingScale, PeriodName
from insitu.scales import misfit
from insitu.spacing import Spacing
from trials.designs.question import Answer, ArmRole, Question
from trials.designs.registry import DESIGNS
from trials.plan.endpoint import Endpoint
from trials.plan.parts import Capture
from trials.plan.rules import Rules
from trials.series.aggregate import about
from trials.series.scale import Scale, scale_of
from trials.series.slots import Calendar, Unit

_TEXT: Final = {"en": "-", "fr": "-"}
Series = ArrayLike | Mapping[str, ArrayLike]
"""One device, or several by name: one value per interval, NaN where missing."""
Bounds = tuple[float | None, float | None]
Placed = dict[tuple[ArmRole, PeriodName], list[Unit]]


def ask(
    design: str,
    *,
    arms: Mapping[str, Mapping[str, Series]],
    start: Mapping[str, datetime],
    interval: timedelta | Spacing,
    time_zone: str = "UTC",
    unit: str = "1",
    scale: str = AveragingScale.ARITHMETIC,
    level: float = 0.95,
    day_share: float = 0.75,
    seed: int = 1,
    targets: Mapping[str, Bounds] | None = None,
    aggregation: str | Mapping[str, Any] = "mean",
    grid: timedelta | Spacing = timedelta(hours=1),
    kept: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
    schedule: Sequence[Mapping[str, Any]] | None = None,
    covariates: Mapping[str, Mapping[str, ArrayLike]] | None = None,
    independent: Mapping[str, str] | None = None,
    bare: bool = False,
) -> Answer:
    """The answer of a design on plain arrays; docs/library.md shows it.

    `arms`: role → period → series. `start`: period → start of its first interval, with an offset from UTC.
    `interval`, `grid`: a fixed time, or a `Spacing` of calendar months; days are those of the calendar.
    `time_zone` decides the days. `scale`: averaging scale of the results; dB for levels, unless `unit` is
    another level. `level`: of the printed intervals. `day_share`: a day counts with this share of its
    intervals. `targets`: statistic → (low, high), None is open.
    `aggregation`, `kept` (a filter), `grid`, `parameters`, `schedule` (the blocks of a crossover: start, end,
    on) and `independent` (why the values are) as in a protocol. `covariates`: property → period → series.
    `bare`: no sensitivity, placebos or pairs; several times faster. CorrectInput names a wrong argument.
    """
    if design not in DESIGNS:
        raise CorrectInput(f"There is no design {design!r}; known are {', '.join(DESIGNS)}.")
    stated = {
        "unit": unit,
        "design": design,
        "aggregation": aggregation,
        "filter": kept,
        "grid": grid,
        "parameters": dict(parameters or {}),
        "independent": None if independent is None else dict(independent),
        "schedule": None if schedule is None else [dict(block) for block in schedule],
        "arms": {role: role for role in arms},
    }
    endpoint = _endpoint(stated, targets or {})
    units = cast(Placed, _placed(endpoint, arms, start, interval, time_zone))
    beside = _placed(None, covariates or {}, start, interval, time_zone)
    for needed in DESIGNS[design].arms:
        for period in DESIGNS[design].periods:
            if not units.get((needed, period)):
                raise CorrectInput(
                    f"{design} needs the {period} period of a {needed} arm: arms={{{needed!r}: "
                    f"{{{str(period)!r}: …}}}}."
                )
    on = _scale(scale, unit)
    return _answered(Question(endpoint, Capture(day=day_share), level, seed, on, units, beside, bare=bare))


def _answered(question: Question) -> Answer:
    """With its question, so that a verdict can ask on."""
    answer = DESIGNS[question.endpoint.design].answer(question)
    answer.question = question
    return answer


def _scale(name: str, unit: str) -> Scale:
    if name not in set(AveragingScale):
        raise CorrectInput(f"{name!r} is no averaging scale: {', '.join(AveragingScale)}.")
    problem = misfit(unit, AveragingScale(name))
    if problem is not None and name == AveragingScale.CIRCULAR:  # a share of levels may be in %
        raise CorrectInput(problem)
    return scale_of(name, unit, Rules())


def _endpoint(stated: Mapping[str, Any], targets: Mapping[str, Bounds]) -> Endpoint:
    """An endpoint without the texts that a protocol requires."""
    unknown = set(stated["arms"]) - set(get_args(ArmRole))
    if unknown:
        raise CorrectInput(f"{sorted(unknown)[0]!r} is no role of an arm: {', '.join(get_args(ArmRole))}.")
    criteria = [
        {"statistic": name, "target": {"low": low, "high": high}, "justification": _TEXT}
        for name, (low, high) in targets.items()
    ]
    placed = criteria or [{"statistic": "none", "target": {"low": 0}, "justification": _TEXT}]
    try:
        made = Endpoint.model_validate(
            {"name": "asked", "title": _TEXT, "property": "asked", "criteria": placed, **stated}
        )
    except ValidationError as error:
        told = (
            f"{'.'.join(str(part) for part in e['loc'])}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        )
        raise CorrectInput("; ".join(told)) from error
    return made if criteria else made.model_copy(update={"criteria": []})


def _begins(name: str, start: Mapping[str, datetime]) -> datetime:
    if name not in set(PeriodName):
        raise CorrectInput(f"{name!r} is no period: {', '.join(PeriodName)}.")
    if name not in start:
        raise CorrectInput(f"Say when the {name} period starts: start={{{str(name)!r}: …}}.")
    if start[name].tzinfo is None:
        raise CorrectInput("A start needs an offset from UTC, as datetime(2026, 3, 1, tzinfo=UTC).")
    return start[name]


def _placed(
    endpoint: Endpoint | None,
    given: Mapping[str, Mapping[str, Series]],
    start: Mapping[str, datetime],
    interval: timedelta | Spacing,
    time_zone: str,
) -> dict[tuple[str, PeriodName], list[Unit]]:
    """(role or covariate, period) → units, with the slots that `endpoint` plans; with all slots if it is
    None.
    """
    placed = {}
    for role, periods in given.items():
        for name, series in periods.items():
            begins = _begins(name, start)
            units = [
                _unit(key, values, begins, interval, time_zone)
                for key, values in _named(role, series).items()
            ]
            placed[role, PeriodName(name)] = (
                [about(endpoint, unit, []) for unit in units] if endpoint else units
            )
    return placed


def _named(role: str, series: Series) -> dict[str, ArrayLike]:
    return dict(series) if isinstance(series, Mapping) else {role: series}


def _unit(
    name: str, values: ArrayLike, start: datetime, interval: timedelta | Spacing, time_zone: str
) -> Unit:
    table = np.asarray(values, np.float64)
    if table.ndim != 1 or not len(table):
        raise CorrectInput(
            f"{name}: give one value per interval, as an array of one dimension; several devices go by name."
        )
    calendar = Calendar.counted(start, len(table), interval, time_zone)
    return Unit(name, calendar, np.where(np.isfinite(table), table, np.nan), np.zeros(len(table), bool))
