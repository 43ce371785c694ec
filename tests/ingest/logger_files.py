"""Files as loggers and people write them, with the truth that they state.

Shares no code with the reader: offsets, units and dates are written from the tables below, and the truth is
computed from the same tables with fractions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

START: Final = datetime(2026, 3, 13, 0, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Unit:
    """`spellings` as people write it; kept = sent · scale + shift. `suffix` fits behind an underscore."""

    spellings: tuple[str, ...]
    scale: Fraction
    shift: Fraction
    suffix: str = ""


@dataclass(frozen=True)
class Forms:
    """Choices for one file, each by its name in the tables below."""

    date: str
    offset_place: str
    offset: str
    unit_place: str
    units: tuple[Unit, Unit]
    spelling: int
    columns: tuple[str, str]
    separator: str
    comma: bool
    newline: str
    encoding: str
    missing: str
    above: tuple[str, ...]
    footer: str
    quoted: bool


@dataclass(frozen=True)
class LoggerFile:
    """`truth`: datastream → (UTC, result in the property's unit). `options`: words for the command line."""

    content: bytes
    options: tuple[str, ...]
    truth: dict[str, tuple[tuple[datetime, Fraction], ...]]
    forms: Forms
    said_nothing: bool
    """True if the file states neither offset nor zone, and no option does."""


_ONE: Final = Fraction(1)
_NONE: Final = Fraction(0)
UNITS: Final[dict[str, tuple[Unit, ...]]] = {
    "temperature": (
        Unit(("°C", "degC", "deg C", "Celsius", "ºC", "C"), _ONE, _NONE, "C"),
        Unit(("°F", "degF", "deg F", "Fahrenheit", "ºF", "F"), Fraction(5, 9), Fraction(-160, 9), "F"),
        Unit(("K", "Kelvin"), _ONE, Fraction(-5463, 20), "K"),
    ),
    "pressure": (
        Unit(("hPa", "mbar", "mb"), _ONE, _NONE, "hpa"),
        Unit(("Pa",), Fraction(1, 100), _NONE, "pa"),
        Unit(("kPa",), Fraction(10), _NONE, "kPa"),
    ),
    "pm25": (
        Unit(("µg/m3", "µg/m³", "ug/m3", "μg/m³", "ug/m^3", "µg m-3"), _ONE, _NONE, "ugm3"),
        Unit(("mg/m3", "mg/m³"), Fraction(1000), _NONE, "mgm3"),
    ),
    "humidity": (Unit(("%", "%RH", "% RH", "percent"), _ONE, _NONE, "pct"),),
    "power": (
        Unit(("W", "Watt"), _ONE, _NONE, "W"),
        Unit(("kW",), Fraction(1000), _NONE, "kW"),
    ),
}
NUMBERS: Final = {"temperature": 20, "pressure": 1000, "pm25": 12, "humidity": 45, "power": 400}

HEADER_OFFSETS: Final[dict[str, int]] = {
    "time (UTC+1)": 60,
    "Date Time, GMT-08:00": -480,
    "timestamp [UTC+01:00]": 60,
    "Time (UTC -8)": -480,
    "Horodatage (UTC+1)": 60,
    "datetime GMT+05:30": 330,
    "date_time (GMT+2)": 120,
    "time_utc": 0,
    "Time (UTC)": 0,
    "timestamp UTC": 0,
    "Date/Time (GMT)": 0,
    "time (+01:00)": 60,
    "timestamp (UTC+0100)": 60,
    "Time UTC−3": -180,
    "Zeit (MEZ)": 60,
    "time (EST)": -300,
}
CELL_OFFSETS: Final[dict[str, int]] = {
    "Z": 0,
    "z": 0,
    "+01:00": 60,
    "+0100": 60,
    "-08:00": -480,
    " UTC": 0,
    " GMT": 0,
    " CET": 60,
    " MEZ": 60,
    " +05:30": 330,
    " UTC+2": 120,
    "+01:00[Europe/Paris]": 60,
}
LINE_OFFSETS: Final[dict[str, int]] = {
    "# Timezone: UTC+1": 60,
    "Time zone: GMT+01:00": 60,
    "Offset from UTC: +01:00": 60,
    "# timezone=Europe/Paris": 60,
    "UTC offset: -8": -480,
    "Timezone: UTC": 0,
    "Zeitzone: MEZ": 60,
    "Fuseau horaire : UTC+1": 60,
}
OPTION_OFFSETS: Final[dict[str, int]] = {
    "+01:00": 60,
    "UTC+1": 60,
    "GMT-8": -480,
    "UTC": 0,
    "Europe/Paris": 60,
    "America/Los_Angeles": -420,
}
DATES: Final = (
    "iso",
    "iso T",
    "iso minutes",
    "french",
    "french seconds",
    "german",
    "slashes",
    "american 12",
    "short 12",
    "month name",
    "two columns",
    "hour 24",
)
MISSING: Final = ("", "NaN", "NA", "#N/A", "---", "n.d.", "OFFLINE", "NODATA", "unavailable", "null", '"NAN"')
ABOVE: Final = ("Plot Title: roof", "Serial number: 20614", "# exported by logger 4.1", "Station;roof;1", "")
FOOTERS: Final = ("", "", "", "\n", "# end of file\n")
UNIT_PLACES: Final = (
    "nowhere",
    "(…)",
    "[…]",
    ", …",
    " …",
    "_…",
    " / …",
    "(…) close",
    "row",
    "row of brackets",
    "line above",
)


def offset_minutes(forms: Forms) -> int:
    tables = {
        "header": HEADER_OFFSETS,
        "cell": CELL_OFFSETS,
        "line": LINE_OFFSETS,
        "option": OPTION_OFFSETS,
    }
    return tables[forms.offset_place][forms.offset] if forms.offset_place != "nowhere" else 0


def write_date(local: datetime, form: str) -> tuple[str, ...]:
    """One cell, or two for the form of two columns."""
    twelve = f"{(local.hour + 11) % 12 + 1:02d}"
    half, short = ("AM", "a") if local.hour < 12 else ("PM", "p")
    day = f"{local:%d/%m/%Y}"
    if form == "hour 24" and (local.hour, local.minute) == (0, 0):
        return (f"{local - timedelta(days=1):%d/%m/%Y} 24:00",)
    one = {
        "iso": f"{local:%Y-%m-%d %H:%M:%S}",
        "iso T": f"{local:%Y-%m-%dT%H:%M:%S}",
        "iso minutes": f"{local:%Y-%m-%d %H:%M}",
        "french": f"{day} {local:%H:%M}",
        "french seconds": f"{day} {local:%H:%M:%S}",
        "german": f"{local:%d.%m.%Y %H:%M}",
        "slashes": f"{local:%Y/%m/%d %H:%M:%S}",
        "american 12": f"{local:%m/%d/%y} {twelve}:{local:%M:%S} {half}",
        "short 12": f"{local:%d/%m/%y} {int(twelve)}:{local:%M}{short}",
        "month name": f"{local:%d-%b-%Y %H:%M:%S}",
        "hour 24": f"{day} {local:%H:%M}",
    }
    return (day, f"{local:%H:%M}") if form == "two columns" else (one[form],)


def name_column(column: str, unit: Unit, place: str, spelling: int) -> str:
    word = unit.spellings[spelling % len(unit.spellings)]
    return {
        "(…)": f"{column} ({word})",
        "(…) close": f"{column}({word})",
        "[…]": f"{column} [{word}]",
        ", …": f"{column}, {word}",
        " …": f"{column} {word}",
        "_…": f"{column}_{unit.suffix}",
        " / …": f"{column} / {word}",
    }.get(place, column)


def _name_time(forms: Forms) -> tuple[str, ...]:
    if forms.offset_place == "header":
        return (forms.offset,)
    return ("Date", "Time") if forms.date == "two columns" else ("timestamp",)


def _write_number(number: Fraction, comma: bool) -> str:
    text = f"{float(number):.2f}"
    return text.replace(".", ",") if comma else text


def _write_row(cells: tuple[str, ...], forms: Forms) -> str:
    def write(cell: str) -> str:
        if cell.startswith('"') or not (forms.quoted or forms.separator in cell):
            return cell
        return '"' + cell + '"'

    return forms.separator.join(write(cell) for cell in cells)


def _head(forms: Forms) -> list[str]:
    lines = list(forms.above)
    if forms.offset_place == "line":
        lines.append(forms.offset)
    words = [
        unit.spellings[forms.spelling % len(unit.spellings)] for unit in forms.units[: len(forms.columns)]
    ]
    if forms.unit_place == "line above":
        lines += [f"# {column} unit: {word}" for column, word in zip(forms.columns, words, strict=True)]
    names = [
        name_column(column, unit, forms.unit_place, forms.spelling)
        for column, unit in zip(forms.columns, forms.units, strict=True)
    ]
    time = _name_time(forms)
    lines.append(_write_row((*time, *names), forms))
    if forms.unit_place.startswith("row"):
        row = [f"[{word}]" if "brackets" in forms.unit_place else word for word in words]
        lines.append(_write_row((*("" for _ in time), *row), forms))
    return lines


def write_file(forms: Forms, numbers: tuple[tuple[int, int], ...], gap: int) -> LoggerFile:
    """`numbers`: hundredths above the usual number of each column, a pair for each row. Row `gap` misses
    its first result.
    """
    away = timedelta(minutes=offset_minutes(forms))
    lines, truth = _head(forms), {column: [] for column in forms.columns}
    for index, pair in enumerate(numbers):
        local = datetime(2026, 3, 12, 23, 30) + timedelta(minutes=15 * index)  # noqa: DTZ001
        stamp = write_date(local, forms.date)
        if forms.offset_place == "cell":
            stamp = (*stamp[:-1], stamp[-1] + forms.offset)
        cells = list(stamp)
        for place, (column, unit, more) in enumerate(zip(forms.columns, forms.units, pair, strict=True)):
            if place == 0 and index == gap:
                cells.append(forms.missing)
                continue
            sent = _usual(column, unit) + Fraction(more, 100)
            kept = unit if forms.unit_place != "nowhere" else replace(unit, scale=_ONE, shift=_NONE)
            cells.append(_write_number(sent, forms.comma))
            truth[column].append(((local - away).replace(tzinfo=UTC), sent * kept.scale + kept.shift))
        lines.append(_write_row(tuple(cells), forms))
    text = forms.newline.join(lines) + forms.newline + forms.footer.replace("\n", forms.newline)
    options = ("--zone", forms.offset) if forms.offset_place == "option" else ()
    return LoggerFile(
        content=text.encode(forms.encoding),
        options=options,
        truth={column: tuple(rows) for column, rows in truth.items()},
        forms=forms,
        said_nothing=forms.offset_place == "nowhere",
    )


def _usual(column: str, unit: Unit) -> Fraction:
    """A number that two decimals write exactly."""
    return Fraction(round((NUMBERS[column] - unit.shift) / unit.scale * 100), 100)


@st.composite
def draw_forms(draw: DrawFn) -> Forms:
    separator = draw(st.sampled_from(",;\t|"))
    encoding = draw(st.sampled_from(("utf-8", "utf-8-sig", "utf-16", "cp1252")))
    date = draw(st.sampled_from(DATES))
    places = ("header", "cell", "line", "option", "option", "nowhere")
    place = draw(st.sampled_from(places))
    if date == "two columns" and place == "header":
        place = "option"
    tables = {"header": HEADER_OFFSETS, "cell": CELL_OFFSETS, "line": LINE_OFFSETS, "option": OPTION_OFFSETS}
    offset = draw(st.sampled_from(sorted(tables[place]))) if place in tables else ""
    columns = draw(st.lists(st.sampled_from(sorted(UNITS)), min_size=2, max_size=2, unique=True))
    units = [draw(st.sampled_from(UNITS[column])) for column in columns]
    forms = Forms(
        date=date,
        offset_place=place,
        offset=offset,
        unit_place=draw(st.sampled_from(UNIT_PLACES)),
        units=(units[0], units[1]),
        spelling=draw(st.integers(0, 5)),
        columns=(columns[0], columns[1]),
        separator=separator,
        comma=draw(st.booleans()) if separator != "," else False,
        newline=draw(st.sampled_from(("\n", "\r\n"))),
        encoding=encoding,
        missing=draw(st.sampled_from(MISSING)),
        above=tuple(draw(st.lists(st.sampled_from(ABOVE), max_size=3))),
        footer=draw(st.sampled_from(FOOTERS)),
        quoted=draw(st.booleans()),
    )
    return forms if _can_encode(forms) else replace(forms, encoding="utf-8")


def _can_encode(forms: Forms) -> bool:
    try:
        "".join((forms.offset, *(word for unit in forms.units for word in unit.spellings))).encode(
            forms.encoding
        )
    except UnicodeEncodeError:
        return False
    return True


@st.composite
def draw_file(draw: DrawFn) -> LoggerFile:
    forms = draw(draw_forms())
    rows = draw(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), min_size=3, max_size=7))
    return write_file(forms, tuple(rows), draw(st.integers(0, len(rows) - 1)))
