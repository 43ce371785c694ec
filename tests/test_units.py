"""Units: factors equal the values of the standards, refusals say what to do, and the ingestor never loads the
library.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from insitu.errors import CorrectInput
from insitu.units import SENML, USUAL, accepted, conversion, require_unit


@pytest.mark.parametrize(
    ("sent", "kept", "number", "becomes"),
    [
        ("ug/m3", "mg/m3", 12.5, 0.0125),
        ("mg/m3", "ug/m3", 0.0125, 12.5),
        ("Cel", "K", 20.0, 293.15),
        ("K", "Cel", 293.15, 20.0),
        ("[degF]", "Cel", 98.6, 37.0),
        ("[degF]", "K", -459.67, 0.0),
        ("Cel", "[degF]", -40.0, -40.0),
        ("%", "1", 45.0, 0.45),
        ("%{RH}", "%", 45.0, 45.0),
        ("Pa", "hPa", 101_325.0, 1013.25),
        ("bar", "Pa", 1.01325, 101_325.0),
        ("mbar", "hPa", 1013.0, 1013.0),
        ("m/s", "km/h", 10.0, 36.0),
        ("km/h", "m/s", 36.0, 10.0),
        ("[ppb]", "[ppm]", 412.0, 0.412),
        ("10*-6", "[ppm]", 412.0, 412.0),
        ("/l", "/cm3", 5000.0, 5.0),
        ("kW.h", "J", 1.0, 3.6e6),
        ("l/min", "m3/h", 50.0, 3.0),
        ("dB", "dB", 61.5, 61.5),
        ("[pH]", "[pH]", 7.1, 7.1),
        ("[iU]/ml", "[iU]/l", 2.0, 2000.0),
    ],
)
def test_a_result_becomes_the_unit_of_its_property(
    sent: str, kept: str, number: float, becomes: float
) -> None:
    scale, shift = conversion(sent, kept)
    assert number * scale + shift == pytest.approx(becomes, rel=1e-14, abs=1e-12)


def test_factors_are_the_plain_numbers_that_they_are() -> None:
    """If the library's internal rounding leaked, it would appear in every package."""
    assert [
        conversion("Pa", "hPa"),
        conversion("[ppb]", "10*-9"),
        conversion("K", "Cel"),
        conversion("[degF]", "Cel"),
    ] == [
        (0.01, 0.0),
        (1.0, 0.0),
        (1.0, -273.15),
        (5 / 9, -160 / 9),
    ]


@pytest.mark.parametrize(
    ("sent", "kept", "says"),
    [
        ("Cel", "%", "different things"),
        ("C", "Cel", "different things"),
        ("[ppb]", "ug/m3", "depends on the gas"),
        ("ug/m3", "[ppm]", "depends on the gas"),
        ("dB", "dB[SPL]", "a level"),
        ("dB", "B", "a level"),
        ("1", "dB", "a level"),
        ("[NTU]", "1", "different things"),
        ("deg", "%", "different things"),
        ("Bq", "Hz", "different things"),
        ("V.A", "W", "different things"),
        ("lx", "cd/m2", "different things"),
    ],
)
def test_what_has_no_factor_is_refused_by_both_names(sent: str, kept: str, says: str) -> None:
    with pytest.raises(CorrectInput, match=says) as refused:
        conversion(sent, kept)
    assert repr(sent) in str(refused.value)
    assert repr(kept) in str(refused.value)


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("°C", "Cel"),
        ("degC", "Cel"),
        ("µg/m3", "ug/m3"),
        ("µg/m³", "ug/m3"),
        ("ug/m^3", "ug/m3"),
        ("ppb", "[ppb]"),
        ("kWh", "kW.h"),
        ("mmHg", "mm[Hg]"),
        ("Lux", "lx"),
        ("°F", "[degF]"),
        ("dB(A)", "dB"),
        ("%RH", "%"),
        ("", "1"),
        ("beats", "1"),
    ],
)
def test_a_usual_misspelling_is_refused_with_what_is_meant(wrong: str, meant: str) -> None:
    with pytest.raises(CorrectInput) as refused:
        require_unit(wrong)
    assert f"write {meant!r}" in str(refused.value)


@pytest.mark.parametrize("wrong", ["bogus", "ug//m3", "m" * 70, "Cel\x00", "{", "\ud800"])
def test_what_is_no_unit_at_all_is_refused_with_examples(wrong: str) -> None:
    with pytest.raises(CorrectInput, match="ug/m3, Cel"):
        require_unit(wrong)


def test_every_unit_in_the_tables_is_one_of_ucum() -> None:
    assert [unit for unit in sorted(USUAL) if require_unit(unit) != unit] == []
    assert {SENML[name] for name in ("Cel", "%RH", "lx", "dB", "W", "/", "kWh", "ppm", "ug/m3")} <= USUAL


def test_the_usual_units_of_a_property_are_known_with_their_factors() -> None:
    assert set(accepted("Cel")) == {"K", "[degF]"}
    assert accepted("hPa")["Pa"] == (0.01, 0.0)
    assert accepted("dB") == {}
    assert accepted("no unit") == {}


def test_the_ingestor_never_loads_the_library_of_units() -> None:
    """It takes half a second, plus many milliseconds for each unit that a stranger could invent."""
    program = (
        "import sys, cli, ingest.worker, ingest.http, api.app; sys.exit(bool({'pint', 'ucumvert', "
        "'lark'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0
