"""Sound levels: means on the energetic scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from insitu.errors import CorrectInput
from trials.statistics.metrics.pairs import known

_PERIODS = {"day": (6, 18), "evening": (18, 22), "night": (22, 6)}
PENALTIES = {"day": 0.0, "evening": 5.0, "night": 10.0}
"""Added to the level of each part of a day for Lden, dB."""
HOURS = {"day": 12, "evening": 4, "night": 8}
"""How much each part of a day weighs in Lden."""


def energetic_mean(*, levels: ArrayLike) -> float:
    """L = 10·log₁₀((1/n)·Σ10^(Lᵢ/10)), dB; missing levels (NaN) are left out. Source: ISO 1996-1:2016, 3.1.7
    (LAeq,T).
    """
    found = known(values=levels)
    if not len(found):
        raise CorrectInput("There is no level to average.")
    highest = float(found.max())  # taken out of the powers, so that they stay numbers
    return highest + float(10 * np.log10(np.mean(10 ** ((found - highest) / 10))))


def in_period(*, hours: NDArray[np.float64], period: str) -> NDArray[np.bool_]:
    """Which local hours (0 ≤ h < 24) lie in day 6–18, evening 18–22 or night 22–6; half-open. Source: arrêté
    of 4 April 2006.
    """
    start, end = _PERIODS[period]
    return (hours >= start) & (hours < end) if start < end else (hours >= start) | (hours < end)


def period_level(*, levels: ArrayLike, hours: ArrayLike, period: str) -> float:
    """Ld, Le or Ln: the energetic mean of the levels whose local hour lies in `period` (day, evening, night),
    dB.

    Source: Directive 2002/49/EC, annex I, with the periods of the French arrêté of 4 April 2006.
    """
    if period not in _PERIODS:
        raise CorrectInput(f"{period!r} is no period of a day: day, evening or night.")
    inside = in_period(hours=np.asarray(hours, np.float64), period=period)
    return energetic_mean(levels=np.asarray(levels, np.float64)[inside])


def lden(*, levels: ArrayLike, hours: ArrayLike) -> float:
    """10·log₁₀[(12·10^(Ld/10) + 4·10^((Le+5)/10) + 8·10^((Ln+10)/10))/24], dB. Source: Directive 2002/49/EC,
    annex I.
    """
    rated = {
        period: period_level(levels=levels, hours=hours, period=period) + PENALTIES[period]
        for period in HOURS
    }
    highest = max(rated.values())
    total = sum(length * 10 ** ((rated[period] - highest) / 10) for period, length in HOURS.items())
    return highest + float(10 * np.log10(total / 24))
