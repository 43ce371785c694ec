"""Planned intervals on the local clock, over both changes of it and in zones with unusual ones.

The oracle asks zoneinfo for the local time of single instants, one after the other; it shares nothing with
`trials.series.edges`.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from insitu.spacing import Spacing
from trials.plan.rules import RULES_1, Rules
from trials.series.scale import ARITHMETIC
from trials.series.slots import Calendar, fill

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = [
    "Europe/Paris",
    "UTC",
    "America/New_York",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/Santiago",
]
"""Lord Howe moves its clocks by half an hour, Santiago at midnight."""
CHANGES = [date(2026, 3, 29), date(2026, 10, 25), date(2026, 3, 8), date(2026, 11, 1), date(2026, 4, 5)]
"""Paris, New York, Lord Howe and Santiago (with 6 September)."""
SUB_DAILY = ["PT1M", "PT10M", "PT15M", "PT30M", "PT1H", "PT2H", "PT3H", "PT6H", "PT8H", "PT12H"]
CALENDAR = ["P1D", "P2D", "P1W", "P2W", "P1M", "P3M", "P1Y"]


def us(when: datetime) -> int:
    return (when - EPOCH) // timedelta(microseconds=1)


def at(instant_us: int) -> datetime:
    return EPOCH + timedelta(microseconds=int(instant_us))


def wall(instant: datetime, zone: ZoneInfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None)


def begins(day: date, zone: ZoneInfo) -> datetime:
    """The first minute whose local date is `day` or later."""
    minute = datetime(day.year, day.month, day.day, tzinfo=UTC) - 16 * HOUR
    while wall(minute, zone).date() < day:
        minute += HOUR if wall(minute + HOUR, zone).date() < day else timedelta(minutes=1)
    return minute


def later(first: date, number: int, text: str) -> date:
    """The date `number` calendar units after `first`, counted by hand."""
    size, unit = int(text[1:-1]), text[-1]
    if unit in "DW":
        return first + number * size * (7 if unit == "W" else 1) * DAY
    months = first.year * 12 + first.month - 1 + number * size * (12 if unit == "Y" else 1)
    year, month = divmod(months, 12)
    return date(year, month + 1, min(first.day, monthrange(year, month + 1)[1]))


near = st.builds(
    lambda day, shift: day + shift * DAY, st.sampled_from([*CHANGES, date(2026, 9, 6)]), st.integers(-9, 3)
)


@given(st.sampled_from(ZONES), st.sampled_from(CALENDAR), near, st.integers(1, 6))
@example("Europe/Paris", "P1D", date(2026, 10, 1), 31)  # October: 31 days, not 32
@example("Europe/Paris", "P1M", date(2026, 1, 31), 3)  # to 28 February, 31 March, 30 April
@example("Europe/Paris", "P1M", date(2025, 12, 1), 14)
def test_days_weeks_months_and_years_are_units_of_the_local_calendar(
    name: str, text: str, first: date, number: int
) -> None:
    zone = ZoneInfo(name)
    expected = [begins(later(first, count, text), zone) for count in range(number + 1)]
    found = Calendar.of(expected[0], expected[-1], Spacing.parse(text), name)
    assert [at(edge) for edge in found.edges_us] == expected
    assert [date.fromordinal(int(day)) for day in found.day] == [
        later(first, count, text) for count in range(number)
    ]


@settings(deadline=None)
@given(st.sampled_from(ZONES), st.sampled_from(SUB_DAILY), near, st.integers(1, 3))
def test_shorter_intervals_begin_with_each_local_day_and_keep_to_its_clock(
    name: str, text: str, first: date, days: int
) -> None:
    """Up to an hour: an interval begins where a whole number of them has passed since local midnight. Longer:
    where the clock shows a multiple for the first time, or jumps over it.
    """
    zone, step = ZoneInfo(name), Spacing.parse(text)
    expected = []
    for count in range(days):
        midnight, end = (begins(first + shift * DAY, zone) for shift in (count, count + 1))
        shown = -1
        minute = midnight
        while minute < end:
            if step.fixed <= HOUR:
                starts = (minute - midnight) % step.fixed == timedelta(0)
            else:
                local = wall(minute, zone)
                since = timedelta(hours=local.hour, minutes=local.minute)
                starts = since // step.fixed > shown
                shown = max(shown, since // step.fixed)
            if starts:
                expected.append(minute)
            minute += timedelta(minutes=1)
    start, end = begins(first, zone), begins(first + days * DAY, zone)
    found = Calendar.of(start, end, step, name)
    assert [at(edge) for edge in found.edges_us] == [*expected, end]
    assert [date.fromordinal(int(day)) for day in found.day] == [wall(one, zone).date() for one in expected]
    assert found.hour.tolist() == pytest.approx(
        [wall(one, zone).hour + wall(one, zone).minute / 60 for one in expected]
    )
    assert found.cut == (False, False)


@given(
    st.sampled_from(ZONES),
    st.sampled_from([*SUB_DAILY, *CALENDAR, "PT7M", "PT5H", "PT36H"]),
    near,
    st.integers(0, 24 * 60 - 1),
    st.integers(1, 20 * 24 * 60),
)
def test_intervals_follow_each_other_without_a_hole_inside_the_period(
    name: str, text: str, first: date, minutes: int, length: int
) -> None:
    """At any start and end of the period, the cut ones too. Of those of a day or more, one is planned only if
    its middle lies in the period.
    """
    start = begins(first, ZoneInfo(name)) + timedelta(minutes=minutes)
    end = start + timedelta(minutes=length)
    step = Spacing.parse(text)
    found = Calendar.of(start, end, step, name)
    assert found.n >= 1
    assert (np.diff(found.edges_us) > 0).all()
    assert us(start) <= found.edges_us[0]
    assert found.edges_us[-1] <= us(end)
    if not step.days and not step.months:
        assert (us(start), us(end)) == (found.edges_us[0], found.edges_us[-1])
    assert found.slots_at(found.starts_us).tolist() == list(range(found.n))
    assert found.slots_at(found.ends_us - 1).tolist() == list(range(found.n))


def test_a_day_that_is_less_than_half_in_the_period_is_not_planned() -> None:
    noon = datetime(2026, 3, 1, 11, tzinfo=UTC)
    assert Calendar.of(noon, noon + 14 * DAY, DAY, "Europe/Paris").n == 14
    assert Calendar.of(noon + HOUR, noon + 14 * DAY, DAY, "Europe/Paris").n == 13
    assert Calendar.of(noon, noon + HOUR, DAY, "Europe/Paris").n == 1  # nothing is not a plan


def test_a_day_that_a_zone_left_out_is_not_planned() -> None:
    """Samoa had no 30 December 2011."""
    zone = ZoneInfo("Pacific/Apia")
    start, end = (datetime(2011, 12, 28, tzinfo=zone), datetime(2012, 1, 2, tzinfo=zone))
    found = Calendar.of(start, end, DAY, "Pacific/Apia")
    assert [date.fromordinal(int(day)).day for day in found.day] == [28, 29, 31, 1]


instants = st.integers(us(datetime(2026, 3, 27, tzinfo=UTC)), us(datetime(2026, 4, 2, tzinfo=UTC)))


@given(st.sampled_from([*SUB_DAILY, "P1D"]), st.lists(instants, min_size=1, max_size=30), st.data())
def test_each_result_falls_into_the_interval_whose_local_times_enclose_it(
    text: str, times: list[int], data: st.DataObject
) -> None:
    """In any order, over the change of the clocks; slot by slot, by comparing times."""
    zone, step = ZoneInfo("Europe/Paris"), Spacing.parse(text)
    start, end = begins(date(2026, 3, 28), zone), begins(date(2026, 4, 1), zone)
    calendar = Calendar.of(start, end, step, "Europe/Paris")
    order = data.draw(st.permutations(times))
    values = np.arange(1.0, len(order) + 1)
    found = fill(calendar, np.array(order, np.int64), values, ARITHMETIC)
    for slot, (low, high) in enumerate(zip(calendar.starts_us, calendar.ends_us, strict=True)):
        inside = [value for value, time in zip(values.tolist(), order, strict=True) if low <= time < high]
        assert (np.isnan(found[slot]) and not inside) or found[slot] == pytest.approx(np.mean(inside))


def test_rules_1_still_count_elapsed_time() -> None:
    start, end = datetime(2026, 9, 30, 22, tzinfo=UTC), datetime(2026, 10, 31, 23, tzinfo=UTC)
    assert Calendar.of(start, end, DAY, "Europe/Paris", Rules(RULES_1)).n == 32
    assert Calendar.of(start, end, DAY, "Europe/Paris").n == 31
    month = Spacing.parse("P1M")
    assert Calendar.of(start, end, month, "Europe/Paris", Rules(RULES_1)).n == 2
    assert Calendar.of(start, end, month, "Europe/Paris").n == 1


# -- the same instants, written otherwise


@pytest.mark.parametrize(
    "same",
    [
        ("P1D", "PT24H", "PT1440M"),
        ("P1W", "P7D", "PT168H"),
        ("P1Y", "P12M"),
        ("PT1H", "PT60M", "PT3600S", "P0DT1H"),
        ("PT0.5S", "PT0.50S"),
    ],
)
def test_equal_intervals_are_one_however_they_are_written(same: tuple[str, ...]) -> None:
    assert len({Spacing.parse(text) for text in same}) == 1
    assert {str(Spacing.parse(text)) for text in same} == {str(Spacing.parse(same[0]))}


@given(st.sampled_from(["P1D", "P1W", "PT15M", "PT6H"]), near, st.sampled_from([-5, 0, 1, 5.75]))
def test_the_offset_in_which_a_period_is_written_changes_no_interval(
    text: str, first: date, offset: float
) -> None:
    paris = ZoneInfo("Europe/Paris")
    start, end = begins(first, paris), begins(first + 14 * DAY, paris)
    other = timezone(timedelta(hours=offset))
    one = Calendar.of(start, end, Spacing.parse(text), "Europe/Paris")
    same = Calendar.of(start.astimezone(other), end.astimezone(other), Spacing.parse(text), "Europe/Paris")
    assert np.array_equal(one.edges_us, same.edges_us)
    assert np.array_equal(one.day, same.day)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("P1M15D", "adds days or hours to months"),
        ("P1YT1H", "adds days or hours to months"),
        ("P0.5M", "is no interval"),
        ("+P1M", "is no interval"),
        ("P", "is no interval"),
        ("PT", "is no interval"),
        ("p1d", "is no interval"),
        ("P0M", "longer than nothing"),
        ("-P1M", "longer than nothing"),
        ("P1300M", "shorter than a hundred years"),
        ("P99999999999999999D", "shorter than a hundred years"),
    ],
)
def test_an_interval_that_is_none_is_refused_with_the_next_step(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("+", r"\+")):
        Spacing.parse(text)
