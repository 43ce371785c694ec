"""The same boot and seq with other content is a conflict, kept with its bytes; with the same, a repeat."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.replay import replay
from insitu.clock import SYSTEM
from store.database import Connection
from tests.cases.worlds import refused, send, stored
from tests.examples import examples
from tests.fix_catalogue import SmallTrial
from tests.ingest.test_networks import UP_TOPIC, chirpstack, register_networks

FIRST = {"boot": "fw1.2", "seq": 1, "results": {"pm25": 10}}
SECOND = {"boot": "fw1.2", "seq": 1, "results": {"pm25": 55}}


def remarks(conn: Connection) -> list[tuple[str, str, int]]:
    found = conn.execute("SELECT code, subject, messages FROM device_remark ORDER BY code, subject")
    return list(found)


def test_other_content_under_a_known_number_is_a_conflict_kept_with_its_bytes(
    conn: Connection, catalogue: SmallTrial
) -> None:
    send(conn, FIRST, "obs")
    again = send(conn, SECOND, "obs", later_us=10)
    assert not again.repeated
    assert refused(again) == {"conflicting_message": 1}
    assert conn.execute("SELECT reason, payload FROM reject").fetchall() == [
        ("conflicting_message", json.dumps(SECOND).encode())
    ]
    assert stored(conn) == {"pm25": [10]}
    assert remarks(conn) == [("boot_reused", "fw1.2", 1)]


def test_the_same_bytes_are_a_repeat_in_any_batch(conn: Connection, catalogue: SmallTrial) -> None:
    send(conn, FIRST, "obs")
    again = send(conn, FIRST, "obs", later_us=10)
    assert again.repeated
    assert refused(again) == {}
    assert stored(conn) == {"pm25": [10]}
    assert remarks(conn) == []


def test_a_value_that_another_number_had_is_no_repeat(conn: Connection, catalogue: SmallTrial) -> None:
    """After a re-flash, a constant reading equals an old one: it is still another message."""
    for seq in range(300):
        send(conn, {"boot": "k", "seq": seq, "results": {"pm25": seq % 2}}, "obs", later_us=seq)
    again = send(conn, {"boot": "k", "seq": 4, "results": {"pm25": 1}}, "obs", later_us=400)
    assert refused(again) == {"conflicting_message": 1}
    assert send(conn, {"boot": "k", "seq": 4, "results": {"pm25": 0}}, "obs", later_us=500).repeated


def test_a_replay_stores_the_conflicting_message(conn: Connection, catalogue: SmallTrial) -> None:
    send(conn, FIRST, "obs")
    send(conn, SECOND, "obs", later_us=10)
    assert replay(conn, clock=SYSTEM).stored == 1
    assert stored(conn) == {"pm25": [10, 55]}


def test_a_message_with_times_loses_nothing_and_the_page_hears_of_the_boot(
    conn: Connection, catalogue: SmallTrial
) -> None:
    timed = {"boot": "k", "seq": 1, "time": "2026-03-02T00:00:00Z", "results": {"pm25": 1}}
    send(conn, timed, "obs")
    assert send(conn, timed, "obs", later_us=1).duplicate == 1
    assert remarks(conn) == []
    later = send(conn, {**timed, "time": "2026-03-03T00:00:00Z"}, "obs", later_us=2)
    assert later.stored == 1
    assert refused(send(conn, {**timed, "results": {"pm25": 2}}, "obs", later_us=3)) == {
        "conflicting_result": 1
    }
    assert remarks(conn) == [("boot_reused", "k", 1)]


def test_a_message_that_was_refused_and_comes_again_is_no_new_use_of_its_boot(
    conn: Connection, catalogue: SmallTrial
) -> None:
    payload = {"boot": "k", "seq": 1, "time": "2026-03-02T00:00:00Z", "results": {"pm2.5": 1}}
    send(conn, payload, "obs")
    conn.execute("UPDATE datastream SET name = 'pm2.5' WHERE name = 'pm25'")
    conn.commit()
    assert send(conn, payload, "obs", later_us=1).stored == 1
    assert remarks(conn) == []


def test_a_frame_without_data_is_told_apart_by_its_object(conn: Connection, catalogue: SmallTrial) -> None:
    register_networks(conn, catalogue)
    for number in (1, 2):
        stamp = f"2026-03-01T12:0{number}:00+00:00"
        payload = chirpstack(
            object={"pm25": number}, data="", time=stamp, rxInfo=[{"gatewayId": "g", "nsTime": stamp}]
        )
        assert not send(conn, payload, topic=UP_TOPIC, later_us=number).repeated
    assert stored(conn) == {"pm25": [1, 2]}


@settings(max_examples=examples(quick=10, nightly=25), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=12))
def test_a_message_is_stored_repeated_or_kept_as_a_conflict(
    conn: Connection, catalogue: SmallTrial, sent: list[tuple[int, int]]
) -> None:
    """In any order: the first message of a number is stored, its copies are repeats, the others conflicts."""
    conn.execute(
        "TRUNCATE observation, reject, ledger, ledger_reason, boot_sequence, message_digest, "
        "datastream_latest"
    )
    conn.execute("TRUNCATE delivered_batch, device_remark")
    conn.commit()
    first: dict[int, int] = {}
    for at, (seq, value) in enumerate(sent):
        booked = send(conn, {"boot": "b", "seq": seq, "results": {"pm25": value}}, "obs", later_us=at)
        before = first.setdefault(seq, value)
        copy = any(one == (seq, value) for one in sent[:at])
        assert booked.repeated is (before == value and copy)
        assert bool(booked.refused) is (before != value)
    assert len(stored(conn)["pm25"]) == len(first)
