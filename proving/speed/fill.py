"""Trials of any size in a database, the same for the same seed: the data of `proving.speed.evaluations`.

Candidates and controls measure a daily cycle, weather that all share and noise of their own; in the second
half the candidates lie lower by `EFFECT`. Every device falls silent about once in five days, for five hours
on average; its results of that time are lost, or come later. Of the other results 0.1 % are missing, 0.1 %
suspect, 0.02 % failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from insitu.arrays import Bools, Floats, Ints
from insitu.model import ClockQuality, DatastreamRole, Flag, Observation, OrganisationKind, TrialState
from insitu.times import to_us
from store.catalogue.datastreams import add_datastream, list_datastreams
from store.catalogue.deployments import deploy
from store.catalogue.devices import add_device
from store.catalogue.organisations import add_organisation
from store.catalogue.properties import add_property
from store.catalogue.sites import add_site
from store.catalogue.trials import add_trial as add_stored_trial
from store.catalogue.trials import move_trial
from store.database import Connection
from store.observations import copy_straight, merge
from store.quality import save_flags
from trials import quality
from trials.plan.protocol import Protocol
from trials.plan.reading import digest
from trials.workflow.locking import lock_protocol

START: Final = datetime(2024, 2, 29, 23, tzinfo=UTC)
"""Midnight in Paris."""
EFFECT: Final = -3.0
KEPT_BACK_US: Final = 6 * 3_600_000_000
"""How late a result is received that the device kept back."""
CHUNK: Final = timedelta(days=2)
Chunk = tuple[Ints, Ints, Floats, Ints, NDArray[np.int8]]
"""(datastream, time, result, received, flag) of each result."""
_CHECK: Final = "gross_range"
_PARAMETERS: Final[dict[str, float | int | str | bool]] = {
    "fail_low": -50,
    "suspect_low": -40,
    "suspect_high": 150,
    "fail_high": 500,
}
_SUSPECT, _FAILED = 200.0, 600.0
"""Results that the check flags."""
_DAY_US: Final = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Size:
    """Of one trial."""

    devices: int
    """With one datastream each; half of them candidates."""
    days: int
    interval: timedelta

    @property
    def observations(self) -> int:
        """Planned."""
        return self.devices * self.days * round(timedelta(days=1) / self.interval)


def add_lab(conn: Connection) -> None:
    """Adds the organisations, sites and property that every trial needs. Call it once."""
    add_organisation(conn, code="host", name="Host", kind=OrganisationKind.HOST, now=START)
    add_organisation(conn, code="company", name="Company", kind=OrganisationKind.COMPANY, now=START)
    for role in ("candidate", "control"):
        add_site(conn, code=role, host="host", name=role.title(), kind="street")
    add_property(conn, code="no2", name={"en": "Nitrogen dioxide", "fr": "Dioxyde d’azote"}, unit="ug/m3")


def add_trial(conn: Connection, code: str, size: Size, *, seed: int) -> None:
    """Adds catalogue, locked protocol and every observation, checked; the caller owns the transaction."""
    title = {"en": f"Bench {code}", "fr": f"Banc {code}"}
    add_stored_trial(conn, code=code, title=title, host="host", company="company", now=START)
    numbers = [add_bench_device(conn, code, device, role, size) for device, role in _devices(size)]
    for state in (TrialState.SHORTLISTED, TrialState.AGREEMENT, TrialState.DEPLOYMENT, TrialState.RUNNING):
        move_trial(conn, trial=code, to=state, at=START, login="lab")
    lock_protocol(conn, protocol(code, size), now=START - timedelta(days=1), login="lab")
    treated = np.array([role == "candidate" for _, role in _devices(size)])
    _observe(conn, np.array(numbers), treated, size, seed)


def _devices(size: Size) -> list[tuple[str, str]]:
    """(code, role), half of each."""
    half = size.devices // 2
    return [(f"d{n:02}", "candidate" if n < half else "control") for n in range(size.devices)]


def add_bench_device(conn: Connection, trial: str, device: str, role: str, size: Size) -> int:
    number = add_device(conn, trial=trial, code=device, now=START)
    deploy(conn, device_id=number, site=role, position=f"{trial}-{device}", start=START - timedelta(days=1))
    return add_datastream(
        conn,
        device_id=number,
        name="no2",
        property="no2",
        unit="ug/m3",
        role=DatastreamRole(role),
        expected_interval=size.interval,
    )


def protocol(code: str, size: Size) -> Protocol:
    """Design 7: candidates against controls, before and after the middle."""
    text = {"en": "Bench", "fr": "Banc"}
    middle, end = START + timedelta(days=size.days // 2), START + timedelta(days=size.days)
    arms = {
        role: [device for device, one in _devices(size) if one == role] for role in ("candidate", "control")
    }
    document: dict[str, Any] = {
        "schema": "insitu/protocol/1",
        "trial": code,
        "title": text,
        "question": text,
        "hypothesis": text,
        "periods": [
            {"name": "baseline", "start": START, "end": middle},
            {"name": "reporting", "start": middle, "end": end},
        ],
        "arms": [
            {"name": role, "role": role, "site": role, "devices": devices} for role, devices in arms.items()
        ],
        "measurements": [{"property": "no2", "arms": list(arms), "interval": size.interval}],
        "checks": [{"property": "no2", "check": _CHECK, "parameters": _PARAMETERS}],
        "endpoints": [
            {
                "name": "reduction",
                "title": text,
                "property": "no2",
                "unit": "ug/m3",
                "design": "control_sites",
                "arms": {role: role for role in arms},
                "criteria": [{"statistic": "effect", "target": {"high": EFFECT / 2}, "justification": text}],
            }
        ],
        "missing_data": text,
        "decisions": dict.fromkeys(("met", "not_met", "inconclusive", "not_evaluable"), text),
    }
    return Protocol.model_validate(document)


# -- observations


def _observe(conn: Connection, numbers: Ints, treated: Bools, size: Size, seed: int) -> None:
    """Stores one run of the checks over each datastream, and all observations in the order of receipt."""
    _save_checks(conn, numbers, size, _chunks(numbers, treated, size, np.random.default_rng(seed)))
    for streams, times, results, received, flags in _chunks(
        numbers, treated, size, np.random.default_rng(seed)
    ):
        copy_straight(conn, streams, times, results, received, flags=flags)


def _save_checks(conn: Connection, numbers: Ints, size: Size, chunks: Iterator[Chunk]) -> None:
    """Call it before the observations are there: then none is searched for, to give it the flag that it
    has.
    """
    flagged = []
    for streams, times, _, _, flags in chunks:
        found = flags != Flag.PASS
        flagged.append((streams[found], times[found], flags[found]))
    streams, times, flags = (np.concatenate(column) for column in zip(*flagged, strict=True))
    now, parameters = (
        START + timedelta(days=size.days),
        quality.parameters_text(quality.plan([(_CHECK, _PARAMETERS)])),
    )
    for number in numbers.tolist():
        mine = streams == number
        by_check = {_CHECK: (times[mine], flags[mine])}
        save_flags(
            conn,
            datastream_id=number,
            times_us=times[mine],
            flags=flags[mine],
            by_check=by_check,
            checks=[_CHECK],
            ran=[_CHECK],
            parameters=parameters,
            sha256=digest({"parameters": parameters}),
            now=now,
            received_before=now,
        )


def _chunks(numbers: Ints, treated: Bools, size: Size, rng: np.random.Generator) -> Iterator[Chunk]:
    """Chunks of a few days, ordered by time and then by datastream, as they would arrive."""
    step_us = round(size.interval.total_seconds() * 1e6)
    start_us, width = to_us(START), len(numbers)
    weather = np.cumsum(rng.normal(0, 1, size.days)) * 0.5 + rng.normal(0, 2, size.days)
    offset = rng.normal(0, 1, width)
    lost, late = _outages(size, rng)
    for first in range(0, size.days, CHUNK.days):
        last = min(size.days, first + CHUNK.days)
        times = np.arange(first * _DAY_US, last * _DAY_US, step_us, dtype=np.int64)
        day = times // _DAY_US
        shared = 30 + weather[day] + 3 * np.sin(2 * np.pi * times / _DAY_US)
        table = shared[:, None] + offset + rng.normal(0, 2, (len(times), width))
        table += np.where(treated & (day >= size.days // 2)[:, None], EFFECT, 0.0)
        dice = rng.random(table.size)
        rows = slice(first * _DAY_US // step_us, first * _DAY_US // step_us + len(times))
        kept = (dice > 0.001) & ~lost[rows].ravel()
        flags = np.where(dice > 0.9998, Flag.FAIL, np.where(dice > 0.9988, Flag.SUSPECT, Flag.PASS)).astype(
            np.int8
        )
        results = np.round(table.ravel(), 2)
        results[flags == Flag.SUSPECT], results[flags == Flag.FAIL] = _SUSPECT, _FAILED
        delay = np.where(late[rows].ravel(), KEPT_BACK_US, 1_500_000)
        at = np.repeat(times + start_us, width)
        yield (
            np.tile(numbers, len(times))[kept],
            at[kept],
            results[kept],
            (at + delay)[kept],
            flags[kept],
        )


def _outages(size: Size, rng: np.random.Generator) -> tuple[Bools, Bools]:
    """(results that are lost, results that come late), each of shape (planned times, devices)."""
    number = size.observations // size.devices
    lost, late = np.zeros((number, size.devices), bool), np.zeros((number, size.devices), bool)
    per_day = number / size.days
    for device in range(size.devices):
        for start in np.flatnonzero(rng.random(number) < 0.2 / per_day):
            length = 1 + round(rng.exponential(5 / 24) * per_day)
            (lost if rng.random() < 0.5 else late)[start : start + length, device] = True
    return lost, late


def add_late(conn: Connection, code: str, now: datetime) -> None:
    """Adds one observation to the first datastream, between two planned ones, received now and not checked
    yet.
    """
    stream = list_datastreams(conn, code)[0].datastream_id
    merge(conn, [Observation(stream, to_us(START) + 1_000_001, 30.0, to_us(now), ClockQuality.DEVICE)])
