"""Counts by local day, against Python's own zones: also where a day begins twice, or never."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from insitu.model import ClockQuality, Observation
from insitu.times import to_us
from store.database import Connection
from store.observations import merge
from store.read.streams import count_by_day
from tests.fix_catalogue import SmallTrial

CHANGES = {
    "Europe/Paris": [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)],
    "America/Havana": [datetime(2026, 3, 8, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)],
    "Atlantic/Azores": [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)],
    "Asia/Beirut": [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)],
    "Australia/Lord_Howe": [datetime(2026, 4, 4, tzinfo=UTC), datetime(2026, 10, 3, tzinfo=UTC)],
    "Asia/Kathmandu": [datetime(2026, 6, 1, tzinfo=UTC)],
    "Pacific/Apia": [datetime(2011, 12, 30, tzinfo=UTC)],  # no 30 December
}
"""Days around which the clocks change: at midnight in Havana, the Azores and Beirut."""


@pytest.mark.parametrize("stamp", ["instant", "begin", "end"])
@pytest.mark.parametrize("zone", CHANGES)
def test_each_result_counts_on_the_local_day_of_the_middle_of_its_interval(
    conn: Connection, catalogue: SmallTrial, zone: str, stamp: str
) -> None:
    """A result each half hour, for two days before a change and after it; every seventh failed."""
    number = catalogue.datastreams["a", "pm25"]
    conn.execute("UPDATE trial SET time_zone = %s", (zone,))
    conn.execute(
        "UPDATE datastream SET stamp = %s, expected_interval = '90 min' WHERE datastream_id = %s",
        (stamp, number),
    )
    shift = {"begin": timedelta(minutes=45), "end": timedelta(minutes=-45)}.get(stamp, timedelta())
    times = [
        day - timedelta(days=2) + timedelta(minutes=30 * n)
        for day in CHANGES[zone]
        for n in range(4 * 48 + 24)
    ]
    merge(conn, [Observation(number, to_us(at), 1.0, to_us(at), ClockQuality.DEVICE) for at in times])
    failed = times[::7]
    conn.execute("UPDATE observation SET flag = 4 WHERE phenomenon_time = ANY(%s)", (failed,))
    start, end = times[5], times[-5]
    first = (times[5] + timedelta(days=1)).astimezone(ZoneInfo(zone)).date()  # the day before it is cut
    dates = {at: (at + shift).astimezone(ZoneInfo(zone)).date() for at in times if start <= at < end}
    wanted = Counter(day for day in dates.values() if day >= first)
    bad = Counter(day for at, day in dates.items() if at in failed and day >= first)
    found = count_by_day(conn, [catalogue.devices["a"], catalogue.devices["b"]], start, end)
    assert dict(zip(found.day, found.n, strict=True)) == wanted
    assert {day: failed for day, failed in zip(found.day, found.failed, strict=True) if failed} == bad
    assert set(found.datastream_id) == {number}
