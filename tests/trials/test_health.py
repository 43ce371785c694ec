"""How a device goes: the slope against SciPy's, batteries with a known end, restarts against a simulated
device.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import theilslopes

from insitu.model import Arrival
from trials.condition.health import (
    Level,
    Traffic,
    Uptime,
    find_restarts,
    look_at_battery,
    share_late,
    slope_of,
)

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
SIX_HOURS, DAY = timedelta(hours=6), timedelta(days=1)


def levels(percents: Sequence[float], every: timedelta = SIX_HOURS) -> list[Level]:
    first = NOW - every * (len(percents) - 1)
    return [Level(first + number * every, float(one)) for number, one in enumerate(percents)]


@pytest.mark.parametrize("seed", range(20))
def test_the_slope_and_its_interval_are_those_of_another_implementation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(8, 120))
    x = np.sort(rng.uniform(0, 90, n))
    y = np.round(80 - rng.uniform(-1, 2) * x + rng.normal(0, 3, n), int(rng.integers(0, 3)))
    theirs = theilslopes(y, x, alpha=0.95)
    assert slope_of(x, y) == pytest.approx((theirs.slope, theirs.low_slope, theirs.high_slope), abs=1e-12)


def test_the_range_of_days_left_holds_the_day_on_which_the_battery_is_empty() -> None:
    held = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        days = np.arange(0, 30, 0.25)
        found = look_at_battery(levels(90 - 1.5 * days + rng.normal(0, 0.8, len(days))))
        assert found is not None
        assert found.soonest is not None
        assert found.latest is not None
        true = found.percent / 1.5
        held += found.soonest <= true <= found.latest
    assert held >= 180


def test_only_levels_since_the_last_charge_count() -> None:
    falling = [50 - 0.5 * n for n in range(40)]
    found = look_at_battery(levels([*falling, 100, *(100 - 0.25 * n for n in range(1, 41))]))
    assert found is not None
    assert found.since == NOW - 40 * SIX_HOURS
    assert found.percent_per_day == pytest.approx(-1.0)
    assert found.days_left == pytest.approx(90.0)


@pytest.mark.parametrize(
    "percents",
    [
        [],
        [80.0] * 7,
        [50 + 30 * np.sin(2 * np.pi * n / 4) for n in range(200)],  # the sun charges it each day
    ],
    ids=["none", "seven", "solar"],
)
def test_too_little_since_a_charge_says_nothing(percents: list[float]) -> None:
    assert look_at_battery(levels(percents)) is None


@pytest.mark.parametrize(
    "percents", [[100.0] * 60, [70 + 0.1 * n for n in range(60)]], ids=["mains", "rising"]
)
def test_a_battery_that_does_not_fall_has_no_end(percents: list[float]) -> None:
    found = look_at_battery(levels(percents))
    assert found is not None
    assert (found.days_left, found.soonest, found.latest) == (None, None, None)


def test_a_fall_within_the_noise_may_also_last_for_ever() -> None:
    rng = np.random.default_rng(5)
    found = look_at_battery(levels(60 - 0.02 * np.arange(40) + rng.normal(0, 4, 40)))
    assert found is not None
    assert found.latest is None


@pytest.mark.parametrize("seed", range(30))
def test_restarts_are_those_of_a_simulated_device(seed: int) -> None:
    """It starts at moments of chance, tells its uptime every quarter of an hour from a clock that drifts, and
    is silent at times. Starts between two statuses are one restart, since nobody heard of the others.
    """
    rng = np.random.default_rng(seed)
    starts = np.sort(rng.uniform(0, 30 * 86_400, int(rng.integers(1, 12))))
    starts[0] = 0.0
    times = np.arange(300.0, 30 * 86_400, 900.0)
    times = times[rng.random(len(times)) > 0.3]
    drift = 1 + rng.uniform(-1e-3, 1e-3)
    running = np.searchsorted(starts, times, side="right") - 1
    told = (times - starts[running]) * drift
    begin = NOW - 30 * DAY
    said = [Uptime(begin + timedelta(seconds=t), up) for t, up in zip(times, told, strict=True)]
    found = find_restarts(pairwise(said))
    true = starts[running[1:]][np.diff(running) > 0]
    gaps = [when - float(start) for when, start in zip(seconds_since(begin, found), true, strict=True)]
    assert np.all(np.abs(gaps) < 0.002 * 86_400)


@pytest.mark.parametrize(("unit_s", "days"), [(0.001, 120), (0.01, 600)])
def test_a_counter_that_begins_again_at_0_is_no_restart(unit_s: float, days: int) -> None:
    """32 bits of ticks, told hourly by a clock that is 20 ppm fast; the device starts again once."""
    restart = 70 * 86_400.0
    begin, said = NOW - days * DAY, []
    for t in np.arange(0.0, days * 86_400, 3600.0):
        ticks = int((t - (restart if t >= restart else 0.0)) * 1.00002 / unit_s) % 2**32
        said.append(Uptime(begin + timedelta(seconds=float(t)), ticks * unit_s))
    (found,) = find_restarts(pairwise(said))
    assert abs((found - begin).total_seconds() - restart) < 60


def seconds_since(begin: datetime, moments: Sequence[datetime]) -> list[float]:
    return [(one - begin).total_seconds() for one in moments]


def test_shares_count_what_was_sent() -> None:
    arrivals = [
        np.array([Arrival.IN_TIME, Arrival.LATE, Arrival.FROM_FILE], np.int8),
        np.array([Arrival.CORRECTED, Arrival.IN_TIME, Arrival.IN_TIME], np.int8),
    ]
    assert share_late(arrivals) == 0.25
    assert share_late([]) is None
    assert share_late([np.array([Arrival.FROM_FILE], np.int8)]) is None
    traffic = Traffic(received=200, refused=8, in_part=2, repeated=30)
    assert (traffic.refused_share, traffic.repeated_share) == (0.05, 0.15)
    assert (Traffic().refused_share, Traffic().repeated_share) == (None, None)
