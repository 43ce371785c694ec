"""A live stream of the fleet sends the changes since the page was made, then each later one, with counts of
all devices.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.pages import streams
from api.rendering import fragment
from insitu.clock import Clock
from store.database import connect
from tests.api.conftest import new_session, server
from tests.api.world import World, _message, _send

PATIENCE_S = 20.0


@contextmanager
def listening(address: str, url: str, login: str, query: str) -> Iterator[Iterator[str]]:
    """The lines of a stream."""
    with (
        httpx.Client(
            base_url=address, timeout=PATIENCE_S, cookies={"insitu": new_session(url, login)}
        ) as client,
        client.stream("GET", f"/live/fleet?{query}") as answer,
    ):
        assert answer.status_code == 200
        yield answer.iter_lines()


def parts_until(lines: Iterator[str], element: str) -> dict[str, str]:
    """Element → HTML of the parts up to the first of `element`."""
    found: dict[str, str] = {}
    text = ""
    limit = time.monotonic() + PATIENCE_S
    for line in lines:
        assert time.monotonic() < limit, found
        if line.startswith("data:"):
            text += line.removeprefix("data:").strip()
        elif not line and text:
            match = re.search(r'id="([^"]+)"', text)
            assert match is not None, text
            found[match[1]], text = text, ""
            if match[1] == element:
                return found
    raise AssertionError(f"the stream ended before {element}: {sorted(found)}")


def say(url: str, device: str) -> datetime:
    """A status of a device, received now."""
    now = datetime.now(UTC)
    status = {"state": "online", "battery": 77, "time": now.isoformat()}
    with connect(url, application="tests") as conn:
        _send(conn, iter([_message("platform-air", device, "status", status, now, delay=0.0)]))
    return now


def test_who_joins_hears_what_changed_since_his_page_and_then_the_same_as_the_others(
    own_world_url: str, world: World, data_dir: Path
) -> None:
    before = time.time()
    one, two = (f"device-{world.devices[code]}" for code in ("p1-north", "p1-south"))
    with server(own_world_url, data_dir) as address, ExitStack() as stack:
        say(own_world_url, "p1-north")
        first = stack.enter_context(listening(address, own_world_url, "aurore", f"since={before}"))
        heard = parts_until(first, "counts")
        assert set(heard) == {one, "counts"}, "of the fleet, only the device that spoke since the page"
        assert "77" in heard[one]
        late = stack.enter_context(listening(address, own_world_url, "aurore", f"since={before}"))
        assert set(parts_until(late, "counts")) == {one, "counts"}, "a reader who joins later hears of it too"
        fresh_since = time.time()
        fresh = stack.enter_context(listening(address, own_world_url, "aurore", f"since={fresh_since}"))
        say(own_world_url, "p1-south")
        counts = set()
        for lines in (first, late, fresh):
            heard = parts_until(lines, "counts")
            assert set(heard) == {two, "counts"}
            counts.add(heard["counts"])
        assert len(counts) == 1


def test_readers_who_come_back_together_share_the_rows_and_none_sees_an_old_one(
    own_world_url: str, world: World, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: Counter[str] = Counter()

    def counted(template: str, *args: Any, **content: Any) -> Any:
        rendered[template] += 1
        return fragment(template, *args, **content)

    monkeypatch.setattr(streams, "fragment", counted)
    row = f"device-{world.devices['p1-north']}"
    with server(own_world_url, data_dir) as address, ExitStack() as stack:
        for readers in range(8):
            lines = stack.enter_context(listening(address, own_world_url, "aurore", "since=0"))
            heard = parts_until(lines, "counts")
            devices = len(heard) - 1
            assert devices > 1
            assert row in heard, "who does not know when its page was made hears of every device"
            if readers == 3:
                say(own_world_url, "p1-north")
                assert "77" in parts_until(lines, "counts")[row]
            if readers > 3:
                assert "77" in heard[row]
    assert rendered["fleet_row.j2"] < 4 * devices


def test_counts_of_a_stream_are_those_of_the_page_with_its_filters(
    own_world_url: str, world: World, data_dir: Path
) -> None:
    with server(own_world_url, data_dir) as address:
        for query in ("", "trial=platform-air", "trial=platform-air&state=silent", "site=station-centre"):
            since = time.time()
            with listening(address, own_world_url, "lab", f"{query}&since={since}".lstrip("&")) as lines:
                say(own_world_url, "p1-north")
                heard = parts_until(lines, "counts")["counts"]
            session = {"insitu": new_session(own_world_url, "lab")}
            page = httpx.get(f"{address}/fleet?{query}", cookies=session, timeout=PATIENCE_S).text
            counted = [re.findall(r"<b>(\d+)</b><span>([^<]+)", text) for text in (heard, page)]
            assert counted[0]
            assert counted[0] == counted[1][: len(counted[0])], query


@pytest.mark.long
def test_time_alone_changes_a_row(own_world_url: str, world: World, data_dir: Path) -> None:
    passed_s = [0.0]

    class Ahead(Clock):
        def at(self, real: float) -> float:
            return real + passed_s[0]

    with (
        server(own_world_url, data_dir, clock=Ahead()) as address,
        listening(address, own_world_url, "aurore", f"since={time.time()}") as lines,
    ):
        say(own_world_url, "p1-north")
        parts_until(lines, "counts")
        passed_s[0] = timedelta(days=2).total_seconds()
        heard = parts_until(lines, "counts")
    assert "silent" in heard[f"device-{world.devices['p1-north']}"]
