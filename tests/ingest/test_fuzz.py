"""No bytes do harm: every decoder returns readings or a refusal, and the transaction stores either."""

from __future__ import annotations

import math
import random

import pytest

from ingest.booking import book
from ingest.decode import DECODERS, Decoded, StatusReport, Unreadable
from ingest.edge_nodes import EdgeNodes
from ingest.place import place
from ingest.reading import prepare
from insitu.model import IgnoreReason, Message
from store.catalogue.networks import add_address, add_network_server
from store.catalogue.snapshot import KnownDatastream, KnownDevice, load_snapshot
from store.database import Connection
from store.ledger import recount
from tests.fix_catalogue import SmallTrial
from tests.ingest.hostile import payload_for_any_decoder
from tests.ingest.test_batch import T0
from tests.stack import NOW

NOON_US = 1_772_366_400_000_000  # 2026-03-01T12:00:00Z
EUI = "0101010101010101"


def require_an_answer(suffix: str, payload: bytes) -> str:
    """Requires readings or an explained refusal, and that each reading becomes an observation or a refusal.
    Returns the kind of answer.
    """
    decoded = DECODERS[suffix](payload, NOON_US)
    if isinstance(decoded, Unreadable):
        assert decoded.detail
        return str(decoded.reason)
    if isinstance(decoded, StatusReport):
        assert suffix == "status"
        numbers = (decoded.battery, decoded.rssi, decoded.uptime, decoded.snr, decoded.margin)
        assert all(number is None or math.isfinite(number) for number in numbers)
        return "status"
    assert isinstance(decoded, Decoded)
    assert decoded.readings or decoded.refused or decoded.ignored is not None
    streams = {
        reading.property: KnownDatastream(n, 1.8, 32.0, "number")
        for n, reading in enumerate(decoded.readings)
    }
    placed = place(KnownDevice(1, "t", "a", None, ((0, None),), streams), decoded, NOON_US)
    assert len(placed.observations) + sum(count for count, _ in placed.refused.values()) == len(
        decoded.readings
    )
    assert all(math.isfinite(o.result) and o.time_us + 86_400_000_000 >= 0 for o in placed.observations)
    assert all(o.time_us <= NOON_US + 600_000_000 for o in placed.observations)
    assert all(detail for _, detail in placed.refused.values())
    return "decoded" if decoded.readings else str(decoded.ignored or IgnoreReason.STATUS)


def survive(count: int, seed: int) -> dict[str, set[str]]:
    """Tries `count` payloads over all decoders; suffix → the kinds of answers."""
    chance = random.Random(seed)
    answers: dict[str, set[str]] = {}
    for _ in range(count):
        suffix, payload = payload_for_any_decoder(chance)
        try:
            answers.setdefault(suffix, set()).add(require_an_answer(suffix, payload))
        except BaseException as error:
            error.add_note(f"{suffix}: {payload!r}")
            raise
    return answers


def require_every_decoder(answers: dict[str, set[str]]) -> None:
    """Requires that each decoder was reached, read something and refused something: otherwise the payloads
    prove nothing.
    """
    assert set(answers) == set(DECODERS)
    for suffix, kinds in answers.items():
        assert kinds & {"unparsable", "invalid_shape"}, suffix
        assert kinds & {"decoded", "status"}, suffix


def test_hostile_payloads_raise_nothing_and_each_is_readings_or_a_refusal() -> None:
    require_every_decoder(survive(12_000, seed=1))


@pytest.mark.nightly
@pytest.mark.timeout(7200)
def test_a_million_hostile_payloads_raise_nothing_and_each_is_readings_or_a_refusal() -> None:
    require_every_decoder(survive(1_000_000, seed=2))


# -- as far as the database


def register_networks(conn: Connection, small: SmallTrial) -> None:
    """Device `a` is also a ChirpStack device and an edge node, `b` a Things Stack device and a device of the
    edge node.
    """
    addresses = [
        ("a", f"chirpstack/{EUI}"),
        ("b", "things_stack/platform-air@lab/p1-north"),
        ("a", "sparkplug/g/e"),
        ("b", "sparkplug/g/e/d"),
    ]
    for device, address in addresses:
        kind = address.partition("/")[0]
        if device == "a" or kind == "things_stack":
            add_network_server(conn, code=kind.replace("_", "-"), kind=kind, now=NOW)
        add_address(
            conn, network_server=kind.replace("_", "-"), address=address, device_id=small.devices[device]
        )
    conn.commit()


def topic_of(suffix: str) -> str:
    kind, _, event = suffix.partition("/")
    if kind == "chirpstack":
        return f"application/x/device/{EUI}/event/{event}"
    if kind == "things_stack":
        return "v3/platform-air@lab/devices/p1-north/up"
    if kind == "sparkplug":
        return f"spBv1.0/g/{event}/e" + "/d" * event.startswith("D")
    return f"insitu/v1/t/a/{suffix}"


def ingest_hostile(conn: Connection, batches: int, seed: int) -> None:
    """Sends batches of forty through the worker's transaction; the ledger adds up after each."""
    chance = random.Random(seed)
    sent = 0
    for batch in range(batches):
        messages = []
        for _ in range(40):
            suffix, payload = payload_for_any_decoder(chance)
            sent += 1
            at = T0 + batch * 1_000_000 + sent
            messages.append(
                Message(
                    topic_of(suffix),
                    payload,
                    at,
                    sent % 65_535 + 1,
                    1,
                    chance.randrange(2),
                    chance.random() < 0.05,
                    len(payload),
                )
            )
        nodes = EdgeNodes.of(conn, messages)
        book(
            conn, prepare(messages, load_snapshot(conn), nodes), client_id="s", now_us=T0 + batch * 1_000_000
        )
        if nodes is not None:
            nodes.save(conn)
        conn.commit()
    assert recount(conn) == []
    assert conn.execute("SELECT sum(received)::int FROM ledger").fetchall() == [(sent,)]
    # refused and conflicting results have a reason, in the same number
    assert conn.execute(
        "SELECT (SELECT sum(refused + conflicting) FROM ledger) = (SELECT sum(results) FROM ledger_reason "
        "WHERE outcome = 'refused')"
    ).fetchall() == [(True,)]


def test_hostile_payloads_pass_the_database_and_the_ledger_adds_up(
    conn: Connection, catalogue: SmallTrial
) -> None:
    register_networks(conn, catalogue)
    ingest_hostile(conn, 40, seed=3)


@pytest.mark.nightly
@pytest.mark.timeout(7200)
def test_many_hostile_payloads_pass_the_database_and_the_ledger_adds_up(
    conn: Connection, catalogue: SmallTrial
) -> None:
    register_networks(conn, catalogue)
    ingest_hostile(conn, 2_500, seed=4)
