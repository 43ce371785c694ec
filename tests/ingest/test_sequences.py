"""The ranges of seq: what a batch adds to them is written, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from ingest import sequences
from ingest.sequences import MAX_RANGES
from store.database import Connection
from store.sequences import Ranges, lock_sequences, save_sequences
from tests.fix_catalogue import SmallTrial

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def numbers(ranges: Ranges) -> set[int]:
    return {number for low, high in ranges for number in range(low, high)}


@given(st.lists(st.integers(0, 60)), st.lists(st.integers(0, 60)))
def test_what_is_added_and_what_was_there_are_all(first: list[int], second: list[int]) -> None:
    ranges: Ranges = []
    for seq in first:
        sequences.add(ranges, seq)
    before = list(ranges)
    for seq in second:
        sequences.add(ranges, seq)
    added = sequences.added(before, ranges)
    assert numbers(before) | numbers(added) == {*first, *second}
    assert all(one in ranges and one not in before for one in added)


def test_ranges_come_back_from_the_database_as_they_were_added(
    conn: Connection, catalogue: SmallTrial
) -> None:
    """Also beyond the bound, where the oldest holes count as lost."""
    key = catalogue.devices["a"], "boot"
    for part in range(4):
        before = lock_sequences(conn, [key], NOW)[key]
        ranges = list(before)
        for number in range(400 * part, 400 * part + 400):
            sequences.add(ranges, 3 * number)
        sequences.add(ranges, 2**63 - 2)
        save_sequences(conn, {key: sequences.added(before, ranges)}, NOW)
        assert lock_sequences(conn, [key], NOW)[key] == ranges
    assert len(ranges) == MAX_RANGES
    ((stored,),) = conn.execute("SELECT (SELECT count(*) FROM unnest(seen)) FROM boot_sequence").fetchall()
    assert stored == MAX_RANGES
