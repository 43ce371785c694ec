"""The bytes that a device may send: never more than its bucket holds, and a device that keeps its rate is
never refused, whatever outages of ours there were.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.budget import MOST_TOPICS, PREPAID_BYTES, Budget, sender

RATE, BURST = 500_000, 8_000_000
TOPIC = "insitu/v1/t/a/obs"


@dataclass
class Hand:
    """A clock that is moved by hand."""

    at: float = 1000.0

    def __call__(self) -> float:
        return self.at


def connected(hand: Hand) -> Budget:
    budget = Budget(RATE, BURST, now=hand)
    budget.back("connection")
    return budget


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(0, 3_000_000)), max_size=60))
def test_never_more_than_burst_and_rate_and_never_less(steps: list[tuple[float, int]]) -> None:
    """Compares with a bucket that is filled and emptied one message at a time."""
    hand = Hand()
    budget, left = connected(hand), float(BURST)
    for pause, size in steps:
        hand.at += pause
        left = min(BURST, left + RATE * pause)
        allowed = budget.allows(TOPIC, size)
        if allowed:
            left -= size
            assert left > -PREPAID_BYTES
        else:
            assert left < size + 2


@given(
    st.lists(st.tuples(st.booleans(), st.floats(1, 4000)), min_size=1, max_size=8),
    st.integers(100, 2_000_000),
    st.sampled_from(["connection", "commit"]),
)
def test_a_device_that_keeps_its_rate_is_never_refused_after_an_outage_of_ours(
    spans: list[tuple[bool, float]], size: int, cause: str
) -> None:
    """The device publishes a message whenever its rate allows; messages published in an outage come all at
    once.
    """
    hand = Hand()
    budget = connected(hand)
    kept = published = 0.0
    for away, seconds in spans:
        if away:
            budget.away(cause)  # type: ignore[arg-type]
            hand.at += seconds
            kept += seconds
            budget.back(cause)  # type: ignore[arg-type]
            continue
        for _ in range(min(300, int(kept * RATE / size))):
            assert budget.allows(TOPIC, size)
        kept = 0.0
        for _ in range(min(200, int(seconds * RATE / size))):
            hand.at += size / RATE
            published += size
            assert budget.allows(TOPIC, size)


def test_what_came_while_the_process_was_away_is_no_flood_and_then_the_cap_is_back() -> None:
    hand = Hand()
    budget = connected(hand)
    budget.was_away(3600)
    assert all(budget.allows(TOPIC, 100_000) for _ in range(3600 * RATE // 100_000))
    assert budget.allows("insitu/v1/t/b/obs", 100 * BURST), "another device's backlog"
    budget.caught_up()
    assert not budget.allows("insitu/v1/t/c/obs", BURST + 1)
    assert budget.allows("insitu/v1/t/c/obs", BURST)
    budget.caught_up()
    hand.at += 1000
    assert not budget.allows(TOPIC, BURST + 1)


def test_all_topics_of_a_device_share_a_bucket_and_no_other_device_does() -> None:
    budget = connected(Hand())
    assert budget.allows("insitu/v1/t/a/obs", BURST)
    assert not budget.allows("insitu/v1/t/a/senml", PREPAID_BYTES + 1)
    assert budget.allows("insitu/v1/t/b/obs", BURST)
    assert budget.allows("insitu/v1/u/a/obs", BURST)


@pytest.mark.parametrize(
    ("topic", "who"),
    [
        ("insitu/v1/t/a/status", "t/a"),
        ("application/1/device/AB/event/up", "chirpstack/ab"),
        ("spBv1.0/g/NDATA/e", "sparkplug/g/e"),
        ("spBv1.0/g/DDATA/e/d", "sparkplug/g/e"),
        ("anything/else", "/anything/else"),
        ("insitu/v1/t/a/b/c", "t/a"),
        ("insitu/v1/t/a", "t/a"),
    ],
)
def test_bytes_are_counted_for_who_publishes(topic: str, who: str) -> None:
    assert sender(topic) == who


def test_a_flood_is_told_after_a_second_and_is_over_two_seconds_after_its_last_refusal() -> None:
    hand = Hand()
    budget = connected(hand)
    assert budget.allows(TOPIC, BURST)
    for _ in range(10):
        assert not budget.allows(TOPIC, BURST)
        assert budget.floods() == []
        hand.at += 0.1
    hand.at += 0.1
    assert not budget.allows(TOPIC, BURST)
    (flood,) = budget.floods()
    assert (flood.who, flood.sent) == ("t/a", 12 * BURST)
    assert flood.seconds == pytest.approx(1.1)
    hand.at += 2.1
    assert budget.floods() == []


def test_the_number_of_buckets_is_bounded_and_a_flood_gets_no_full_bucket_by_it() -> None:
    budget = connected(Hand())
    assert budget.allows(TOPIC, BURST)
    assert not budget.allows(TOPIC, BURST)
    for number in range(2 * MOST_TOPICS):
        assert budget.allows(f"insitu/v1/t/d{number}/obs", 10)
    assert len(budget._topics) <= MOST_TOPICS
    assert len(budget._buckets) <= MOST_TOPICS
    assert not budget.allows(TOPIC, BURST)
