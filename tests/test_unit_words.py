"""Units as people write them."""

from __future__ import annotations

import pytest

from insitu.unit_words import WORDS, read_unit, states_no_unit
from insitu.units import require_unit


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("°F", "[degF]"),
        ("deg C", "Cel"),
        ("ºC", "Cel"),
        ("Kelvin", "K"),
        ("µg/m³", "ug/m3"),
        ("µg m-3", "ug/m3"),
        ("ugm3", "ug/m3"),
        ("mg/m^3", "mg/m3"),
        ("% RH", "%"),
        ("hpa", "hPa"),
        ("MPa", "MPa"),
        ("kpa", "kPa"),
        ("inHg", "[in_i'Hg]"),
        ("dB(A)", "dB"),
        ("kWh", "kW.h"),
        ("m s-1", "m/s"),
        ("W m-2", "W/m2"),
    ],
)
def test_a_spelling_is_understood(text: str, unit: str) -> None:
    assert read_unit(text) == unit


@pytest.mark.parametrize(
    "text", ["mpa", "mw", "mwh", "ppt", "foo", "US", "dB(C)", "ug/Nm3", "a", "", "k", "°X"]
)
def test_a_spelling_with_several_meanings_or_none_is_not_guessed(text: str) -> None:
    assert read_unit(text) is None


def test_every_word_means_a_unit_of_ucum() -> None:
    assert [unit for unit in sorted(set(WORDS.values())) if require_unit(unit) != unit] == []


@pytest.mark.parametrize("text", ["avg", "2", "LGR S/N: 1", "-", "raw", "Out", ""])
def test_a_text_beside_a_name_may_be_no_unit(text: str) -> None:
    assert states_no_unit(text)
