"""Bounds and faults of the columns; tests/ingest/test_twins.py has what they store."""

from __future__ import annotations

import json
from random import Random

import pytest

from ingest.columns import reading
from ingest.columns.plain import Plain
from ingest.columns.reading import FEWEST, PlainReader
from insitu.model import Message
from insitu.times import to_us
from store.catalogue.snapshot import load_snapshot
from store.database import Connection
from tests.fix_catalogue import START, SmallTrial
from tests.ingest.test_sqlstates import Bench

T0_US = to_us(START) + 3_600_000_000


def plain(number: int, *, topic: str = "insitu/v1/t/a/obs", results: str = '{"pm25": 1}') -> Message:
    document = {"boot": "k", "seq": number, "time": (T0_US + number) / 1e6, "results": json.loads(results)}
    return Message(topic, json.dumps(document).encode(), T0_US + number, qos=1, mid=number)


def test_a_fault_in_the_columns_costs_no_message(
    conn: Connection, catalogue: SmallTrial, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(conn, database_url, catalogue)

    def fail(*_: object) -> None:
        raise IndexError("a defect")

    monkeypatch.setattr(PlainReader, "_placed", fail)
    sent = [bench.send("a") for _ in range(10 * FEWEST)]
    bench.work(60, until=len(sent))
    assert sorted(bench.stored()) == list(range(1, len(sent) + 1))
    assert bench.refused() == {}
    bench.books.close()


def test_a_batch_of_a_few_messages_takes_the_path_of_objects(conn: Connection, catalogue: SmallTrial) -> None:
    reader = PlainReader(load_snapshot(conn))
    few, enough = [[plain(number) for number in range(size)] for size in (FEWEST - 1, FEWEST)]
    assert reader.read(few)[1] == list(range(FEWEST - 1))
    found, others = reader.read(enough)
    assert (len(found), others) == (FEWEST, [])


def test_topics_that_nobody_reads_are_not_remembered(conn: Connection, catalogue: SmallTrial) -> None:
    reader = PlainReader(load_snapshot(conn))
    made_up = [plain(number, topic=f"insitu/v1/t/a/{number}") for number in range(100)]
    found, others = reader.read([*made_up, plain(1)])
    assert (len(found), len(others)) == (1, 100)
    assert set(reader._layouts.senders) == {"insitu/v1/t/a/obs"}


def test_layouts_are_forgotten_beyond_their_bound(
    conn: Connection, catalogue: SmallTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_NAMES", 2)
    reader = PlainReader(load_snapshot(conn))
    forms = ['{"pm25": 1}', '{"pm25": 1, "fan": true}', '{"fan": false, "pm25": 1}', '{"fan": true}']
    for turn in range(3):
        for results in forms:
            found, others = reader.read([plain(turn * 99 + n, results=results) for n in range(FEWEST)])
            assert (len(found), others) == (FEWEST, [])
            assert reader._layouts.names <= 4


def test_a_number_without_a_boot_is_for_objects_from_the_first_message_on(
    conn: Connection, catalogue: SmallTrial
) -> None:
    messages = [plain(number) for number in range(FEWEST)]
    nameless = [one._replace(payload=one.payload.replace(b'"k"', b'""')) for one in messages]
    found, others = PlainReader(load_snapshot(conn)).read(nameless)
    assert (len(found), len(others)) == (0, FEWEST)


def test_a_batch_that_was_read_ahead_is_read_no_differently(conn: Connection, catalogue: SmallTrial) -> None:
    """However far, and whatever else is read in between."""
    snapshot, random = load_snapshot(conn), Random(7)
    for _ in range(40):
        batch = [
            plain(number, results=random.choice(['{"pm25": 1}', '{"fan": true, "pm25": 2}', '{"pm25": "x"}']))
            for number in range(random.randrange(1, 5 * FEWEST))
        ]
        reader, expected = PlainReader(snapshot), PlainReader(snapshot).read(batch)
        for _ in range(random.randrange(4)):
            reader.read_ahead(batch, random.randrange(1, 2 * FEWEST))
            if random.random() < 0.3:
                reader.read([plain(number) for number in range(2 * FEWEST)])
        assert described(reader.read(batch)) == described(expected)
        assert described(reader.read(batch)) == described(expected)


def described(found: tuple[Plain, list[int]]) -> tuple[object, ...]:
    messages, others = found
    columns = (messages.places, messages.times_us, messages.widths, messages.owners, *messages.rows)
    return [column.tolist() for column in columns], [*messages.boots], [*messages.seqs], others


def test_a_fault_while_reading_ahead_costs_nothing(
    conn: Connection, catalogue: SmallTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = PlainReader(load_snapshot(conn))
    batch = [plain(number) for number in range(2 * FEWEST)]
    read = PlainReader._read

    def fail(*_: object) -> None:
        raise LookupError("a defect")

    reader.read_ahead(batch, 3)
    monkeypatch.setattr(PlainReader, "_read", fail)
    reader.read_ahead(batch, 3)
    with pytest.raises(LookupError):
        reader.read(batch)
    monkeypatch.setattr(PlainReader, "_read", read)
    found, others = reader.read(batch)
    assert (len(found), others) == (2 * FEWEST, [])
