"""The ranges of seq: what a batch adds to them is written, and nothing else."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import sequences
from ingest.sequences import MAX_RANGES
from store import sequences as stored
from store.database import Connection, connect
from store.sequences import KnownRanges, Ranges, lock_sequences, save_sequences
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


@pytest.mark.parametrize("most", [200_000, 30])
def test_ranges_that_are_remembered_are_those_of_the_database(
    conn: Connection,
    catalogue: SmallTrial,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    most: int,
) -> None:
    """Two writers take turns, each with a memory of its own; some of their batches are rolled back. The model
    is a set of numbers for each boot.
    """
    monkeypatch.setattr(stored, "_MOST", most)
    draw, model = random.Random(most), dict[tuple[int, str], set[int]]()
    keys = [(catalogue.devices["a"], boot) for boot in ("one", "two")]
    with connect(database_url, application="tests") as other:
        writers = [(conn, KnownRanges()), (other, KnownRanges())]
        for _ in range(150):
            writer, known = draw.choice(writers)
            chosen = draw.sample(keys, draw.randint(1, 2))
            before = lock_sequences(writer, chosen, NOW, known)
            assert {key: numbers(before[key]) for key in chosen} == {
                key: model.get(key, set()) for key in chosen
            }
            new = {key: draw.sample(range(80), draw.randint(0, 3)) for key in chosen}
            after = {key: [*before[key]] for key in chosen}
            for key, seqs in new.items():
                for seq in seqs:
                    sequences.add(after[key], seq)
            added = {key: sequences.added(before[key], after[key]) for key in chosen}
            save_sequences(writer, added, NOW, after, known)
            if draw.random() < 0.2:
                writer.rollback()
                continue
            writer.commit()
            for key, seqs in new.items():
                model.setdefault(key, set()).update(seqs)
