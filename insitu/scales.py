"""Which averaging scales a unit admits, and for which units silence would be a guess."""

from __future__ import annotations

import math
import re
from typing import Final

from insitu.errors import CorrectInput
from insitu.model import AveragingScale

_ANNOTATION: Final = re.compile(r"\{[^{}]*\}")
_LEVEL: Final = re.compile(r"(?:^|[./(])[a-zA-Z]{0,2}(?:B|Np)(?:\[[^\]]*\])?(?=$|[./)\d])")
_OWN_LEVEL: Final = re.compile(r"(dB|B|Np)(?:\[[^\]]*\])?")
_DECADES: Final = {"dB": 10.0, "B": 1.0, "Np": math.log(10) / 2}
_TURNS: Final = {"deg": 360.0, "rad": 2 * math.pi, "gon": 400.0}


def is_level(unit: str) -> bool:
    """Whether a UCUM unit is logarithmic: dB, B, Np and what is made of them."""
    return _LEVEL.search(_ANNOTATION.sub("", unit)) is not None


def decade_of(unit: str) -> float | None:
    """By how much a level in `unit` grows when its power grows tenfold: 10 in dB, 1 in B; None if it is no
    such unit.
    """
    found = _OWN_LEVEL.fullmatch(_ANNOTATION.sub("", unit))
    return _DECADES[found.group(1)] if found else None


def turn_of(unit: str) -> float | None:
    """A full circle in `unit`: 360 in deg; None if it is no unit of an angle."""
    return _TURNS.get(_ANNOTATION.sub("", unit))


def require_scale(code: str, unit: str, scale: AveragingScale | None) -> AveragingScale:
    """The averaging scale of property `code`; arithmetic if none is named.

    CorrectInput if the unit does not admit the scale, or if none is named for levels and angles: their plain
    mean is a number that looks right.
    """
    if scale is None:
        if is_level(unit):
            raise CorrectInput(
                f"{code} is in {unit}, a level, and names no averaging scale. Add the line "
                'averaging_scale = "energetic" to its [[property]]; or averaging_scale = "arithmetic" for a '
                "difference of levels, such as an attenuation."
            )
        if turn_of(unit) is not None:
            raise CorrectInput(
                f"{code} is in {unit}, an angle, and names no averaging scale. Add the line "
                'averaging_scale = "circular" to its [[property]] if it is a direction; or averaging_scale '
                '= "arithmetic" for an inclination, which does not turn over.'
            )
        return AveragingScale.ARITHMETIC
    problem = misfit(unit, scale)
    if problem is not None:
        raise CorrectInput(f"{code}: {problem}")
    return scale


def misfit(unit: str, scale: AveragingScale) -> str | None:
    """Why values in `unit` cannot be averaged on `scale`, as a sentence; None if they can."""
    bare = _ANNOTATION.sub("", unit) in ("", "1")  # a level that somebody registered as a number
    if scale is AveragingScale.ENERGETIC and decade_of(unit) is None and not bare:
        return f'averaging_scale "energetic" is for levels (dB, B, Np), and {unit} is none.'
    if scale is AveragingScale.CIRCULAR and turn_of(unit) is None:
        return f'averaging_scale "circular" is for directions in deg, rad or gon, not in {unit}.'
    if is_level(unit) and scale not in (AveragingScale.ENERGETIC, AveragingScale.ARITHMETIC):
        return f'levels in {unit} are averaged by energy ("energetic"), not on the scale "{scale}".'
    return None
