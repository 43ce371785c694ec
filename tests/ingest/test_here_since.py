"""A device is there since its first word after a silence; a heartbeat does not move that."""

from __future__ import annotations

from datetime import datetime, timedelta

from insitu.times import to_us
from store.database import Connection
from store.signs import Heard, touch_devices
from tests.fix_catalogue import START, SmallTrial


def test_the_first_word_after_a_silence_counts(conn: Connection, catalogue: SmallTrial) -> None:
    """The expected interval is a quarter of an hour: a silence is longer than 37.5 minutes."""
    device = catalogue.devices["a"]

    def heard(minutes: float) -> datetime | None:
        at = to_us(START + timedelta(minutes=minutes))
        touch_devices(conn, {device: Heard(at, at)})
        return conn.execute("SELECT here_since FROM device_contact").fetchone()[0]

    assert heard(0) is None
    assert heard(37) is None
    back = START + timedelta(minutes=200)
    assert heard(200) == back
    assert [heard(200 + n) for n in (1, 2, 17, 54)] == [back] * 4
    assert heard(100) == back  # an older message came later
    assert heard(300) == START + timedelta(minutes=300)
