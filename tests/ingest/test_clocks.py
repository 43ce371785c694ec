"""Clocks by the names that files and people give them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.files.clocks import read_offset, read_time_name, say_zone
from ingest.files.stamps import Read, find_formats, read_stamp
from ingest.files.statements import read_clock_lines, read_unit_lines
from insitu.errors import CorrectInput


@given(
    minutes=st.integers(-14 * 4, 14 * 4).map(lambda quarter: quarter * 15),
    word=st.sampled_from(["", "UTC", "GMT", "UTC ", "gmt"]),
    form=st.sampled_from(["+hh:mm", "+hhmm", "+h"]),
)
def test_every_spelling_of_an_offset_has_its_sign_and_size(minutes: int, word: str, form: str) -> None:
    hours, rest = divmod(abs(minutes), 60)
    if form == "+h" and rest:
        return
    sign = "-" if minutes < 0 else "+"
    text = {"+hh:mm": f"{hours:02d}:{rest:02d}", "+hhmm": f"{hours:02d}{rest:02d}", "+h": f"{hours}"}[form]
    assert read_offset(f"{word}{sign}{text}") == minutes
    for name in (f"time ({word}{sign}{text})", f"Date Time, {word.strip() or 'UTC'}{sign}{text}"):
        if word.strip() or (form != "+h" and "(" in name):
            zone = read_time_name(name).zone
            assert zone is not None
            assert zone.offset_at(datetime(2026, 7, 1)) == timedelta(minutes=minutes)  # noqa: DTZ001


@pytest.mark.parametrize(
    "name", ["time (UTC+25)", "time_utc_1", "time (UTC plus 1)", "time (EST)", "Time (XYZ)"]
)
def test_an_unclear_clock_is_stated_and_has_no_meaning(name: str) -> None:
    found = read_time_name(name)
    assert found.stated
    assert found.zone is None


@pytest.mark.parametrize("name", ["time", "Date (yyyy-mm-dd)", "time (local)", "date (jj/mm/aaaa)"])
def test_a_name_without_a_clock_states_none(name: str) -> None:
    assert read_time_name(name).stated == ""


@pytest.mark.parametrize("zone", ["EST", "CEST", "MEZ", "Europe/Pari", "UTC+25"])
def test_a_zone_that_is_no_clock_is_asked_about(zone: str) -> None:
    with pytest.raises(CorrectInput):
        say_zone(zone)


def test_midnight_may_be_the_end_of_a_day_and_nothing_after_it() -> None:
    midnight = datetime(2026, 3, 1)  # noqa: DTZ001
    assert read_stamp(["28/02/2026", "24:00:00"], "%d/%m/%Y %H:%M:%S") == midnight
    assert read_stamp(["2026-02-28T24:00"], "") == midnight
    for wrong in ("24:01", "24:00:01", "25:00"):
        assert read_stamp([f"2026-02-28 {wrong}"], "") is None


@pytest.mark.parametrize(
    ("text", "hour"), [("12:00a", 0), ("12:30 p.m.", 12), ("1:00p", 13), ("11:59 PM", 23), ("12:00 AM", 0)]
)
def test_a_short_half_of_the_day_is_read(text: str, hour: int) -> None:
    (form,) = find_formats([f"13/03/2026 {text}"])
    found = read_stamp([f"13/03/2026 {text}"], form)
    assert isinstance(found, datetime)
    assert found.hour == hour


def test_an_offset_must_be_one_of_the_zone_in_brackets() -> None:
    good = read_stamp(["2026-07-13T00:15:00+02:00[Europe/Paris]"], "")
    assert isinstance(good, Read)
    assert good.zone is not None
    assert good.local.replace(tzinfo=good.zone.tz).astimezone(UTC).hour == 22
    assert read_stamp(["2026-07-13T00:15:00+01:00[Europe/Paris]"], "") is None


@pytest.mark.parametrize(
    ("line", "is_clock"),
    [
        ("# Timezone: UTC+1", True),
        ("All times in UTC", True),
        ("UTC Offset (seconds): 3600", True),
        ("Logger;GMT-8;", True),
        ("Plot Title: roof", False),
        ("Exported: 2026-03-13 10:00 UTC", False),
        ("Timezone: local", False),
    ],
)
def test_a_line_above_the_names_may_state_the_clock(line: str, is_clock: bool) -> None:
    assert [found.zone is not None for found in read_clock_lines([line])] == [True] * is_clock


def test_a_line_may_state_several_units() -> None:
    lines = read_unit_lines(["Units: temperature=°F, pressure=Pa"], ["temperature", "pressure"])
    assert [(line.of, line.statement.unit) for line in lines] == [
        ("temperature", "[degF]"),
        ("pressure", "Pa"),
    ]
