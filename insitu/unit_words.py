"""Units as people and loggers write them → UCUM: `°F`, `deg C`, `µg/m³`, `ug m-3`, `inHg`, `% RH`. Pure;
loads no
library.
"""

from __future__ import annotations

import re
from typing import Final

PREFIXES: Final = {
    "Pa": "h k m M",
    "W": "m k M",
    "V": "u m k",
    "A": "u m",
    "g/m3": "n u m",
    "g": "u m k",
    "m": "u m c k",
    "l": "m",
    "s": "u m",
    "Hz": "k M G",
    "W.h": "m k M",
    "V.A": "k",
    "J": "k M G",
    "bar": "m",
    "lx": "k",
    "S/cm": "u m",
    "Sv/h": "n u",
    "g/l": "u m",
    "W/m2": "m k",
}
"""Unit → prefixes that devices use with it; each also without one."""

PLAIN: Final = (
    "K",
    "%",
    "m/s",
    "km/h",
    "mm/h",
    "cm/s",
    "mm/s",
    "h",
    "d",
    "dB",
    "lm",
    "cd",
    "mol",
    "kat",
    "Bq",
    "Bq/m3",
    "Ohm",
    "N",
    "l/s",
    "l/h",
    "m3/s",
    "m3",
    "m2",
    "t",
    "rad",
    "/m3",
    "/l",
    "/h",
    "By",
)

WORDS: Final[dict[str, str]] = {
    **dict.fromkeys(("°c", "degc", "celsius", "centigrade", "c", "cel", "°celsius", "gradc", "℃"), "Cel"),
    **dict.fromkeys(("°f", "degf", "fahrenheit", "f", "°fahrenheit", "℉"), "[degF]"),
    **dict.fromkeys(("kelvin", "°k", "degk"), "K"),
    **dict.fromkeys(("percent", "pct", "%rh", "%r.h.", "rh%", "%hr", "prozent", "pourcent", "%rf"), "%"),
    **dict.fromkeys(("ppb", "ppbv", "[ppb]"), "[ppb]"),
    **dict.fromkeys(("ppm", "ppmv", "[ppm]"), "[ppm]"),
    **dict.fromkeys(("mb", "millibar", "millibars"), "mbar"),
    **dict.fromkeys(("pascal", "pascals"), "Pa"),
    **dict.fromkeys(("hectopascal", "hectopascals"), "hPa"),
    **dict.fromkeys(("kilopascal",), "kPa"),
    **dict.fromkeys(("mmhg", "torr"), "mm[Hg]"),
    **dict.fromkeys(("inhg", '"hg', "incheshg", "inch.hg", "in.hg", "inches.hg"), "[in_i'Hg]"),
    "psi": "[psi]",
    **dict.fromkeys(
        ("ug/m3", "ugm3", "mcg/m3", "ugm-3", "ug-m3", "microg/m3", "microgramme/m3", "microgrammes/m3"),
        "ug/m3",
    ),
    **dict.fromkeys(("mgm3", "mgm-3"), "mg/m3"),
    **dict.fromkeys(("ngm3", "ngm-3"), "ng/m3"),
    **dict.fromkeys(
        ("#/cm3", "#/cc", "/cc", "particles/cm3", "pt/cm3", "p/cm3", "1/cm3", "cm-3", "/cm3"), "/cm3"
    ),
    **dict.fromkeys(("bqm3", "bqm-3"), "Bq/m3"),
    "pci/l": "pCi/l",
    **dict.fromkeys(("lux", "luxes"), "lx"),
    **dict.fromkeys(("dba", "db(a)", "decibel"), "dB"),
    **dict.fromkeys(("°", "deg", "degrees", "degree", "grad"), "deg"),
    **dict.fromkeys(("kph", "kmh", "km/hr", "kmh-1"), "km/h"),
    **dict.fromkeys(("mph", "mi/h"), "[mi_i]/h"),
    **dict.fromkeys(("kn", "kt", "kts", "knots", "knot"), "[kn_i]"),
    **dict.fromkeys(("mps", "ms-1", "m.s-1", "m/sec"), "m/s"),
    **dict.fromkeys(("w/m2", "wm2", "wm-2"), "W/m2"),
    **dict.fromkeys(("watt", "watts"), "W"),
    **dict.fromkeys(("kilowatt", "kilowatts"), "kW"),
    **dict.fromkeys(("volt", "volts"), "V"),
    **dict.fromkeys(("amp", "amps", "ampere", "amperes"), "A"),
    **dict.fromkeys(("ohms", "ω"), "Ohm"),
    **dict.fromkeys(("sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), "min"),
    **dict.fromkeys(("hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("lpm", "l/min"), "l/min"),
    **dict.fromkeys(("cpm", "1/min", "/min"), "/min"),
    **dict.fromkeys(("in", "inch", "inches"), "[in_i]"),
    **dict.fromkeys(("ft", "feet"), "[ft_i]"),
    **dict.fromkeys(("m3/h", "m3/hr", "cmh"), "m3/h"),
    **dict.fromkeys(("ph",), "[pH]"),
    **dict.fromkeys(("kwh",), "kW.h"),
    **dict.fromkeys(("wh",), "W.h"),
    **dict.fromkeys(("va",), "V.A"),
    **dict.fromkeys(("kva",), "kV.A"),
    **dict.fromkeys(("count", "counts"), "1"),
}
"""Word without spaces, in lower case → UCUM."""

SIGNS: Final = str.maketrans(
    {
        "µ": "u",
        "μ": "u",
        "²": "2",
        "³": "3",
        "·": ".",
        "⋅": ".",
        "^": "",
        "*": ".",
        "−": "-",
        "–": "-",
        "⁻": "-",
        "¹": "1",
        "º": "°",
        "˚": "°",
        "Ω": "Ohm",
        "\u2126": "Ohm",
        "\xa0": " ",
        "\u202f": " ",
    }
)
_DEGREES: Final = re.compile(r"^(?:degrees?|deg\.?|grad|°)[\s_.]*(?=[cfk]$|celsius$|fahrenheit$|kelvin$)")
_PER: Final = re.compile(r"^(\S+?)[\s.]+(m|cm|l|s|h)-([123])$")
_NONE: Final = frozenset({"", "-", "--", "none", "n/a", "unitless", "no unit", "sans", "ohne", "()", "[]"})
_NO_UNIT: Final = re.compile(
    r"[\d.]+|.*[:#=].*|.*\b[Ss]/[Nn]\b.*|.*\b(serial|sensor|channel|logger|probe|label|lgr|sen|lbl)\b.*"
    r"|ch ?\d+"
    r"|[a-z]\d*|avg|average|mean|moyenne|mittelwert|min|max|std|sd|smp|tot|total|med|median|raw|brut|roh|cal"
    r"|calibrated|corrected|out|indoor|outdoor|inside|outside|left|right|top|bottom|value|valeur|wert|result"
    r"|hourly|daily|measured|bool|boolean|0/1|yes/no|true/false|on/off|local|ts|rn|text|string",
    re.IGNORECASE,
)
_UNIT_SIGNS: Final = re.compile(r"[°ºµμ%‰²³/^·]")


def _known_codes() -> dict[str, str]:
    codes = {code: code for code in PLAIN}
    for unit, prefixes in PREFIXES.items():
        for prefix in ("", *prefixes.split()):
            codes[prefix + unit] = prefix + unit
            codes[(prefix + unit).replace(".", "")] = prefix + unit
    return codes


def read_unit(text: str) -> str | None:
    """The UCUM unit that a person means by `text`; None if it is unclear or no unit."""
    plain = " ".join(text.strip().strip("'").translate(SIGNS).split())
    if per := _PER.match(plain):
        number = "" if per[3] == "1" else per[3]
        plain = f"{per[1]}/{per[2]}{number}"
    codes = _known_codes()
    folded = _DEGREES.sub("deg", plain.lower()).replace(" ", "")
    exact = codes.get(plain)
    if plain in ("K", "A", "V", "W", "J", "N", "t"):
        return exact
    if folded in WORDS and not (exact and plain not in ("min",) and exact != WORDS[folded]):
        return WORDS[folded]
    if exact:
        return exact
    if folded in ("s", "us", "ms") and not plain.islower():
        return None  # US and MS are no time
    alike = {code for name, code in codes.items() if name.lower() == folded}
    return alike.pop() if len(alike) == 1 and len(folded) > 1 else None


def states_no_unit(text: str) -> bool:
    """True for texts beside a name that are known to be something else: `avg`, `S/N: 12`, `2`, `-`."""
    return text.strip().lower() in _NONE or _NO_UNIT.fullmatch(text.strip()) is not None


def looks_like_unit(text: str) -> bool:
    """True for a short text with a sign that only units have, understood or not: `°X`, `mg/kg`, `%vol`."""
    return len(text) <= 16 and _UNIT_SIGNS.search(text) is not None
