from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from insitu.model import DeviceState, GapCause
from trials.condition.health import KEPT_BACK_SIMULATED, DeviceFacts, completeness, device_state, gaps

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
QUARTER = 900.0


def facts(minutes_ago: float | None, **more: object) -> DeviceFacts:
    seen = NOW - timedelta(minutes=minutes_ago) if minutes_ago is not None else None
    return DeviceFacts(last_seen_at=seen, last_result_at=seen, expected_interval_s=QUARTER, **more)


@pytest.mark.parametrize(
    ("given", "state", "causes"),
    [
        (facts(None), DeviceState.NEVER_SEEN, ()),
        (facts(10), DeviceState.ONLINE, ()),
        (facts(37), DeviceState.ONLINE, ()),
        (facts(38), DeviceState.LATE, ("late",)),
        (facts(120), DeviceState.LATE, ("late",)),
        (facts(121), DeviceState.SILENT, ("silent",)),
        (facts(1, reported_offline=True), DeviceState.SILENT, ("offline",)),
        (facts(500, in_window=True), DeviceState.IN_WINDOW, ()),
        (facts(5, battery=14.9), DeviceState.DEGRADED, ("low_battery",)),
        (facts(5, battery=15.0), DeviceState.ONLINE, ()),
        (facts(5, rssi=-101), DeviceState.DEGRADED, ("poor_radio",)),
        (facts(5, clock_offset_s=300), DeviceState.ONLINE, ()),
        (facts(5, clock_offset_s=301), DeviceState.DEGRADED, ("clock_off",)),
        (
            facts(5, clock_offset_s=-1199),
            DeviceState.ONLINE,
            (),
        ),  # a mean of 15 minutes, stamped with its begin
        (facts(5, clock_offset_s=-1201), DeviceState.DEGRADED, ("clock_off",)),
        (facts(5, failing_share=0.11), DeviceState.DEGRADED, ("failing_checks",)),
        (facts(5, silent_datastreams=("pm25",)), DeviceState.DEGRADED, ("silent_datastream:pm25",)),
        (facts(5, retired_at=NOW), DeviceState.RETIRED, ()),
        (facts(5, retired_at=NOW + timedelta(minutes=1)), DeviceState.ONLINE, ()),
    ],
)
def test_a_state_follows_from_facts_and_one_now(
    given: DeviceFacts, state: DeviceState, causes: tuple[str, ...]
) -> None:
    judged = device_state(given, NOW)
    assert (judged.state, judged.causes) == (state, causes)


START = datetime(2026, 3, 1, tzinfo=UTC)


def us(*minutes: float) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([int(START.timestamp() * 1e6 + m * 60e6) for m in minutes], np.int64)


def minutes(gap: object) -> tuple[float, float]:
    return ((gap.start - START).total_seconds() / 60, (gap.end - START).total_seconds() / 60)


def found(times: np.ndarray, received: np.ndarray | None = None, **more: object) -> list[object]:
    end = START + timedelta(hours=4)
    return list(
        gaps(
            time_us=times,
            received_us=times if received is None else received,
            expected_s=QUARTER,
            start=START,
            end=end,
            **more,
        )
    )  # type: ignore[arg-type]


def test_a_silence_longer_than_two_and_a_half_intervals_is_a_gap_also_at_both_ends() -> None:
    times = us(*range(60, 120, 15), *range(165, 195, 15))
    assert [minutes(g) for g in found(times)] == [(0, 60), (105, 165), (180, 240)]
    assert {g.cause for g in found(times)} == {GapCause.UNKNOWN}  # type: ignore[attr-defined]


def test_a_gap_has_the_cause_that_covers_it() -> None:
    times = us(*range(0, 60, 15), *range(165, 240, 15))
    window = (START + timedelta(minutes=40), START + timedelta(minutes=170))
    assert [g.cause for g in found(times, windows=[window])] == [GapCause.WINDOW]
    assert [g.cause for g in found(times, reboots=[START + timedelta(minutes=166)])] == [GapCause.DEVICE]


def test_results_that_came_hours_later_close_a_gap_and_keep_that_they_were_late() -> None:
    times = us(*range(0, 240, 15))
    received = times.copy()
    received[4:8] += int(3 * 3600e6)
    late = found(times, received)
    assert [(minutes(g), g.cause, g.backfilled) for g in late] == [((60, 120), GapCause.NETWORK, True)]
    assert found(times, received, late_after=KEPT_BACK_SIMULATED) == []


def test_the_order_of_rows_does_not_matter() -> None:
    times = us(*range(60, 120, 15), *range(165, 195, 15))
    shuffled = np.random.default_rng(1).permutation(times)
    assert found(shuffled) == found(times)


def test_completeness_counts_planned_intervals_not_messages() -> None:
    one_day = us(*range(0, 1440, 15))
    twice = np.concatenate([one_day, one_day + 60_000_000])
    assert completeness(time_us=twice, expected_s=QUARTER, start=START, days=2) == [1.0, 0.0]
    assert completeness(time_us=one_day[::2], expected_s=QUARTER, start=START, days=1) == [0.5]


def test_a_lora_device_is_judged_by_its_noise_and_not_by_its_level() -> None:
    """−112 dBm is a usual level there; −16 dB to the noise is nearly lost."""
    assert device_state(facts(1, rssi=-112.0, snr=-9.0), NOW).causes == ()
    assert device_state(facts(1, rssi=-90.0, snr=-16.0), NOW).causes == ("poor_radio",)
    assert device_state(facts(1, rssi=-112.0), NOW).causes == ("poor_radio",)
