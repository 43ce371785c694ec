"""Times as French, German and English spreadsheets and browsers write them."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.files.month_words import to_english
from ingest.files.stamps import Read, find_formats, read_stamp
from insitu.units import conversion

FRENCH = "janvier février mars avril mai juin juillet août septembre octobre novembre décembre"
GERMAN = "Januar Februar März April Mai Juni Juli August September Oktober November Dezember"
TIMES = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2030, 1, 1))  # noqa: DTZ001


def read(text: str) -> object:
    (made,) = find_formats([text])
    found = read_stamp([text], made)
    return found.local if isinstance(found, Read) else found


@given(TIMES, st.sampled_from([FRENCH, GERMAN]), st.sampled_from(["", "."]))
def test_months_in_words_are_read(at: datetime, names: str, dot: str) -> None:
    month = names.split()[at.month - 1]
    assert read(f"{at.day}{dot} {month} {at.year} {at:%H:%M}") == at.replace(second=0, microsecond=0)


@given(TIMES)
def test_hours_without_separators_are_read(at: datetime) -> None:
    assert read(f"{at:%Y%m%d%H}") == at.replace(minute=0, second=0, microsecond=0)


@pytest.mark.parametrize(
    "text",
    [
        "15/06/2026 14h00",
        "'15.06.2026' '14:00'",
        "15.6.2026 14.00.00",
        "2026/06/15T14:00:00z",
        "lundi 15 juin 2026 à 14:00",
        "15.06.2026 14:00 Uhr",
        "Mon Jun 15 2026 14:00:00 GMT+0200 (Central European Summer Time)",
    ],
)
def test_a_time_of_a_spreadsheet_or_browser_is_read(text: str) -> None:
    assert read(text) == datetime(2026, 6, 15, 14)  # noqa: DTZ001


@given(st.text(max_size=40))
def test_a_text_without_a_month_stays(text: str) -> None:
    changed = to_english(text)
    assert changed == text or any(character.isdigit() for character in text)


def test_inches_of_mercury_and_water_are_those_of_ucum() -> None:
    assert conversion("[in_i'Hg]", "Pa").scale == pytest.approx(3386.388640341, rel=1e-12)
    assert conversion("[in_i'H2O]", "Pa").scale == pytest.approx(249.08891, rel=1e-12)
