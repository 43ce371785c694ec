"""Messages that the broker denied, and clients that share an id, as people see them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from store.broker_events import BrokerEvents, EventKind, count_events
from store.database import connect
from tests.api.conftest import serving

USER = "platform-air.p1-north"
PAGE = "/trials/platform-air/devices/p1-north"
NOW = datetime.now(UTC)
DENIED = BrokerEvents(USER, EventKind.PUBLISH_DENIED, NOW, 7, "tele/<b>n1</b>/SENSOR")


def add(url: str, *events: BrokerEvents) -> None:
    with connect(url, application="tests") as conn:
        (found,) = conn.execute(
            "SELECT username FROM credential JOIN device USING (device_id) WHERE code = 'p1-north'"
        ).fetchall()
        count_events(conn, [one if one.username != USER else _of(one, str(found[0])) for one in events])
        conn.commit()


def _of(one: BrokerEvents, username: str) -> BrokerEvents:
    return BrokerEvents(username, one.kind, one.at, one.events, one.last, one.by_other)


def test_the_device_page_the_rejects_and_the_metrics_show_a_denial(
    own_world_url: str, data_dir: Path
) -> None:
    add(own_world_url, DENIED, BrokerEvents("", EventKind.PUBLISH_DENIED, NOW, 2, "x"))
    with serving(own_world_url, data_dir, by_form=False) as client:
        page = client("lab").get(PAGE, params={"lang": "en"}).text
        assert "tele/&lt;b&gt;n1&lt;/b&gt;/SENSOR" in page
        assert 'id="denied"' in page
        rejects = client("lab").get("/rejects").text
        assert "tele/&lt;b&gt;n1&lt;/b&gt;/SENSOR" in rejects
        metrics = client("lab").get("/metrics").text
        assert 'insitu_broker_denied_messages_total{trial="platform-air"} 7.0' in metrics
        assert 'insitu_broker_denied_messages_total{trial="unknown"} 2.0' in metrics
        other = client("lab").get("/trials/platform-air/devices/p1-south")
        assert 'id="denied"' not in other.text


@pytest.mark.parametrize(
    ("events", "by_other", "shown"), [(1, False, False), (2, False, False), (3, False, True), (1, True, True)]
)
def test_a_fight_for_a_client_id_is_named_and_a_new_connection_after_a_broken_one_is_not(
    own_world_url: str, data_dir: Path, events: int, by_other: bool, shown: bool
) -> None:
    add(own_world_url, BrokerEvents(USER, EventKind.TAKEN_OVER, NOW, events, "esp8266", by_other))
    with serving(own_world_url, data_dir, by_form=False) as client:
        assert ('id="conflict"' in client("lab").get(PAGE).text) is shown


def test_a_client_that_came_with_anothers_id_is_named(own_world_url: str, data_dir: Path) -> None:
    add(own_world_url, BrokerEvents(USER, EventKind.ID_REFUSED, NOW, 1, "esp<b>8266", by_other=True))
    with serving(own_world_url, data_dir, by_form=False) as client:
        page = client("lab").get(PAGE, params={"lang": "en"}).text
        assert 'id="refused-id"' in page
        assert "esp&lt;b&gt;8266" in page
        assert 'id="refused-id"' not in client("lab").get("/trials/platform-air/devices/p1-south").text
