"""Units are written in UCUM (https://ucum.org). A device's unit is converted to the property's unit: kept =
sent · scale + shift.

The unit library takes half a second to load and must never parse a stranger's input. It is loaded only when
something is registered, and its factors are stored; ingest reads the stored factors.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import cache
from typing import Any, Final, NamedTuple

from insitu.errors import CorrectInput
from insitu.unit_words import SIGNS, read_unit


class Factors(NamedTuple):
    """kept = sent · scale + shift."""

    scale: float
    shift: float


_IDENTITY: Final = Factors(1.0, 0.0)

SENML: Final[dict[str, str]] = {
    **{
        unit: unit
        for unit in (
            "m",
            "kg",
            "g",
            "s",
            "A",
            "K",
            "cd",
            "mol",
            "Hz",
            "rad",
            "sr",
            "N",
            "Pa",
            "J",
            "W",
            "C",
            "V",
            "F",
            "Ohm",
            "S",
            "Wb",
            "T",
            "H",
            "Cel",
            "lm",
            "lx",
            "Bq",
            "Gy",
            "Sv",
            "kat",
            "m2",
            "m3",
            "l",
            "m/s",
            "m/s2",
            "m3/s",
            "l/s",
            "W/m2",
            "cd/m2",
            "bit",
            "bit/s",
            "dB",
            "%",
            "S/m",
            "J/m",
            "kg/m3",
            "deg",
            "ms",
            "min",
            "h",
            "MHz",
            "kW",
            "Mbit/s",
            "mV",
            "mA",
            "ug/m3",
            "mm/h",
            "m/h",
            "hPa",
            "mm",
            "cm",
            "km",
            "km/h",
        )
    },
    "lat": "deg",
    "lon": "deg",
    "pH": "[pH]",
    "dBW": "dB[W]",
    "Bspl": "B[SPL]",
    "count": "1",
    "/": "1",
    "%RH": "%",
    "%EL": "%",
    "EL": "s",
    "1/s": "/s",
    "1/min": "/min",
    "beat/min": "/min",
    "beats": "1",
    "B": "By",
    "VA": "V.A",
    "VAs": "V.A.s",
    "kVA": "kV.A",
    "Ah": "A.h",
    "Wh": "W.h",
    "kWh": "kW.h",
    "kVAh": "kV.A.h",
    "Wh/km": "W.h/km",
    "KiB": "KiBy",
    "GB": "GBy",
    "B/s": "By/s",
    "MB/s": "MBy/s",
    "ppm": "[ppm]",
    "/100": "%",
    "/1000": "[ppth]",
}
"""SenML unit names → UCUM: RFC 8428 section 12.1 and RFC 8798 sections 2 and 3. UCUM has no unit for dBm or
for reactive power (var).
"""

USUAL: Final = frozenset(SENML.values()) | {
    "mg/m3",
    "ng/m3",
    "g/m3",
    "[ppb]",
    "[pptr]",
    "10*-3",
    "10*-6",
    "10*-9",
    "[degF]",
    "kPa",
    "bar",
    "mbar",
    "mm[Hg]",
    "mm/s",
    "cm/s",
    "[kn_i]",
    "[mi_i]/h",
    "ml/min",
    "l/min",
    "l/h",
    "m3/h",
    "/m3",
    "/l",
    "/cm3",
    "/h",
    "uW",
    "mW",
    "MW",
    "MW.h",
    "kJ",
    "MJ",
    "uV",
    "kV",
    "uA",
    "kHz",
    "GHz",
    "us",
    "d",
    "mg",
    "ug",
    "t",
    "ml",
    "um",
    "uS/cm",
    "mS/cm",
    "klx",
    "Bq/m3",
    "uSv/h",
    "nSv/h",
    "mg/l",
    "ug/l",
}
"""Units that devices commonly send; their factors are stored with each datastream that they fit."""

_COLUMNS: Final = {"[in_i'Hg]": "(254.mm[Hg]/10)", "[in_i'H2O]": "(254.mm[H2O]/10)"}
"""Inches of mercury and water as UCUM defines them, at 0 °C and 4 °C; the library's are at 60 °F."""
_ALONE: Final = re.compile(r"(^|[/.])(?:\{[^{}]*\})+(?=$|[/.])")
_ANNOTATION: Final = re.compile(r"\{[^{}]*\}")
_ATOM: Final = re.compile(r"\[[^\[\]]+\]")
_RATIOS: Final = frozenset({"[ppth]", "[ppm]", "[ppb]", "[pptr]", "[pi]"})
_LEVELS: Final = ("bel", "decibel", "neper")
_KINDS: Final = {
    "angle": ("radian", "degree", "arcminute", "arcsecond", "gon"),
    "solid angle": ("steradian",),
    "activity": ("becquerel", "curie"),
    "absorbed dose": ("gray",),
    "equivalent dose": ("sievert", "rem"),
    "information": ("bit", "byte"),
    "light": ("lumen", "lux", "phot"),
}
"""Kinds with the same dimension in UCUM → endings of the library's names of their units."""


def require_unit(unit: str) -> str:
    """`unit` if UCUM has it; raises CorrectInput with a suggestion."""
    if not _known(unit):
        raise CorrectInput(f"{unit[:40]!r} is no unit of UCUM{_hint(unit)}.")
    return unit


@cache
def conversion(sent: str, kept: str) -> Factors:
    """Factors from `sent` to `kept`; raises CorrectInput if one is not a UCUM unit or no fixed factor
    exists.
    """
    require_unit(sent)
    require_unit(kept)
    if sent == kept:
        return _IDENTITY
    found = _factors(sent, kept)
    if found is None:
        raise CorrectInput(f"{sent!r} cannot become {kept!r}: {_why_not(sent, kept)}")
    return found


@cache
def accepted(kept: str) -> dict[str, Factors]:
    """The usual units that convert to `kept`, without `kept` itself; empty if `kept` is no UCUM unit."""
    if not _known(kept):
        return {}
    found = {sent: _factors(sent, kept) for sent in USUAL if sent != kept}
    return {sent: factors for sent, factors in sorted(found.items()) if factors is not None}


@cache
def _library() -> Any:
    from ucumvert import PintUcumRegistry

    return PintUcumRegistry()


@cache
def _known(unit: str) -> bool:
    """True for ASCII text that the grammar of UCUM accepts."""
    from ucumvert.parser import InvalidUcumError, parse_ucum

    if not 0 < len(unit) <= 64 or not unit.isascii():
        return False
    try:
        parse_ucum(unit)
    except InvalidUcumError:
        return False
    return True


@cache
def _quantity(unit: str) -> Any:
    """The library's quantity for `unit` without annotations, which change nothing; None for the few units
    that it cannot compute with.
    """
    from lark.exceptions import VisitError
    from pint.errors import PintError

    plain = _ANNOTATION.sub("", _ALONE.sub(r"\g<1>1", unit))
    for name, meant in _COLUMNS.items():
        plain = plain.replace(name, meant)
    try:
        return _library().from_ucum(plain)
    except (PintError, VisitError):
        return None


def _is_level(unit: str) -> bool:
    found = _quantity(unit)
    return found is None or any(name.startswith(_LEVELS) for name, _ in found.unit_items())


def _kinds(unit: str) -> list[str]:
    """Kinds of `unit` beyond its dimension: deg is no %, Bq is no Hz, and [NTU] is a kind of its own."""
    names = {name for name, _ in _quantity(unit).unit_items()}
    found = [kind for kind, ends in _KINDS.items() if any(name.endswith(ends) for name in names)]
    if any(name.endswith("volt") for name in names) and any(name.endswith("ampere") for name in names):
        found.append("apparent power")
    atoms = [
        atom for atom in _ATOM.findall(_ANNOTATION.sub("", unit)) if atom not in _RATIOS and _known(atom)
    ]
    return sorted(
        found + [atom for atom in atoms if (own := _quantity(atom)) is not None and own.dimensionless]
    )


def _factors(sent: str, kept: str) -> Factors | None:
    from pint.errors import PintError

    if _is_level(sent) or _is_level(kept) or _kinds(sent) != _kinds(kept):
        return None
    source, target = _quantity(sent), _quantity(kept)

    def of(number: float) -> float:
        moved = _library().Quantity(number * source.magnitude, source.units).to(target.units)
        return float(moved.magnitude / target.magnitude)

    try:
        shift, scale = of(0.0), (of(1e6) - of(0.0)) / 1e6
        return Factors(_plain(scale, 4e-15 * abs(scale)), _plain(shift, 1e-12))
    except PintError:
        return None


def _plain(number: float, off: float) -> float:
    """`number` as the short value (5/9, 0.001) that it differs from by at most `off`, through rounding."""
    for short in (float(Fraction(number).limit_denominator(1000)), float(f"{number:.12g}")):
        if abs(short - number) <= off:
            return short
    return number


def _why_not(sent: str, kept: str) -> str:
    if _is_level(sent) or _is_level(kept):
        return (
            "a level (dB) or another unit without a fixed factor is not converted. Register the property "
            "in the unit that the device sends."
        )
    if _is_share(sent) != _is_share(kept) and any(_is_concentration(unit) for unit in (sent, kept)):
        return (
            "how much a share (ppb, ppm) weighs depends on the gas, its temperature and its pressure. Let "
            "the device send the unit of the "
            "property, or register the property in the unit that the device sends."
        )
    return "they measure different things. Correct the unit, or name another property."


def _is_share(unit: str) -> bool:
    return bool(_quantity(unit).dimensionless)


def _is_concentration(unit: str) -> bool:
    return bool(
        _quantity(unit).check("[mass]/[length]**3") or _quantity(unit).check("[substance]/[length]**3")
    )


def _hint(unit: str) -> str:
    """Text that suggests a valid unit, or where to look it up."""
    plain = unit.strip().translate(SIGNS)
    bare = "1" if unit.strip().lower() in ("", "-", "none") else None
    for meant in (bare, read_unit(unit), plain, SENML.get(unit)):
        if meant and meant != unit and _known(meant):
            return f": write {meant!r}"
    return ": look it up at https://ucum.org (ug/m3, Cel, %, hPa, m/s, [ppb], dB, 1 for a bare number)"
