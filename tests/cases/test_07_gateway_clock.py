"""A gateway's clock is used only where it agrees with the network's or the receipt; its device is never told
to set a clock.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decode.gateways import TOLERANCE_US, heard
from insitu.times import to_datetime
from store.database import Connection
from tests.cases.worlds import NOW, NOW_US, refused, send
from tests.fix_catalogue import SmallTrial
from tests.ingest.test_networks import TTS_TOPIC, UP_TOPIC, chirpstack, register_networks, things_stack

EIGHT_HOURS = timedelta(hours=8)


def stamp(when: datetime) -> str:
    return when.isoformat()


def gateway(name: str, own: datetime | None, network: datetime | None = None) -> dict[str, Any]:
    times = {"gwTime": own, "nsTime": network}
    return {"gatewayId": name, "rssi": -48, **{key: stamp(at) for key, at in times.items() if at is not None}}


def up(event: datetime, *gateways: dict[str, Any]) -> bytes:
    return chirpstack(object={"pm25": 24.0}, time=stamp(event), rxInfo=list(gateways))


def observed(conn: Connection) -> tuple[datetime, int]:
    ((time, quality),) = conn.execute("SELECT phenomenon_time, clock_quality FROM observation").fetchall()
    return time, quality


def remarks(conn: Connection) -> list[tuple[str, int]]:
    return conn.execute("SELECT subject, round(amount / 3600)::int FROM device_remark ORDER BY 1").fetchall()


@pytest.mark.parametrize(
    "wrong", [NOW - EIGHT_HOURS, NOW + timedelta(minutes=30), datetime(1980, 1, 6, tzinfo=UTC)]
)
def test_the_network_servers_clock_wins_and_the_gateway_is_named(
    conn: Connection, catalogue: SmallTrial, wrong: datetime
) -> None:
    register_networks(conn, catalogue)
    network = NOW - timedelta(seconds=3)
    booked = send(conn, up(wrong, gateway("g", wrong, network)), topic=UP_TOPIC)
    assert refused(booked) == {}
    assert observed(conn) == (network, 3)
    ((name, _),) = remarks(conn)
    assert name == "g"


def test_without_the_servers_clock_the_receipt_counts_and_says_so(
    conn: Connection, catalogue: SmallTrial
) -> None:
    register_networks(conn, catalogue)
    send(conn, up(NOW - EIGHT_HOURS, gateway("g", NOW - EIGHT_HOURS)), topic=UP_TOPIC)
    assert observed(conn) == (to_datetime(NOW_US), 2)
    assert remarks(conn) == [("g", -8)]


def test_a_gateway_that_agrees_is_used_and_not_named(conn: Connection, catalogue: SmallTrial) -> None:
    register_networks(conn, catalogue)
    at = NOW - timedelta(seconds=2)
    send(conn, up(at, gateway("g", at, NOW - timedelta(seconds=1))), topic=UP_TOPIC)
    assert observed(conn) == (at, 3)
    assert remarks(conn) == []


def test_of_several_gateways_the_one_closest_to_the_network_counts(
    conn: Connection, catalogue: SmallTrial
) -> None:
    register_networks(conn, catalogue)
    wrong, right = NOW - EIGHT_HOURS, NOW - timedelta(seconds=1)
    send(conn, up(wrong, gateway("old", wrong, NOW), gateway("good", right, NOW)), topic=UP_TOPIC)
    assert observed(conn) == (right, 3)
    assert remarks(conn) == [("old", -8)]


def test_two_gateways_that_agree_are_believed_after_an_outage(
    conn: Connection, catalogue: SmallTrial
) -> None:
    register_networks(conn, catalogue)
    at = NOW - timedelta(hours=2)
    send(conn, up(at, gateway("a", at), gateway("b", at + timedelta(seconds=1))), topic=UP_TOPIC)
    assert observed(conn) == (at, 3)


def test_a_lorawan_device_is_never_told_to_set_its_clock(conn: Connection, catalogue: SmallTrial) -> None:
    register_networks(conn, catalogue)
    future = NOW + timedelta(days=2)
    uplink = things_stack()
    uplink["uplink_message"]["received_at"] = stamp(future)
    send(conn, json.dumps(uplink).encode(), topic=TTS_TOPIC)
    send(conn, up(future, gateway("g", None, future)), topic=UP_TOPIC, later_us=1)
    details = [
        detail for (detail,) in conn.execute("SELECT detail FROM reject WHERE reason = 'clock_out_of_range'")
    ]
    assert details
    assert not any("set its clock" in detail for detail in details)


@given(st.integers(-(10**12), 10**12), st.integers(-(10**12), 10**12), st.integers(0, 10**11))
def test_the_chosen_time_is_never_far_from_the_networks(event: int, own: int, transit: int) -> None:
    network = NOW_US - transit
    found = heard(
        NOW_US + event,
        [gateway("g", to_datetime(NOW_US + own), to_datetime(network))],
        NOW_US,
    )
    assert found.time_us is not None
    assert abs(found.time_us - network) <= TOLERANCE_US
    assert bool(found.remarks) is (abs(NOW_US + own - network) > TOLERANCE_US)
