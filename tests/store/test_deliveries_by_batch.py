"""The deliveries of a batch as one row are known as if each had a row of its own."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import store
from store.database import Connection
from store.deliveries import Delivery, drop_deliveries, known_deliveries, save_deliveries
from tests.examples import examples

STEPS = 60


def sha(number: int) -> bytes:
    return bytes([number]) * 32


@pytest.mark.parametrize("seed", range(examples(quick=10, nightly=300)))
def test_a_delivery_is_known_as_it_came_last_until_its_turn_is_over(conn: Connection, seed: int) -> None:
    """The model has a line for each. A batch that is tried again finds its own moments of receipt."""
    draw = random.Random(seed)
    model: dict[Delivery, tuple[int, int]] = {}
    batches: list[dict[Delivery, int]] = []
    number, found_again = 0, 0
    for _ in range(STEPS):
        number += draw.randint(1, 5)
        above = number - 12
        if batches and draw.random() < 0.3:
            batch = draw.choice(batches[-3:])
        else:
            keys = [
                Delivery(draw.choice(("", "one", "two")), draw.randint(1, 4), sha(draw.randint(1, 3)))
                for _ in range(draw.randint(1, 4))
            ]
            batch = {key: number * 1000 + place for place, key in enumerate(keys)}
        asked = [Delivery(draw.choice(("", "one", "two")), draw.randint(1, 4), sha(draw.randint(1, 3)))]
        expected = {key: model[key][0] for key in asked if key in model and model[key][1] > above}
        assert known_deliveries(conn, "session", asked, above=above) == expected
        assert known_deliveries(conn, "another", asked, above=above) == {}
        kept = {key: at for key, (at, turn) in model.items() if turn > above}
        same = {key for key, at in batch.items() if kept.get(key) == at}
        known = save_deliveries(conn, "session", batch, above=above, number=number)
        assert same <= {key for key, at in batch.items() if known.get(key) == at}
        assert known.keys() <= kept.keys()
        found_again += len(same)
        model |= {key: (at, number) for key, at in batch.items()}
        batches.append(batch)
        if draw.random() < 0.1:
            drop_deliveries(conn, "session", upto=above)
    assert found_again > 3


def test_deliveries_of_an_older_version_are_known_after_its_upgrade(conn: Connection) -> None:
    migration = (Path(store.__file__).parent / "migrations/0049_deliveries_by_batch.sql").read_text("utf-8")
    conn.execute(
        "INSERT INTO delivery (client_id, mid, sha256, received_at, life, number)"
        " SELECT c, m, decode(repeat('0' || m, 32), 'hex'), to_timestamp(m), 'one', 7"
        " FROM unnest(ARRAY['session', 'frames', 'overflow']) c, generate_series(1, 3) m"
    )
    conn.execute(migration[migration.index("INSERT INTO") : migration.index("DROP INDEX")].encode())
    keys = [Delivery("one", mid, sha(mid)) for mid in (1, 2, 3)]
    assert known_deliveries(conn, "session", keys, above=6) == {key: key.mid * 1_000_000 for key in keys}
    assert known_deliveries(conn, "session", keys, above=7) == {}
    assert conn.execute("SELECT client_id, count(*) FROM delivery GROUP BY 1 ORDER BY 1").fetchall() == [
        ("frames", 3),
        ("overflow", 3),
    ]
