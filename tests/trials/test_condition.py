from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import pytest

from insitu.model import Arrival, DeviceState, GapCause
from trials.condition.causes import Cause
from trials.condition.completeness import (
    DayShare,
    count_days,
    count_planned,
    list_days,
    mean_share,
    plan_spans,
    share_days,
    share_stored,
)
from trials.condition.facts import ContactFacts, DayCount, DeviceFacts, Stay, StreamFacts, WindowFacts
from trials.condition.gaps import (
    KEPT_BACK_SIMULATED,
    Arrivals,
    find_device_gaps,
    find_gaps,
    find_gaps_in_order,
)
from trials.condition.state import Condition, judge_devices

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
TODAY = NOW.date()
QUARTER = 900.0
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def stream(name: str = "no2", number: int = 1, **more: Any) -> StreamFacts:
    given = {"expected_interval_s": QUARTER, "usual_interval_s": QUARTER, "latest_received_at": NOW, **more}
    return StreamFacts(number, name, **given)


def facts(minutes_ago: float | None, *, retired_at: datetime | None = None, **said: Any) -> DeviceFacts:
    """A deployed device that was last seen `minutes_ago`; `said`: the content of its last status."""
    seen = NOW - timedelta(minutes=minutes_ago) if minutes_ago is not None else None
    return DeviceFacts(
        device_id=7,
        time_zone="Europe/Paris",
        retired_at=retired_at,
        contact=ContactFacts(first_seen_at=seen, last_seen_at=seen, **said),
        streams=(stream(),),
        stays=(Stay("here", NOW - 30 * DAY, None),),
        windows=(),
        counts=(),
    )


def judge(given: DeviceFacts, *, simulated: bool = False) -> Condition:
    (condition,) = judge_devices([given], NOW, simulated=simulated)
    return condition


def found(given: DeviceFacts, *, simulated: bool = False) -> tuple[DeviceState, tuple[str, ...]]:
    condition = judge(given, simulated=simulated)
    return condition.state, tuple(cause.key for cause in condition.causes)


def window(start: timedelta, end: timedelta | None, site: str | None = None) -> WindowFacts:
    return WindowFacts("maintenance", site, NOW + start, None if end is None else NOW + end, "cleaning")


def silent_probe(minutes: float) -> tuple[StreamFacts, ...]:
    return stream(), stream("pm25", 2, latest_received_at=NOW - timedelta(minutes=minutes))


def failing(n: int, failed: int, day: date = TODAY) -> tuple[DayCount, ...]:
    return (DayCount(1, day, n, failed),)


@pytest.mark.parametrize(
    ("given", "state", "causes"),
    [
        (facts(None), DeviceState.NEVER_SEEN, ()),
        (facts(10), DeviceState.ONLINE, ()),
        (facts(37), DeviceState.ONLINE, ()),
        (facts(38), DeviceState.LATE, ("late",)),
        (facts(120), DeviceState.LATE, ("late",)),
        (facts(121), DeviceState.SILENT, ("silent",)),
        (facts(1, said="offline", said_at=NOW), DeviceState.SILENT, ("offline",)),
        (facts(1, said="offline", said_at=NOW - timedelta(minutes=5)), DeviceState.ONLINE, ()),
        (replace(facts(500), windows=(window(-HOUR, HOUR),)), DeviceState.IN_WINDOW, ()),
        (facts(5, battery=14.9), DeviceState.DEGRADED, ("low_battery",)),
        (facts(5, battery=15.0), DeviceState.ONLINE, ()),
        (facts(5, rssi=-101.0), DeviceState.DEGRADED, ("poor_radio",)),
        (facts(5, clock_offset=300), DeviceState.ONLINE, ()),
        (facts(5, clock_offset=301), DeviceState.DEGRADED, ("clock_off",)),
        # a mean of 15 minutes, stamped with its beginning
        (facts(5, clock_offset=-1199), DeviceState.ONLINE, ()),
        (facts(5, clock_offset=-1201), DeviceState.DEGRADED, ("clock_off",)),
        (replace(facts(5), counts=failing(100, 11)), DeviceState.DEGRADED, ("failing_checks",)),
        (replace(facts(5), counts=failing(100, 10)), DeviceState.ONLINE, ()),
        (replace(facts(5), streams=silent_probe(121)), DeviceState.DEGRADED, ("silent_datastream:pm25",)),
        (replace(facts(5), streams=silent_probe(119)), DeviceState.ONLINE, ()),
        (facts(5, retired_at=NOW), DeviceState.RETIRED, ()),
        (facts(5, retired_at=NOW + timedelta(minutes=1)), DeviceState.ONLINE, ()),
    ],
)
def test_a_state_follows_from_facts_and_one_now(
    given: DeviceFacts, state: DeviceState, causes: tuple[str, ...]
) -> None:
    assert found(given) == (state, causes)


def test_a_lora_device_is_judged_by_its_noise_and_not_by_its_level() -> None:
    """−112 dBm is a usual level for LoRa; with −16 dB to the noise the frame is nearly lost."""
    assert found(facts(1, rssi=-112.0, snr=-9.0)) == (DeviceState.ONLINE, ())
    assert found(facts(1, rssi=-90.0, snr=-16.0)) == (DeviceState.DEGRADED, ("poor_radio",))
    assert found(facts(1, rssi=-112.0)) == (DeviceState.DEGRADED, ("poor_radio",))


def test_causes_carry_what_they_rest_on_and_come_in_one_order() -> None:
    given = facts(5, battery=9.0, snr=-16.0, rssi=-90.0, clock_offset=400.0)
    given = replace(given, streams=silent_probe(200), counts=failing(100, 25))
    assert judge(given).causes == (
        Cause("silent_datastream", {"name": "pm25"}),
        Cause("low_battery", {"battery_percent": 9.0}),
        Cause("poor_radio", {"snr_db": -16.0}),
        Cause("clock_off", {"offset_s": 400.0}),
        Cause("failing_checks", {"share": 0.25}),
    )
    assert judge(facts(121)).causes == (Cause("silent", {"silence_s": 7260.0}),)


def test_checks_fail_by_the_last_day_with_results_and_the_day_before_it() -> None:
    long_ago = failing(100, 100, TODAY - 3 * DAY) + failing(100, 0, TODAY)
    assert found(replace(facts(5), counts=long_ago)) == (DeviceState.ONLINE, ())
    yesterday = failing(100, 30, TODAY - DAY) + failing(100, 0, TODAY)
    assert judge(replace(facts(5), counts=yesterday)).causes == (Cause("failing_checks", {"share": 0.15}),)


def test_a_window_holds_for_the_device_its_trial_or_the_site_where_it_stands() -> None:
    moved = replace(facts(5), stays=(Stay("there", NOW - 9 * DAY, NOW - DAY), Stay("here", NOW - DAY, None)))
    for site, state in ((None, "in_window"), ("here", "in_window"), ("there", "online")):
        given = replace(moved, windows=(window(-2 * DAY, HOUR, site),))
        assert judge(given).state == state, site
    assert judge(replace(moved, windows=(window(-HOUR, timedelta()),))).state == "online", "it has just ended"
    assert judge(replace(moved, windows=(window(timedelta(), HOUR),))).state == "in_window", "it begins now"


def test_of_several_windows_the_one_that_ends_last_is_named() -> None:
    short, long, open_ended = window(-HOUR, HOUR), window(-HOUR, DAY), window(-HOUR, None)
    assert judge(replace(facts(5), windows=(short, long))).window == long
    assert judge(replace(facts(5), windows=(open_ended, long))).window == open_ended


def test_a_device_that_was_taken_away_is_retired_since_then() -> None:
    gone = (Stay("here", NOW - 9 * DAY, NOW - DAY),)
    condition = judge(replace(facts(5), stays=gone))
    assert (condition.state, condition.retired_at) == (DeviceState.RETIRED, NOW - DAY)
    to_come = (*gone, Stay("there", NOW + DAY, None))
    assert judge(replace(facts(5), stays=to_come)).state == DeviceState.ONLINE
    assert judge(replace(facts(5), stays=())).state == DeviceState.ONLINE


def test_in_a_simulated_history_a_clock_that_seems_behind_is_not_believed() -> None:
    late = facts(5, clock_offset=-5000.0)
    assert found(late) == (DeviceState.DEGRADED, ("clock_off",))
    assert found(late, simulated=True) == (DeviceState.ONLINE, ())
    assert judge(late, simulated=True).clock_offset is None
    assert judge(facts(5, clock_offset=400.0), simulated=True).clock_offset == 400.0


def test_each_device_is_judged_by_itself_and_in_the_order_given() -> None:
    paris, tokyo = facts(5), replace(facts(500), device_id=8, time_zone="Asia/Tokyo")
    together = judge_devices([tokyo, paris], NOW, simulated=False)
    assert together == [judge(tokyo), judge(paris)]
    assert together[0].days[-1].day == date(2026, 3, 10)


def full(*days: date) -> tuple[DayCount, ...]:
    return tuple(DayCount(1, day, 96, 0) for day in days)


def shares(given: DeviceFacts, now: datetime = NOW) -> list[DayShare]:
    return list(share_days(given, plan_spans(given, now), list_days(now, given.time_zone)))


def test_completeness_counts_planned_intervals_not_messages() -> None:
    yesterday = TODAY - DAY
    by_day = {one.day: one.share for one in shares(replace(facts(5), counts=full(yesterday)))}
    assert by_day[yesterday] == 1.0
    assert by_day[TODAY] == 0.0
    half = replace(facts(5), counts=(DayCount(1, yesterday, 50, 2),))
    assert {one.day: one.share for one in shares(half)}[yesterday] == 0.5, "a failed result is none"
    twice = replace(facts(5), counts=(DayCount(1, yesterday, 200, 0),))
    assert {one.day: one.share for one in shares(twice)}[yesterday] == 1.0
    assert len(by_day) == 14


def test_a_day_on_which_nothing_was_planned_has_no_share() -> None:
    fresh = replace(facts(5), stays=(Stay("here", NOW - timedelta(hours=36), None),), counts=full(TODAY))
    assert [one.share for one in shares(fresh)][:12] == [None] * 12
    assert mean_share(shares(replace(fresh, stays=()))) is None
    closed = replace(facts(5), windows=(window(-60 * DAY, None),))
    assert mean_share(shares(closed)) is None


def test_a_declared_window_leaves_the_denominator() -> None:
    """Half of yesterday is a window, and all results of the other half came."""
    midnight = datetime(2026, 3, 8, 23, tzinfo=UTC)  # in Paris
    half = WindowFacts("access", None, midnight, midnight + 12 * HOUR, "")
    given = replace(facts(5), windows=(half,), counts=(DayCount(1, date(2026, 3, 9), 48, 0),))
    assert {one.day: one.share for one in shares(given)}[date(2026, 3, 9)] == 1.0


def test_a_day_has_the_hours_that_its_clocks_give_it() -> None:
    """29 March 2026 has 23 hours in Paris: 92 quarters are all of it; 25 October has 25, and 96 are not."""
    april, november = datetime(2026, 4, 2, 12, tzinfo=UTC), datetime(2026, 11, 1, 12, tzinfo=UTC)
    long_there = (Stay("here", NOW - 9 * DAY, None),)
    spring = replace(facts(5), stays=long_there, counts=(DayCount(1, date(2026, 3, 29), 92, 0),))
    assert {one.day: one.share for one in shares(spring, april)}[date(2026, 3, 29)] == 1.0
    autumn = replace(facts(5), stays=long_there, counts=full(date(2026, 10, 25)))
    assert {one.day: one.share for one in shares(autumn, november)}[date(2026, 10, 25)] == 96 / 100


def test_the_mean_is_over_datastreams_and_those_without_an_interval_do_not_count() -> None:
    yesterday = TODAY - DAY
    two = (stream(), stream("pm25", 2), stream("co2", 3, expected_interval_s=None))
    given = replace(facts(5), streams=two, counts=full(yesterday))
    assert {one.day: one.share for one in shares(given)}[yesterday] == 0.5


def by_minutes(given: DeviceFacts) -> list[float | None]:
    """Completeness of the last 14 days of UTC, minute by minute: the oracle of `share_days`."""
    found: list[float | None] = []
    for back in range(13, -1, -1):
        midnight = datetime.combine(TODAY, time(), UTC) - back * DAY
        minutes = [midnight + timedelta(minutes=m) for m in range(1440)]
        due = [
            at
            for at in minutes
            if at < NOW
            and any(stay.start <= at and (stay.end is None or at < stay.end) for stay in given.stays)
            and not any(gap.start <= at and (gap.end is None or at < gap.end) for gap in given.windows)
        ]
        shares = []
        for one in given.streams:
            planned = int(len(due) * 60 / one.expected_interval_s) if one.expected_interval_s else 0
            came = sum(
                n - failed
                for number, day, n, failed in given.counts
                if (number, day) == (one.datastream_id, midnight.date())
            )
            shares += [min(1.0, came / planned)] if planned else []
        found.append(sum(shares) / len(shares) if shares else None)
    return found


def test_devices_of_a_fleet_share_no_plan_that_is_not_theirs() -> None:
    """Devices with stays, windows, intervals and counts by chance, some of them alike, judged together."""
    chance = np.random.default_rng(14)

    def device(number: int) -> DeviceFacts:
        starts = NOW - chance.integers(0, 20, 2) * DAY - chance.integers(0, 3) * HOUR
        first, second = sorted(starts.tolist())
        streams = tuple(
            stream(name, 10 * number + place, expected_interval_s=every)
            for place, name in enumerate("abc"[: chance.integers(1, 4)])
            for every in [[900.0, 600.0, None][chance.integers(0, 3)]]
        )
        counts = tuple(
            DayCount(one.datastream_id, TODAY - back * DAY, int(chance.integers(20, 160)), int(back % 3))
            for one in streams
            for back in range(15)
            if chance.random() < 0.8
        )
        closed = (window(-5 * DAY, -5 * DAY + 30 * HOUR),) if chance.random() < 0.5 else ()
        stays = (Stay("a", first, second), Stay("b", second, None))
        made = replace(facts(5), device_id=number, time_zone="UTC", streams=streams, stays=stays)
        return replace(made, windows=closed, counts=counts)

    fleet = [device(number) for number in range(8)]
    for given, judged in zip(fleet, judge_devices(fleet, NOW, simulated=False), strict=True):
        assert [one.share for one in judged.days] == pytest.approx(by_minutes(given))


def test_the_share_since_the_start_is_of_all_that_was_planned() -> None:
    given = replace(facts(5), stays=(Stay("here", NOW - DAY, None),), streams=(stream(), stream("pm25", 2)))
    planned = count_planned(given.streams, plan_spans(given, NOW))
    assert planned == 2 * 96
    assert share_stored(48, planned) == 0.25
    assert share_stored(500, planned) == 1.0
    assert share_stored(5, 0) is None


def test_results_are_counted_by_local_day_as_far_back_as_completeness_goes() -> None:
    at = [NOW - 16 * DAY, NOW - 15 * DAY, NOW - DAY, datetime(2026, 3, 9, 23, tzinfo=UTC), NOW]
    time_us = np.array([round(one.timestamp() * 1e6) for one in at], np.int64)
    flag = np.array([4, 1, 4, 3, 4], np.int8)
    assert count_days(5, time_us, flag, now=NOW, time_zone="Europe/Paris") == [
        DayCount(5, date(2026, 2, 23), 1, 0),
        DayCount(5, date(2026, 3, 9), 1, 1),
        DayCount(5, date(2026, 3, 10), 1, 0),
    ]
    assert count_days(5, time_us[:0], flag[:0], now=NOW, time_zone="Europe/Paris") == []


START = datetime(2026, 3, 1, tzinfo=UTC)


def us(*minutes: float) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([int(START.timestamp() * 1e6 + m * 60e6) for m in minutes], np.int64)


def minutes(gap: Any) -> tuple[float, float]:
    return ((gap.start - START).total_seconds() / 60, (gap.end - START).total_seconds() / 60)


def gaps_of(times: np.ndarray, received: np.ndarray | None = None, **more: Any) -> list[Any]:
    end = START + timedelta(hours=4)
    return list(
        find_gaps(
            time_us=times,
            received_us=times if received is None else received,
            expected_s=QUARTER,
            start=START,
            end=end,
            **more,
        )
    )


def test_a_silence_longer_than_two_and_a_half_intervals_is_a_gap_also_at_both_ends() -> None:
    times = us(*range(60, 120, 15), *range(165, 195, 15))
    assert [minutes(g) for g in gaps_of(times)] == [(0, 60), (105, 165), (180, 240)]
    assert {g.cause for g in gaps_of(times)} == {GapCause.UNKNOWN}


def test_a_gap_has_the_cause_that_covers_it() -> None:
    times = us(*range(0, 60, 15), *range(165, 240, 15))
    declared = (START + timedelta(minutes=40), START + timedelta(minutes=170))
    assert [g.cause for g in gaps_of(times, windows=[declared])] == [GapCause.WINDOW]
    assert [g.cause for g in gaps_of(times, reboots=[START + timedelta(minutes=166)])] == [GapCause.DEVICE]


def test_results_that_came_hours_later_close_a_gap_and_keep_that_they_were_late() -> None:
    times = us(*range(0, 240, 15))
    received = times.copy()
    received[4:8] += int(3 * 3600e6)
    late = gaps_of(times, received)
    assert [(minutes(g), g.cause, g.backfilled) for g in late] == [((60, 120), GapCause.NETWORK, True)]
    assert gaps_of(times, received, late_after=KEPT_BACK_SIMULATED) == []


FILE, LATE = Arrival.FROM_FILE, Arrival.LATE
IN_TIME = 16 * [Arrival.IN_TIME]


def arrived(*kinds: Arrival, times: Sequence[float] = range(0, 240, 15), **more: Any) -> list[Any]:
    """(stretch, cause, filled later) of each gap of a quarter-hourly series that arrived so."""
    found = find_gaps_in_order(
        times=us(*times),
        arrival=np.array(kinds, np.int8),
        expected_s=QUARTER,
        start=START,
        end=START + timedelta(hours=4),
        **more,
    )
    return [(minutes(gap), gap.cause, gap.backfilled) for gap in found]


@pytest.mark.parametrize(
    ("what", "kinds", "gaps"),
    [
        ("all from a file", 16 * [FILE], []),
        ("a file, then live", [*8 * [FILE], *IN_TIME[8:]], []),
        ("live, then a file", [*IN_TIME[:8], *8 * [FILE]], []),
        ("a file fills a live series", [*IN_TIME[:4], *4 * [FILE], *IN_TIME[8:]], [((60, 120), "unknown")]),
        ("a file has two results that live messages lack", [*IN_TIME[:4], FILE, FILE, *IN_TIME[6:]], []),
        ("everything late, as from a device that sends in bundles", 16 * [LATE], []),
        ("mostly late", [*12 * [LATE], *IN_TIME[12:]], [((0, 180), "unknown")]),
        ("usually in time", [*IN_TIME[:4], *4 * [LATE], *IN_TIME[8:]], [((60, 120), "network")]),
        ("corrected later", [*IN_TIME[:4], *8 * [Arrival.CORRECTED], *IN_TIME[12:]], []),
    ],
)
def test_how_data_arrived_decides_what_is_known_of_a_silence(
    what: str, kinds: list[Arrival], gaps: list[Any]
) -> None:
    assert arrived(*kinds) == [(ends, GapCause(cause), True) for ends, cause in gaps]


def test_a_hole_in_a_file_is_a_gap_of_unknown_cause() -> None:
    times = [*range(0, 60, 15), *range(120, 240, 15)]
    assert arrived(*len(times) * [FILE], times=times) == [((45, 120), GapCause.UNKNOWN, False)]


def test_the_order_of_rows_does_not_matter() -> None:
    times = us(*range(60, 120, 15), *range(165, 195, 15))
    shuffled = np.random.default_rng(1).permutation(times)
    assert gaps_of(shuffled) == gaps_of(times)


def arrivals(*minutes: float) -> Arrivals:
    return Arrivals(us(*minutes), np.zeros(len(minutes), bool))


def device_gaps(
    series: dict[int, Arrivals], **more: Any
) -> Iterator[tuple[tuple[float, float], str | None, bool]]:
    """Facts of four hours, for a device with two datastreams that was deployed from the beginning."""
    streams = (stream("no2", 1), stream("pm25", 2))
    given = replace(facts(5), **{"streams": streams, "stays": (Stay("here", START, None),), **more})
    for one in find_device_gaps(given, series, since=START - 30 * DAY, now=START + 4 * HOUR):
        yield minutes(one.gap), one.datastream, one.lasts


QUARTERS: Sequence[int] = range(0, 240, 15)


def test_a_silence_of_the_device_counts_once_and_that_of_a_datastream_while_others_speak() -> None:
    spoke = [m for m in QUARTERS if not 60 < m < 120]
    probe = [m for m in spoke if m < 180]
    assert list(device_gaps({1: arrivals(*spoke), 2: arrivals(*probe)})) == [
        ((165, 240), "pm25", True),
        ((60, 120), None, False),
    ]


def test_no_gap_is_reported_while_the_device_stood_nowhere() -> None:
    spoke = arrivals(*range(0, 60, 15), *range(180, 240, 15))
    hour = timedelta(hours=1)
    apart = (Stay("here", START, START + hour), Stay("there", START + 3 * hour, None))
    assert list(device_gaps({1: spoke, 2: spoke}, stays=apart)) == []
    joined = (Stay("here", START, START + 2 * hour), Stay("there", START + 2 * hour, None))
    assert list(device_gaps({1: spoke, 2: spoke}, stays=joined)) == [((45, 180), None, False)]


def test_a_window_of_a_site_explains_a_silence_only_while_the_device_stood_there() -> None:
    spoke = arrivals(*range(0, 60, 15), *range(180, 240, 15))
    hour = timedelta(hours=1)
    window = WindowFacts("maintenance", "there", START + 0.5 * hour, START + 3.5 * hour, "works")
    for site, cause in (("there", GapCause.WINDOW), ("here", GapCause.UNKNOWN)):
        given = replace(
            facts(5), streams=(stream("no2", 1),), stays=(Stay(site, START, None),), windows=(window,)
        )
        (one,) = find_device_gaps(given, {1: spoke}, since=START, now=START + 4 * hour)
        assert one.gap.cause is cause


def test_gaps_end_where_the_device_retired_and_begin_where_it_was_deployed() -> None:
    series = {1: arrivals(*QUARTERS[:8]), 2: arrivals(*QUARTERS[:8])}
    assert list(device_gaps(series)) == [((105, 240), None, True)]
    assert list(device_gaps(series, retired_at=START + timedelta(minutes=200))) == [((105, 200), None, False)]
    assert list(device_gaps(series, retired_at=START)) == []
    assert list(device_gaps(series, streams=())) == []


def test_after_an_outage_a_datastream_is_silent_only_since_the_device_is_there_again() -> None:
    """`silent_probe(121)`: more than eight intervals ago. A heartbeat does not move `here_since`."""
    back = replace(facts(1).contact, here_since=NOW - timedelta(minutes=30))
    assert found(replace(facts(1), contact=back, streams=silent_probe(300))) == (DeviceState.ONLINE, ())
    back = replace(back, here_since=NOW - timedelta(minutes=121))
    assert found(replace(facts(1), contact=back, streams=silent_probe(300))) == (
        DeviceState.DEGRADED,
        ("silent_datastream:pm25",),
    )
