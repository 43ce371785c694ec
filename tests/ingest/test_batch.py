from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from ingest import sequences
from ingest.booking import book
from ingest.deliveries import FIRST_TURN, Turn
from ingest.outcome import Outcome
from ingest.reading import prepare
from insitu.model import Message
from insitu.times import to_us
from store import ledger
from store.catalogue.snapshot import load_snapshot
from store.database import Connection, connect
from store.observations import count
from store.read.refused import list_rejects
from tests.fix_catalogue import START, SmallTrial
from tests.stack import wait_until

T0 = to_us(START) + 3_600_000_000


def message(
    document: Any,
    *,
    device: str = "a",
    mid: int = 0,
    suffix: str = "obs",
    at: int = T0,
    retained: bool = False,
    repeat: bool = False,
) -> Message:
    payload = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Message(f"insitu/v1/t/{device}/{suffix}", payload, at, mid, 1, 1, retained, len(payload), repeat)


def result(n: int, value: float = 1.0, **more: Any) -> dict[str, Any]:
    return {"time": (T0 - n * 60_000_000) / 1e6, "results": {"pm25": value}, **more}


def ingest(conn: Connection, messages: list[Message], *, turn: Turn = FIRST_TURN) -> Outcome:
    items = prepare(messages, load_snapshot(conn))
    outcome = book(conn, items, client_id="session", now_us=T0, turn=turn)
    conn.commit()
    return outcome


def sums(conn: Connection) -> ledger.Totals:
    (line,) = [line for line in ledger.totals(conn, None) if line.device == "a"]
    return line


def test_a_repeat_is_a_repeat_and_a_difference_is_kept_as_conflict(
    conn: Connection, catalogue: SmallTrial
) -> None:
    ingest(conn, [message(result(1, 5.0)), message(result(1, 5.0)), message(result(1, 6.0))])
    ingest(conn, [message(result(1, 5.0))])
    line = sums(conn)
    assert (line.received, line.accepted, line.repeated, line.rejected) == (4, 1, 2, 1)
    assert (line.stored, line.duplicate, line.conflicting) == (1, 2, 1)
    assert [r.reason for r in list_rejects(conn, ["t"])] == ["conflicting_result"]
    assert ledger.recount(conn) == []


def test_results_of_one_batch_are_judged_by_what_is_stored_and_not_by_each_other(
    conn: Connection, catalogue: SmallTrial
) -> None:
    ingest(conn, [message(result(1, 1.0))])
    ingest(conn, [message(result(1, value, boot="k", seq=n)) for n, value in enumerate((2.0, 2.0, 1.0))])
    line = sums(conn)
    assert (line.stored, line.conflicting, line.duplicate) == (1, 2, 1)
    assert [r.reason for r in list_rejects(conn, ["t"])] == ["conflicting_result"] * 2
    assert ledger.recount(conn) == []


def test_the_latest_result_is_one_that_is_stored(conn: Connection, catalogue: SmallTrial) -> None:
    ingest(conn, [message(result(1, 1.0))])
    ingest(conn, [message(result(2, 3.0)), message(result(1, 2.0))])
    assert conn.execute("SELECT result FROM datastream_latest").fetchall() == [(1.0,)]


def test_of_two_writers_with_the_same_new_results_the_first_to_commit_stands(
    conn: Connection, catalogue: SmallTrial, database_url: str
) -> None:
    """Each copies its results, since they are newer than everything it sees stored; the second waits, and
    then merges.
    """
    ingest(conn, [message(result(9))])
    with connect(database_url, application="tests") as other:
        book(
            other,
            prepare([message(result(n, 1.0)) for n in (2, 1)], load_snapshot(other)),
            client_id="other",
            now_us=T0,
        )
        second = threading.Thread(
            target=ingest, args=(conn, [message(result(n, v)) for n, v in ((3, 1.0), (2, 1.0), (1, 2.0))])
        )
        second.start()
        wait_until(
            lambda: other.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchall() == [(1,)],
            "the wait",
        )
        other.commit()
        second.join(30)
    line = sums(conn)
    assert (line.received, line.stored, line.duplicate, line.conflicting) == (6, 4, 1, 1)
    assert ledger.recount(conn) == []


def test_good_results_beside_bad_ones_are_stored(conn: Connection, catalogue: SmallTrial) -> None:
    outcome = ingest(conn, [message({"results": {"pm25": 3.0, "nox": 1.0, "fan": "on"}})])
    assert (outcome.stored, outcome.refused) == (1, 2)
    assert sums(conn).partly == 1
    assert {r.reason for r in list_rejects(conn, None)} == {"unknown_property", "wrong_type"}


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"results": {"pm25": "12"}}, "wrong_type"),
        ({"results": {"pm25": True}}, "wrong_type"),
        ({"results": {"pm25": None}}, "wrong_type"),
        (b'{"results":{"pm25":NaN}}', "not_finite"),
        (b'{"results":{"pm25":1e400}}', "not_finite"),
        (b'{"results":{"pm25":' + b"7" * 5000 + b"}}", "not_finite"),
        ({"results": {"pm25\x00": 1}}, "unknown_property"),
        (b'{"results":{"\\ud800":1}}', "unknown_property"),
        ({"time": 1.0, "results": {"pm25": 1}}, "clock_out_of_range"),
        ({"time": "2036-03-01T00:00:00Z", "results": {"pm25": 1}}, "clock_out_of_range"),
        (b"\x00\x01\x02", "unparsable"),
        (b'{"pm25": 1}' + b" " * 262_144, "too_large"),
    ],
)
def test_a_refusal_has_its_reason_and_its_bytes(
    conn: Connection, catalogue: SmallTrial, document: Any, reason: str
) -> None:
    ingest(conn, [message(result(1)), message(document, mid=1), message(result(2))])
    (reject,) = list_rejects(conn, None)
    assert reject.reason == reason
    assert reject.payload
    assert reject.detail
    assert count(conn) == 2
    assert ledger.recount(conn) == []


def test_what_is_refused_again_beside_something_new_is_a_duplicate(
    conn: Connection, catalogue: SmallTrial
) -> None:
    """Then the reasons of the ledger add up to its refusals."""
    again = message(result(1, 1.0, results={"pm25": 1.0, "co2": 400.0}))
    ingest(conn, [again])
    conn.execute("UPDATE observation SET result = 2")
    conn.commit()
    ingest(conn, [again])
    line = sums(conn)
    assert (line.contained, line.stored, line.duplicate, line.conflicting, line.refused) == (4, 1, 1, 1, 1)
    assert conn.execute("SELECT reason, results::int FROM ledger_reason ORDER BY 1").fetchall() == [
        ("conflicting_result", 1),
        ("unknown_property", 1),
    ]
    assert ledger.recount(conn) == []


@pytest.mark.parametrize("size", [65, pytest.param(500, marks=pytest.mark.nightly)])
def test_poison_at_every_position_of_a_batch_costs_itself_only(
    conn: Connection, catalogue: SmallTrial, size: int
) -> None:
    for position in range(size):
        batch = [
            message({"time": (T0 - n * 60_000_000 - position * 1000) / 1e6, "results": {"pm25": 1.0}})
            for n in range(size)
        ]
        batch[position] = message(b"\xff poison", mid=position + 1, at=T0 + position)
        assert ingest(conn, batch).stored == size - 1
    assert count(conn) == size * (size - 1)
    assert conn.execute("SELECT count(*) FROM reject").fetchall() == [(size,)]
    assert ledger.recount(conn) == []


def test_a_message_without_time_is_known_by_its_delivery(conn: Connection, catalogue: SmallTrial) -> None:
    plain = {"results": {"pm25": 4.0}}
    ingest(conn, [message(plain, mid=7)])
    ingest(conn, [message(plain, mid=7, at=T0 + 5_000_000, repeat=True)])  # the broker repeats it
    ingest(conn, [message(plain, mid=8, at=T0 + 9_000_000)])  # the device says it again
    line = sums(conn)
    assert (line.stored, line.repeated) == (2, 1)
    ingest(conn, [message(b"junk", mid=9)])
    ingest(conn, [message(b"junk", mid=9, at=T0 + 1, repeat=True)])
    ingest(conn, [message(b"junk", mid=10, at=T0 + 2)])
    assert len(list_rejects(conn, None)) == 2
    assert ledger.recount(conn) == []


@pytest.mark.parametrize(
    ("suffix", "payload", "offset_us"),
    [
        ("senml", b'[{"n":"pm25","v":4,"t":-60}]', -60_000_000),
        ("senml", b'[{"n":"pm25","v":4}]', 0),
        ("influx", b"air pm25=4", 0),
        ("telemetry", b'{"pm25":4}', 0),
    ],
)
def test_a_time_that_counts_from_the_receipt_is_that_of_the_first_delivery(
    conn: Connection, catalogue: SmallTrial, suffix: str, payload: bytes, offset_us: int
) -> None:
    ingest(conn, [message(payload, suffix=suffix, mid=7)])
    ingest(
        conn, [message(payload, suffix=suffix, mid=7, at=T0 + 5_000_000, repeat=True)]
    )  # the broker repeats it
    ingest(conn, [message(payload, suffix=suffix, mid=8, at=T0 + 9_000_000)])  # the device says it again
    assert (sums(conn).stored, sums(conn).repeated) == (2, 1)
    found = conn.execute("SELECT phenomenon_time, clock_quality FROM observation ORDER BY 1").fetchall()
    assert [(to_us(at), quality) for at, quality in found] == [
        (T0 + offset_us, 2),
        (T0 + 9_000_000 + offset_us, 2),
    ]
    assert ledger.recount(conn) == []


def test_a_message_with_one_untimed_line_is_known_by_its_delivery(
    conn: Connection, catalogue: SmallTrial
) -> None:
    lines = f"air pm25=4 {T0 * 1000}\nair fan=t".encode()
    ingest(conn, [message(lines, suffix="influx", mid=7)])
    ingest(conn, [message(lines, suffix="influx", mid=7, at=T0 + 5_000_000, repeat=True)])
    assert (sums(conn).stored, sums(conn).repeated, count(conn)) == (2, 1, 2)


@pytest.mark.parametrize("stamp", ["", f" {T0 * 1000}"])
def test_a_malformed_line_is_one_refused_result_beside_those_that_are_stored(
    conn: Connection, catalogue: SmallTrial, stamp: str
) -> None:
    lines = f"air pm25=4,nox=1{stamp}\nair pm25=\nair fan=t{stamp}\n".encode()
    outcome = ingest(conn, [message(lines, suffix="influx", mid=7)])
    assert (outcome.stored, outcome.refused) == (2, 2)
    again = ingest(conn, [message(lines, suffix="influx", mid=7, at=T0 + 5_000_000, repeat=True)])
    assert (again.stored, again.refused) == (0, 0)
    assert (sums(conn).partly, sums(conn).repeated, sums(conn).contained) == (1, 1, 8)
    assert {(r.reason, r.results) for r in list_rejects(conn, None)} == {
        ("unknown_property", 1),
        ("unparsable", 1),
    }
    assert ledger.recount(conn) == []


def test_refusals_of_decoding_and_of_placing_add_up(conn: Connection, catalogue: SmallTrial) -> None:
    pack = [{"n": "energy", "s": 5}, {"n": "pm25", "vs": "high"}, {"n": "pm25", "v": 3}]
    ingest(conn, [message(pack, suffix="senml"), message(pack, suffix="senml", retained=True)])
    assert [(r.reason, r.results) for r in list_rejects(conn, None)] == [("wrong_type", 2)]
    assert (sums(conn).stored, sums(conn).refused, sums(conn).ignored) == (1, 2, 3)
    assert ledger.recount(conn) == []


def test_the_last_microsecond_before_1970_is_judged_too(conn: Connection, catalogue: SmallTrial) -> None:
    ingest(conn, [message({"time": -0.000001, "results": {"pm25": 1}})])
    assert [r.reason for r in list_rejects(conn, None)] == ["clock_out_of_range"]


def test_a_sequence_names_what_is_missing(conn: Connection, catalogue: SmallTrial) -> None:
    outcome = ingest(conn, [message(result(n, boot="k", seq=n)) for n in (0, 1, 2, 5, 9)])
    assert sequences.accounted(outcome.receipts["t", "a", "k"]) == (2, [(3, 4), (6, 8)])
    outcome = ingest(conn, [message(result(n, boot="k", seq=n)) for n in (3, 4)])
    assert sequences.accounted(outcome.receipts["t", "a", "k"]) == (5, [(6, 8)])


def test_an_untimed_message_is_repeated_by_its_sequence(conn: Connection, catalogue: SmallTrial) -> None:
    untimed = {"results": {"pm25": 4.0}, "boot": "k", "seq": 1}
    ingest(conn, [message(untimed, mid=1)])
    ingest(conn, [message(untimed, mid=2, at=T0 + 1_000_000)])
    assert (sums(conn).stored, sums(conn).repeated) == (1, 1)


def test_a_list_that_counts_only_some_of_its_messages_is_no_repeat_by_those(
    conn: Connection, catalogue: SmallTrial
) -> None:
    counted = {"boot": "k", "seq": 1, "results": {"pm25": 4.0}}
    ingest(conn, [message(counted, mid=1)])
    ingest(conn, [message([counted, {"results": {"fan": True}}], mid=2, at=T0 + 1_000_000)])
    assert conn.execute(
        "SELECT count(*) FROM observation JOIN datastream USING (datastream_id) WHERE name = 'fan'"
    ).fetchall() == [(1,)]
    ingest(
        conn, [message([counted, {"results": {"fan": True}}], mid=2, at=T0 + 2_000_000, repeat=True)]
    )  # the broker repeats it
    assert sums(conn).repeated == 1


def test_a_counter_that_starts_again_under_an_old_boot_loses_nothing(
    conn: Connection, catalogue: SmallTrial
) -> None:
    ingest(conn, [message(result(1, 1.0, boot="k", seq=1))])
    ingest(conn, [message(result(2, 2.0, boot="k", seq=1))])
    assert count(conn) == 2


def test_retained_copies_are_counted_and_ignored(conn: Connection, catalogue: SmallTrial) -> None:
    ingest(conn, [message(result(1), retained=True), message(b"online", suffix="status")])
    line = sums(conn)
    assert (line.accepted, line.ignored, line.contained, count(conn)) == (2, 2, 2, 0)


def test_unknown_names_are_counted_under_unknown(conn: Connection, catalogue: SmallTrial) -> None:
    strange = Message("insitu/v1/nowhere/x/obs", b"{}", T0, 3, 1, 1, False, 2)
    ingest(
        conn, [message(result(1), device="zz", mid=1), strange, strange._replace(topic="other/topic", mid=4)]
    )
    assert {(line.trial, line.device, line.rejected) for line in ledger.totals(conn, None)} == {
        ("t", "unknown", 1),
        ("unknown", "unknown", 2),
    }
