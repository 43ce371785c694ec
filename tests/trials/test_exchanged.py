"""Two devices that exchange their names at the change, and a reference that checks its zero every day: worlds
written with NumPy and SciPy alone.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy.signal import lfilter

from insitu.arrays import Floats
from insitu.model import Verdict
from trials.designs import DESIGNS, Answer, ask
from trials.judge.answers import judged
from trials.plan.rules import Rules

FIRST = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAYS = 30
HOURS = 24 * DAYS
CLOCK = np.arange(2 * HOURS) % 24


def ar(rng: np.random.Generator, number: int, phi: float = 0.8) -> Floats:
    steps = rng.normal(0, np.sqrt(1 - phi**2), number)
    steps[0] = rng.normal()
    made: Floats = lfilter([1.0], [1.0, -phi], steps)
    return made


def beside_controls(
    rng: np.random.Generator, *, own: float, exchanged: bool = False, flattened: bool = False
) -> Answer:
    """A treated device with a daily rhythm of its own (amplitude `own`), 3 above two controls. `flattened`:
    the change takes the rhythm away, and 3.
    """
    day = np.sin(2 * np.pi * CLOCK / 24)
    whole = np.repeat(3 * ar(rng, 2 * DAYS), 24) + 2 * day
    treated = 23 + whole + own * np.cos(2 * np.pi * CLOCK / 24) + 3 * ar(rng, 2 * HOURS)
    controls = [20 + whole + 3 * ar(rng, 2 * HOURS) for _ in range(2)]
    if flattened:
        treated[HOURS:] -= 3 + own * np.cos(2 * np.pi * CLOCK[HOURS:] / 24)
    if exchanged:
        treated[HOURS:], controls[0][HOURS:] = controls[0][HOURS:].copy(), treated[HOURS:].copy()
    for values in (treated, *controls):
        values[rng.random(2 * HOURS) < 0.03] = np.nan
    return ask(
        "control_sites",
        arms={
            "candidate": {"baseline": {"t": treated[:HOURS]}, "reporting": {"t": treated[HOURS:]}},
            "control": {
                "baseline": {f"c{n}": values[:HOURS] for n, values in enumerate(controls)},
                "reporting": {f"c{n}": values[HOURS:] for n, values in enumerate(controls)},
            },
        },
        start={"baseline": FIRST, "reporting": FIRST + HOURS * HOUR},
        interval=HOUR,
        bare=True,
        targets={"effect": (None, 0)},
    )


def codes(answer: Answer) -> list[str]:
    return [one.code for one in answer.findings]


def test_exchanged_names_are_seen_by_the_rhythm_and_leave_the_verdict_open() -> None:
    for seed in range(4):
        answer = beside_controls(np.random.default_rng(seed), own=4.0, exchanged=True)
        (one,) = [found for found in answer.findings if found.code == "names_exchanged"]
        assert (one.evidence["device"], one.evidence["other"]) == ("t", "c0")
        assert isinstance(one.evidence["turned"], float)
        assert -1.5 < one.evidence["turned"] < -0.5
        assert answer.is_open
        assert judged(answer, tell=False).verdict not in (Verdict.MET, Verdict.NOT_MET)
        assert answer.question is not None
        old = DESIGNS["control_sites"].answer(replace(answer.question, rules=Rules(5)))
        assert "names_exchanged" not in codes(old)
        assert not old.is_open


@pytest.mark.parametrize(("own", "flattened"), [(0.0, False), (4.0, False), (4.0, True)])
def test_devices_that_keep_their_names_are_not_doubted(own: float, flattened: bool) -> None:
    """Also where all sites have one rhythm, or the change takes the rhythm of the treated one away."""
    for seed in range(4):
        answer = beside_controls(np.random.default_rng([seed, 1]), own=own, flattened=flattened)
        assert "names_exchanged" not in codes(answer)


# -- a check of every day


def collocated(
    rng: np.random.Generator, *, share: float = 0.0, at: int = 2, to: float = 0.0, peak: float = 0.0
) -> Answer:
    """`share` of the hour `at` of each day the reference has `to` in place of the air; `peak`: of the air,
    every day at eight.
    """
    clock = CLOCK[:HOURS]
    air = 20 + 4 * ar(rng, HOURS) + 3 * np.sin(2 * np.pi * clock / 24) + peak * (clock == 8)
    device = 0.8 * air + rng.normal(0, 1.5, HOURS)
    reference = np.where(clock == at, (1 - share) * air + share * to, air)
    reference[rng.random(HOURS) < 0.03] = np.nan
    return ask(
        "reference_collocation",
        arms={"candidate": {"reporting": device}, "reference": {"reporting": reference}},
        start={"reporting": FIRST},
        interval=HOUR,
        bare=True,
        targets={"r2": (0.7, None)},
    )


@pytest.mark.parametrize(
    ("share", "at", "to"), [(1.0, 2, 0.0), (0.25, 2, 0.0), (0.25, 0, 80.0), (1.0, 23, 0.0)]
)
def test_a_check_of_every_day_is_named_with_its_hour(share: float, at: int, to: float) -> None:
    for seed in range(3):
        rng = np.random.default_rng([seed, at])
        answer = collocated(rng, share=share, at=at, to=to)
        (one,) = [found for found in answer.findings if found.code == "daily_check"]
        assert one.evidence["hour"] == f"{at:02d}:00"
        assert isinstance(one.evidence["difference"], float)
        assert (one.evidence["difference"] > 0) == (to > 20)


@pytest.mark.parametrize("peak", [0.0, 15.0])
def test_air_with_a_peak_of_every_day_is_no_check(peak: float) -> None:
    for seed in range(5):
        assert "daily_check" not in codes(collocated(np.random.default_rng([seed, 9]), peak=peak))


def test_hours_that_are_never_there_are_not_asked() -> None:
    clock = CLOCK[:HOURS]
    air = 20 + 4 * ar(np.random.default_rng(3), HOURS)
    answer = ask(
        "reference_collocation",
        arms={
            "candidate": {"reporting": air + np.random.default_rng(4).normal(0, 1.0, HOURS)},
            "reference": {"reporting": np.where((clock == 2) | (clock == 3), np.nan, air)},
        },
        start={"reporting": FIRST},
        interval=HOUR,
        bare=True,
        targets={"r2": (0.7, None)},
    )
    assert "daily_check" not in codes(answer)
