"""The two lanes of waiting messages: small messages pass large ones of others, and each sender's own order is
kept.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest.waiting import BATCH_BYTES, LARGE_BYTES, LARGE_SHARE, Waiting
from insitu.model import Message

MARK = "insitu/v1/heartbeat/token/obs"


def message(number: int, device: str, size: int) -> Message:
    return Message(f"insitu/v1/t/{device}/obs", bytes(size), number)


def test_a_small_message_waits_for_one_share_of_large_ones_at_most() -> None:
    waiting = Waiting()
    for number in range(100):
        waiting.put(message(number, "loud", 200_000))
    waiting.put(message(100, "quiet", 100))
    taken = waiting.take(2000)
    assert taken[-1].received_us == 100
    assert len(taken) == 1 + LARGE_SHARE // 200_000 + 1
    assert waiting.size == (100 - len(taken) + 1) * 200_000


def test_a_batch_is_bounded_in_bytes_also_by_small_messages() -> None:
    waiting = Waiting()
    for number in range(2000):
        waiting.put(message(number, f"d{number}", LARGE_BYTES))
    assert sum(len(m.payload) for m in waiting.take(2000)) <= BATCH_BYTES + LARGE_BYTES


@given(
    st.lists(
        st.one_of(
            st.tuples(
                st.just("put"), st.sampled_from("abc"), st.sampled_from([10, LARGE_BYTES + 1, 200_000])
            ),
            st.tuples(st.just("mark"), st.none(), st.none()),
            st.tuples(st.just("take"), st.none(), st.integers(1, 6)),
            st.tuples(st.just("ahead"), st.none(), st.integers(1, 6)),
        ),
        max_size=60,
    )
)
def test_whatever_comes_each_sender_keeps_its_order_and_a_mark_comes_after_all_before_it(
    steps: list[tuple[str, str, int]],
) -> None:
    waiting, put, taken = Waiting(), list[Message](), list[list[Message]]()
    for kind, device, size in steps:
        if kind == "take":
            chosen = waiting.next
            taken.append(waiting.take(size))
            assert chosen in ([], taken[-1])
        elif kind == "ahead":
            before = len(waiting)
            assert waiting.ahead(size, least=size) is waiting.next
            assert len(waiting) == before
        else:
            put.append(message(len(put), device, size) if kind == "put" else Message(MARK, b"", len(put)))
            waiting.put(put[-1])
    while len(waiting):
        before = len(waiting)
        taken.append(waiting.take(3))
        assert len(waiting) < before, "something leaves with every batch"
    assert waiting.size == 0
    order = [one for batch in taken for one in batch]
    assert sorted(one.received_us for one in order) == list(range(len(put)))
    for device in "abc":
        own = [one.received_us for one in order if f"/{device}/" in one.topic]
        assert own == sorted(own)
    batch_of = {one.received_us: number for number, batch in enumerate(taken) for one in batch}
    for mark in (one for one in put if one.topic == MARK):
        place = order.index(mark)
        for one in put[: mark.received_us]:
            assert batch_of[one.received_us] < batch_of[mark.received_us] or order.index(one) < place
