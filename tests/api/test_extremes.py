"""No value at the end of its range breaks an answer: parameters of every address, and stored results."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from fastapi.routing import APIRoute, _IncludedRouter

from api.app import create_app
from insitu.clock import SYSTEM
from insitu.model import AveragingScale
from insitu.settings import Settings
from tests.api.conftest import PUBLIC, SignIn, ready
from tests.api.world import World
from tests.examples import examples

pytestmark = pytest.mark.long

TIMES = (
    "0001-01-01",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59-23:59",
    "10000-01-01T00:00:00Z",
    "-4713-11-24T00:00:00Z",
    "P99999999Y",
    "PT0.000001S",
)
NUMBERS = ("0", "-1", "1e308", "nan", "inf", str(2**31), str(2**63), "9" * 400)
TEXTS = ("\u00b2", "\U0001f600", "é" * 1500, "%", "\x00", "../../etc/passwd")
RESULTS = (1.7976931348623157e308, -1.7976931348623157e308, 1e300, 1e290, -1e290, 5e-324, -0.0)
STREAMED = "/live/"
SHARE = examples(quick=9, nightly=1)
"""Each parameter is tried with one in this many of the ends, another part for the next one."""
BODIES = (b"", b"\xff\xfe\x00", b"{", b"null", b"[]", b"{}", b'"x"', b"[" * 20_000, b'{"reason": NaN}')


def reading_routes(url: str, data_dir: Path) -> list[tuple[str, APIRoute]]:
    """(path, route) of everything that answers GET, but streams, which do not end."""
    app = create_app(
        Settings(data_dir=data_dir), database_url=url, clock=SYSTEM, mqtt_public=PUBLIC, readiness=ready
    )
    found = []
    for included in app.routes:
        if isinstance(included, _IncludedRouter):
            prefix = included.include_context.prefix
            found += [
                (prefix + route.path, route)
                for route in included.original_router.routes
                if isinstance(route, APIRoute) and "GET" in (route.methods or ())
            ]
    assert len(found) > 30
    assert any(path.startswith(STREAMED) for path, _ in found)
    return [(path, route) for path, route in found if not path.startswith(STREAMED)]


def known_names(world: World) -> dict[str, str]:
    """Something that exists, for each name in a path."""
    return {
        "trial": "platform-air",
        "device": next(iter(world.devices)),
        "evaluation": str(world.evaluation_id),
    }


def filled_in(pattern: str, names: dict[str, str]) -> str:
    return re.sub(r"{(\w+)(?::\w+)?}", lambda found: quote(names.get(found[1], "1"), safe=""), pattern)


def addresses(pattern: str, route: APIRoute, world: World, turn: Iterator[int]) -> Iterator[str]:
    """With each parameter at ends of its range, one at a time."""
    known = known_names(world)
    for name in re.findall(r"{(\w+)(?::\w+)?}", pattern):
        for end in (NUMBERS + TEXTS)[next(turn) % SHARE :: SHARE]:
            yield filled_in(pattern, {**known, name: end})
    path = filled_in(pattern, known)
    names = [parameter.alias for parameter in route.dependant.query_params]
    for name in names:
        ends = (TIMES + NUMBERS + TEXTS)[next(turn) % SHARE :: SHARE]
        yield from (f"{path}?{name}={quote(end, safe='')}" for end in ends)
    if len(names) > 1:  # a span from one end of the calendar to the other
        pairs = zip(names, (TIMES[1], TIMES[4], *TIMES), strict=False)
        yield f"{path}?" + "&".join(f"{name}={quote(end, safe='')}" for name, end in pairs)


def documented(paths: dict[str, Any], pattern: str, method: str) -> set[int]:
    """Statuses of a route in the description of the API; every status below 500 where it does not describe
    it.
    """
    described = paths.get(re.sub(r":\w+}", "}", pattern), {}).get(method)
    return {int(status) for status in described["responses"]} if described else set(range(500))


def test_no_parameter_at_the_end_of_its_range_breaks_an_answer(
    client: SignIn, world: World, world_url: str, data_dir: Path
) -> None:
    asked, wrong, turn = 0, [], count()
    lab = client("lab")
    paths = lab.get("/openapi.json").json()["paths"]
    for pattern, route in reading_routes(world_url, data_dir):
        expected = documented(paths, pattern, "get")
        for address in addresses(pattern, route, world, turn):
            status = lab.get(address).status_code
            asked += 1
            if status >= 500 or (status not in expected and status not in (404, 405)):
                wrong.append((status, address[:200]))
    assert wrong == []
    assert asked * SHARE > 2500


def test_no_body_breaks_an_answer(client: SignIn, world: World) -> None:
    lab = client("lab")
    paths = lab.get("/openapi.json").json()["paths"]
    posts = [pattern for pattern, methods in paths.items() if "post" in methods]
    assert len(posts) > 5
    wrong = []
    for pattern in posts:
        address, expected = filled_in(pattern, known_names(world)), documented(paths, pattern, "post")
        for body in BODIES:
            answer = lab.post(address, content=body, headers={"Content-Type": "application/json"})
            if answer.status_code not in expected or "parsing the body" in answer.text:
                wrong.append((answer.status_code, address, body[:20], answer.text[:200]))
    assert wrong == []


@pytest.mark.parametrize("first", [0, 1])
def test_results_at_the_end_of_their_range_break_no_answer(
    own_client: SignIn, own_world_url: str, world: World, data_dir: Path, first: int
) -> None:
    with psycopg.connect(own_world_url) as conn:
        streams = [n for (n,) in conn.execute("SELECT datastream_id FROM datastream ORDER BY 1")]
        names = [name for (name,) in conn.execute("SELECT code FROM observed_property ORDER BY 1")]
        for number, name in enumerate(names):
            scale = list(AveragingScale)[first + number]
            conn.execute("UPDATE observed_property SET averaging_scale = %s WHERE code = %s", (scale, name))
        assert len(names) == len(AveragingScale) - 1
        for number in streams:
            store(conn, number, world.now - timedelta(seconds=number))
    patterns = [pattern for pattern, _ in reading_routes(own_world_url, data_dir)]
    paths = {
        filled_in(pattern, {**known_names(world), "device": device, "datastream_id": str(streams[0])})
        for pattern in patterns
        for device in world.devices
    }
    assert len(paths) > len(patterns)
    answers = {path: own_client("lab").get(path).status_code for path in sorted(paths)}
    assert {path: status for path, status in answers.items() if status >= 500} == {}


def store(conn: psycopg.Connection, number: int, now: datetime) -> None:
    for at, result in enumerate(RESULTS):
        when = now - timedelta(minutes=3 * at + 1)
        conn.execute(
            "INSERT INTO observation (datastream_id, phenomenon_time, result, received_at, clock_quality) "
            "VALUES (%s, %s, %s, %s, 0)",
            (number, when, result, when),
        )
    conn.execute(
        "INSERT INTO datastream_latest (datastream_id, phenomenon_time, result, received_at) "
        "VALUES (%s, %s, %s, %s) ON CONFLICT (datastream_id) DO UPDATE SET result = excluded.result",
        (number, now, RESULTS[number % len(RESULTS)], now),
    )
