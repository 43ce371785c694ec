"""Small trials in memory: a protocol, series, inputs. Start: Sunday 2026-03-01 00:00 in Paris; the clocks
change on 2026-03-29.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from insitu.model import PeriodName
from insitu.times import to_whole_second_us
from trials.designs.question import Question
from trials.plan.endpoint import Endpoint
from trials.plan.parts import Capture
from trials.plan.protocol import Protocol
from trials.plan.reading import canonical, digest
from trials.plan.reading import document_of as protocol_document
from trials.report.sentence import sentences
from trials.series.inputs import Placement, ProtocolVersion, StreamInput, TrialInputs, WindowInput
from trials.series.scale import ARITHMETIC
from trials.series.slots import Calendar, Unit
from trials.statement import Kind

Floats = NDArray[np.float64]
START = datetime(2026, 2, 28, 23, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TEXT = {"en": "Text", "fr": "Texte"}
FINDING_CODES = {sentence.code for sentence in sentences(Kind.FINDING)}
ROLES = {"candidate": "candidate", "reference": "reference", "control": "control"}


def criterion(
    statistic: str, low: float | None = None, high: float | None = None, **more: Any
) -> dict[str, Any]:
    return {"statistic": statistic, "target": {"low": low, "high": high}, "justification": TEXT, **more}


def endpoint(design: str, criteria: list[dict[str, Any]], *, arms: list[str], **more: Any) -> dict[str, Any]:
    """One endpoint about NO2; the arms are named after their roles."""
    return {
        "name": "main",
        "title": {"en": "Nitrogen dioxide", "fr": "Dioxyde d’azote"},
        "property": "no2",
        "unit": "ug/m3",
        "design": design,
        "arms": {arm: arm for arm in arms},
        "criteria": criteria,
        **more,
    }


def period(name: str, first_day: int, last_day: int, start: datetime = START) -> dict[str, Any]:
    """From one day of the trial to another, which is excluded."""
    return {
        "name": name,
        "start": (start + first_day * DAY).isoformat(),
        "end": (start + last_day * DAY).isoformat(),
    }


def protocol_json(*endpoints: dict[str, Any], periods: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A protocol whose arms are those that the endpoints name, with one device each, `<arm>-1`, unless
    `devices` says otherwise.
    """
    arms = sorted({arm for one in endpoints for arm in one["arms"].values()})
    devices = more.pop("devices", {})
    properties = sorted({one["property"] for one in endpoints} | set(more.pop("also", [])))
    return {
        "schema": "insitu/protocol/1",
        "trial": "small",
        "title": {"en": "A small trial", "fr": "Un petit essai"},
        "question": TEXT,
        "hypothesis": TEXT,
        "periods": periods,
        "arms": [
            {"name": a, "role": ROLES[a], "site": "station", "devices": devices.get(a, [f"{a}-1"])}
            for a in arms
        ],
        "measurements": [{"property": p, "arms": arms, "interval": "PT1H"} for p in properties],
        "checks": [
            {"property": p, "check": "gross_range", "parameters": {"fail_low": -50, "fail_high": 500}}
            for p in properties
        ],
        "endpoints": list(endpoints),
        "missing_data": TEXT,
        "decisions": dict.fromkeys(("met", "not_met", "inconclusive", "not_evaluable"), TEXT),
        **more,
    }


def protocol(*endpoints: dict[str, Any], periods: list[dict[str, Any]], **more: Any) -> Protocol:
    return Protocol.model_validate(protocol_json(*endpoints, periods=periods, **more))


def series(
    device: str, values: Floats, *, start: datetime = START, flag: int = 1, property: str = "no2", **more: Any
) -> StreamInput:
    """Hourly results from `start`; NaN leaves a hole."""
    there = np.isfinite(values)
    time_us = to_whole_second_us(start) + 3_600_000_000 * np.arange(len(values), dtype=np.int64)
    facts: dict[str, Any] = {
        "name": property,
        "unit": "ug/m3",
        "role": "candidate",
        "averaging_scale": "arithmetic",
        "sensor": "",
        "placements": [Placement("station", device, START - 30 * DAY, None)],
        "checks": ["gross_range"],
        "ran": ["gross_range"],
    }
    return StreamInput(
        device=device,
        property=property,
        time_us=time_us[there],
        result=np.asarray(values, np.float64)[there],
        flag=np.full(int(there.sum()), flag, np.int8),
        **{**facts, **more},
    )


def inputs(
    plan: Protocol,
    streams: list[StreamInput],
    *,
    now: datetime | None = None,
    windows: list[WindowInput] | None = None,
) -> TrialInputs:
    """Inputs for an evaluation a day after the last period, locked a day before the first."""
    return TrialInputs(
        protocol=plan,
        protocol_sha256=digest(protocol_document(plan)),
        locked_at=min(p.start for p in plan.periods).astimezone(UTC) - DAY,
        organisations={"host": "Host", "company": "Company", "evaluator": "Judge"},
        sites={"station": "Station"},
        streams=streams,
        windows=windows or [],
        rejects=[],
        gaps=[],
        simulated=False,
        now=now or max(p.end for p in plan.periods).astimezone(UTC) + DAY,
    )


def protocol_text(plan: Protocol) -> str:
    return canonical(protocol_document(plan)).decode()


def window(target: str, first_hour: int, last_hour: int) -> WindowInput:
    """Maintenance of a device, declared beforehand."""
    start = START + first_hour * HOUR
    return WindowInput(
        "maintenance", "device", target, start, START + last_hour * HOUR, "cleaning", "operator", start - DAY
    )


def noise(rng: np.random.Generator, phi: float, n: int, sd: float = 1.0) -> Floats:
    """A stationary AR(1) with standard deviation `sd`."""
    steps = rng.normal(0, sd * np.sqrt(1 - phi**2), n)
    steps[0] = rng.normal(0, sd)
    made: Floats = lfilter([1.0], [1.0, -phi], steps)
    return made


def cycle(n: int, amplitude: float = 3.0) -> Floats:
    """A daily cycle with mean 0 over whole days, hourly."""
    return amplitude * np.sin(2 * np.pi * np.arange(n) / 24)


def with_gaps(rng: np.random.Generator, values: Floats, share: float = 0.1) -> Floats:
    """The series without some of its hours: half of the losses one by one, half in runs of six."""
    lost = rng.random(len(values)) < share / 2
    for at in np.flatnonzero(rng.random(len(values)) < share / 12):
        lost[at : at + 6] = True
    return np.where(lost, np.nan, values)


def question(
    made: dict[str, Any],
    units: dict[tuple[str, PeriodName], list[Floats]],
    *,
    start: datetime,
    time_zone: str = "UTC",
    level: float = 0.95,
) -> Question:
    """A design's question from hourly arrays; a baseline ends at `start`, a reporting period begins there."""
    filled: Any = {}
    for (role, name), arrays in units.items():
        filled[role, name] = []
        for number, values in enumerate(arrays):
            first = start - len(values) * HOUR if name is PeriodName.BASELINE else start
            calendar = Calendar.of(first, first + len(values) * HOUR, HOUR, time_zone)
            filled[role, name].append(Unit(f"{role}-{number}", calendar, values, np.zeros(len(values), bool)))
    return Question(Endpoint.model_validate(made), Capture(), level, 1, ARITHMETIC, filled)


def listed(given: TrialInputs) -> TrialInputs:
    """The inputs with the locked version, as an installation lists it."""
    text = protocol_text(given.protocol)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    assert given.locked_at is not None
    return replace(given, versions=[ProtocolVersion(1, given.locked_at, sha256, text)])
