"""Physical signals as pure functions of time and seed: the values that a perfect instrument would measure.

Times are µs since 1970 (UTC) on a regular grid; daily patterns follow the local clock of the site. Randomness
comes from streams derived from names, so that adding a device changes no other device.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np

from insitu.arrays import Bools, Floats, Ints

STEP_US = 900_000_000
"""15 minutes."""
DAY_STEPS = 96


def stream(seed: int, *names: str) -> np.random.Generator:
    """A random stream of its own for each sequence of names."""
    digest = hashlib.sha256("\0".join([str(seed), *names]).encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, np.uint64))


@dataclass(frozen=True, slots=True)
class Grid:
    """A quarter-hour grid, with the local hour (0 ≤ h < 24) and the weekend of each step."""

    time_us: Ints
    hour: Floats
    weekend: Bools

    @classmethod
    def of(cls, start: datetime, days: int, time_zone: str) -> Grid:
        """From `start` (local midnight) for `days` times 24 hours."""
        first = int(start.timestamp()) * 1_000_000
        time_us = first + STEP_US * np.arange(days * DAY_STEPS, dtype=np.int64)
        zone = ZoneInfo(time_zone)
        offsets = {}
        hours = time_us // 3_600_000_000
        for hour in np.unique(hours):
            when = datetime.fromtimestamp(int(hour) * 3600, UTC).astimezone(zone)
            offset = when.utcoffset()
            offsets[int(hour)] = int(offset.total_seconds()) if offset else 0
        local_s = time_us / 1e6 + np.array([offsets[int(hour)] for hour in hours])
        weekday = (np.floor(local_s / 86_400).astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
        return cls(time_us, (local_s % 86_400) / 3600, weekday >= 5)


def autoregressive(rng: np.random.Generator, n: int, *, phi: float, sd: float) -> Floats:
    """A stationary AR(1) of standard deviation `sd`."""
    from scipy.signal import lfilter

    shocks = rng.normal(0, sd * np.sqrt(1 - phi**2), n)
    shocks[0] = rng.normal(0, sd)
    filtered: Floats = lfilter([1.0], [1.0, -phi], shocks)
    return filtered


def bump(hour: Floats, centre: float, width: float) -> Floats:
    """A daily bell around `centre` (h), circular."""
    distance = (hour - centre + 12) % 24 - 12
    return np.exp(-0.5 * (distance / width) ** 2)


def platform_pm25(grid: Grid, rng: np.random.Generator) -> Floats:
    """µg/m³ on an underground platform: trains from 5:30 to 1:00, two rush hours, weather of the city
    above.
    """
    service = ((grid.hour >= 5.5) | (grid.hour < 1.0)).astype(float)
    rush = bump(grid.hour, 8.5, 1.3) + 0.9 * bump(grid.hour, 18.2, 1.6)
    traffic = service * (0.5 + rush) * np.where(grid.weekend, 0.65, 1.0)
    dust = _exponential_mean(traffic, 0.35)
    weather = autoregressive(rng, len(grid.hour), phi=0.995, sd=0.22)
    return (9.0 + 26.0 * dust) * np.exp(weather)


def _exponential_mean(x: Floats, share: float) -> Floats:
    from scipy.signal import lfilter

    smoothed: Floats = lfilter([share], [1.0, share - 1.0], x)
    return smoothed


def ward_occupancy(grid: Grid, rng: np.random.Generator) -> Floats:
    """Persons in a ward: patients and night staff always, day staff, visitors in the afternoon."""
    day = ((grid.hour >= 7) & (grid.hour < 20)).astype(float)
    visits = bump(grid.hour, 15.0, 1.8) * np.where(grid.weekend, 9.0, 6.0)
    wave = autoregressive(rng, len(grid.hour), phi=0.9, sd=1.2)
    return np.clip(np.round(14 + 5 * day + visits + wave), 4, None)


def ward_co2(
    occupancy: Floats, rng: np.random.Generator, *, air_changes: Floats, volume_m3: float = 900.0
) -> Floats:
    """ppm by mass balance of a well-mixed room: persons exhale 18 L/h of CO2, outdoor air replaces room
    air.
    """
    generated = occupancy * 0.018 / volume_m3 * 1e6  # ppm per hour
    outdoors = 425 + autoregressive(rng, len(occupancy), phi=0.98, sd=8)
    step_h = STEP_US / 3.6e9
    kept = np.exp(-air_changes * step_h)
    level = np.empty(len(occupancy))
    current = outdoors[0] + generated[0] / air_changes[0]
    for n in range(len(occupancy)):
        steady = outdoors[n] + generated[n] / air_changes[n]
        current = steady + (current - steady) * kept[n]
        level[n] = current
    return level


def street_noise(grid: Grid, rng: np.random.Generator) -> Floats:
    """LAeq,15min in dB(A) beside a street: 10·log10 of the traffic flow, and single events."""
    flow = (
        0.04 + 0.9 * bump(grid.hour, 8.3, 2.0) + 0.7 * bump(grid.hour, 13.0, 3.0) + bump(grid.hour, 18.3, 2.4)
    )
    flow = flow * np.where(grid.weekend, 0.6, 1.0)
    events = rng.random(len(flow)) < 0.01
    wave = autoregressive(rng, len(flow), phi=0.8, sd=1.0)
    return 65.8 + 10 * np.log10(flow) + wave + events * rng.uniform(4, 10, len(flow))


def temperature(grid: Grid, rng: np.random.Generator, *, mean: float, swing: float) -> Floats:
    """°C."""
    return (
        mean
        + swing * bump(grid.hour, 15.5, 4.0)
        + autoregressive(rng, len(grid.hour), phi=0.997, sd=swing / 2 + 0.4)
    )


def humidity(grid: Grid, rng: np.random.Generator, *, mean: float) -> Floats:
    """Per cent relative humidity."""
    wave = autoregressive(rng, len(grid.hour), phi=0.997, sd=7)
    return np.clip(mean - 6 * bump(grid.hour, 15.5, 4.0) + wave, 12, 98)


Kind = Literal["platform", "ward", "street"]


def site_signals(
    kind: Kind, grid: Grid, seed: int, site: str, place: str, *, treated_from: int | None, strength: float
) -> dict[str, Floats]:
    """Every property at one place; from step `treated_from` on with the intervention of `strength` (0: none).

    Platform: filtration removes the share `strength` of PM. Ward: ventilation gives `strength` more air
    changes per hour. Street: `strength` dB less. Weather is shared by the places of a site.
    """
    n = len(grid.hour)
    after = np.zeros(n) if treated_from is None else (np.arange(n) >= treated_from).astype(float)
    climate = {
        "temperature": temperature(grid, stream(seed, site, "temperature"), mean=21.0, swing=3.0),
        "humidity": humidity(grid, stream(seed, site, "humidity"), mean=48.0),
    }
    if kind == "platform":
        pm25 = platform_pm25(grid, stream(seed, site, "pm25")) * (1 - strength * after)
        return {"pm25": pm25, "pm10": 1.9 * pm25 + 4.0, **climate}
    if kind == "ward":
        occupancy = ward_occupancy(grid, stream(seed, site, place, "occupancy"))
        co2 = ward_co2(occupancy, stream(seed, site, "outdoors"), air_changes=1.1 + strength * after)
        return {"co2": co2, "occupancy": occupancy, **climate}
    laeq = street_noise(grid, stream(seed, site, "noise")) - strength * after
    return {"laeq": laeq, **climate}
