"""Devices are connected over the API and on the pages: what is refused, what hostile texts do, what a repeat
does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from store.audit import audit, audit_problem
from store.broker_events import BrokerEvents, EventKind, count_events
from store.database import Connection, connect
from tests.api.conftest import SignIn, form_token, server
from tests.api.test_tokens import bearer, give
from tests.api.world import World

API = "/api/v1/trials/platform-air/devices"
PAGE = "/trials/platform-air"
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def conn(own_world_url: str) -> Iterator[Connection]:
    with connect(own_world_url, application="tests") as found:
        yield found


@pytest.fixture
def api(own_world_url: str, data_dir: Path) -> Iterator[httpx.Client]:
    """The company's program, with a token that acts."""
    token = give(own_world_url, "aurore", acts=True)
    with (
        server(own_world_url, data_dir) as address,
        httpx.Client(base_url=address, headers=bearer(token), timeout=30) as client,
    ):
        yield client


def new(**more: Any) -> dict[str, Any]:
    return {"code": "d9", "measure": ["pm25"], "site": "station-north"} | more


def post(client: httpx.Client, path: str, **fields: Any) -> httpx.Response:
    return client.post(path, data={"form": form_token(client, "/trials"), **fields})


def test_a_device_registered_over_the_api_sends_at_once(api: httpx.Client, conn: Connection) -> None:
    answer = api.post(API, json=new())
    assert answer.status_code == 201, answer.text
    given = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    assert given["used_by_broker"] is None  # this world has no broker
    assert given["token"] in given["snippets"]["curl"]
    path = f"{API}/d9/observations"
    sent = httpx.post(
        str(api.base_url) + path, json={"results": {"pm25": 3.5}}, headers=bearer(given["token"])
    )
    assert sent.json()["stored"] == 1
    listed = api.get(f"{API}/d9/credentials").json()["items"]
    assert [one["username"] for one in listed] == ["platform-air.d9"]
    assert "token" not in json.dumps(listed)
    misspelt = api.post(f"{API}/d9/revocation", json={"keep": "platform-air.d8"})
    assert (misspelt.status_code, "platform-air.d9" in misspelt.text) == (400, True)
    ended = api.post(f"{API}/d9/revocation", json={}).json()
    assert ended["ended"] == 1
    again = httpx.post(str(api.base_url) + path, json={}, headers=bearer(given["token"]))
    assert again.status_code == 401
    assert audit_problem(conn) is None
    assert given["token"] not in str(audit(conn))


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (new(code="p1-north"), 409, "has a device"),
        (new(measure=[]), 400, "say what it measures"),
        (new(measure=["gold"]), 400, "known are co2"),
        (new(measure=["x\nname=pm25"]), 400, "on one line"),
        (new(measure=["pm25", "pm25=co2"]), 400, "already, of pm25"),
        (new(site="hospital-south"), 400, "no site 'hospital-south' at the host"),
        (new(site="nowhere"), 400, "no site"),
        (new(site=""), 400, "has 3 sites"),
        (new(position="a\u202eb"), 400, "U+202E"),
        (new(every="PT0S"), 422, "longer than nothing"),
        (new(every=-1), 422, "interval"),
        (new(days=4000), 422, "less than or equal"),
        (new(code="D9"), 422, "pattern"),
        (new(code="insitu-probe"), 400, "cannot be called"),
        (new(more=1), 422, "Extra"),
    ],
)
def test_a_device_that_cannot_be_registered_leaves_nothing(
    api: httpx.Client, conn: Connection, body: dict[str, Any], status: int, said: str
) -> None:
    counts = (
        "SELECT (SELECT count(*) FROM device), (SELECT count(*) FROM credential), count(*) FROM audit "
        "WHERE action <> 'use token from'"
    )
    with conn.transaction():
        before = conn.execute(counts).fetchall()
    answer = api.post(API, json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert said in answer.text
    with conn.transaction():
        assert conn.execute(counts).fetchall() == before


def test_a_request_repeated_with_its_key_makes_no_second_credential(
    api: httpx.Client, conn: Connection
) -> None:
    key = {"Idempotency-Key": "run 17"}
    first = api.post(f"{API}/p1-north/credentials", json={}, headers=key)
    assert first.status_code == 201
    for _ in range(2):
        again = api.post(f"{API}/p1-north/credentials", json={}, headers=key)
        assert (again.status_code, again.content) == (201, first.content)
    (kept,) = conn.execute("SELECT answer FROM kept_answer").fetchone() or (b"",)
    conn.rollback()
    assert first.json()["token"].encode() not in bytes(kept), "the database cannot read it"
    other = api.post(
        f"{API}/p1-north/credentials", json={"ends_others": True}, headers=key | {"Idempotency-Key": "18"}
    )
    alive = [
        one["username"]
        for one in api.get(f"{API}/p1-north/credentials").json()["items"]
        if one["revoked_at"] is None
    ]
    assert alive == [other.json()["username"]]


def test_a_device_that_was_there_before_says_since_when(api: httpx.Client, conn: Connection) -> None:
    """Otherwise nobody could import what it has kept. A time that is to come is refused."""
    body = {"code": "old-1", "measure": ["pm25"], "site": "station-north", "since": "2026-01-05T06:00:00Z"}
    assert api.post(API, json=body).status_code == 201
    with conn.transaction():
        (start,) = conn.execute(
            "SELECT lower(period) FROM deployment JOIN device USING (device_id) WHERE code = 'old-1'"
        ).fetchone() or (None,)
        (said,) = conn.execute(
            "SELECT detail->>'since' FROM audit WHERE action = 'enter device' ORDER BY audit_id DESC LIMIT 1"
        ).fetchone() or ("",)
    assert start == datetime(2026, 1, 5, 6, tzinfo=UTC)
    assert datetime.fromisoformat(said) == start
    late = api.post(API, json={**body, "code": "old-2", "since": "2190-01-01T00:00:00Z"})
    assert (late.status_code, late.json()["code"]) == (400, "correct_input")
    assert "still to come" in late.json()["detail"]


def test_others_find_no_such_thing(own_client: SignIn) -> None:
    """Another company, the host, the evaluator and an auditor; before any field is looked at."""
    for login in ("boreal", "metro", "metro-buyer", "judge", "auditor", "outsider"):
        client = own_client(login)
        for path in (
            f"{PAGE}/connect",
            f"{PAGE}/devices/p1-north/connect",
            f"{PAGE}/devices/p1-north/sensors",
        ):
            assert client.get(path).status_code == 404, (login, path)
        assert post(client, f"{PAGE}/connect", device="x").status_code == 404, login
        assert client.post(API, json=new()).status_code == 404, login


def test_what_is_wrong_is_told_on_the_form_and_what_was_written_stays(own_client: SignIn) -> None:
    client = own_client("aurore")
    filled = {"device": "d9", "properties": ["pm25"], "site": "station-north", "position": HOSTILE}
    for changes, said in (
        ({"site": ""}, "Choose the site"),
        ({"properties": []}, "Choose at least one property"),
        ({"device": "p1-north"}, "has a device p1-north already"),
        ({"device": HOSTILE}, "cannot name a device"),
        ({"properties": [HOSTILE]}, "no observed property"),
        ({"every": "soon"}, "no interval"),
        ({"site": "hospital-south"}, "no site"),
    ):
        answer = post(client, f"{PAGE}/connect", **(filled | changes))
        assert answer.status_code == 400
        assert said in answer.text, said
        assert HOSTILE not in answer.text
        assert "&lt;img src=x" in answer.text
    assert client.post(f"{PAGE}/connect", data=filled).status_code == 400  # no form token


def test_hostile_texts_are_texts_and_a_reload_of_the_form_makes_no_second_device(own_client: SignIn) -> None:
    client = own_client("aurore")
    filled = {
        "device": "d9",
        "fields": "<b>=pm25",
        "site": "station-north",
        "position": HOSTILE,
    }
    answer = post(client, f"{PAGE}/connect", **filled)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert "This is the token of d9" in answer.text
    again = post(client, f"{PAGE}/connect", **filled)
    assert (again.status_code, "has a device d9 already" in again.text) == (400, True)
    post(client, f"{PAGE}/devices/d9/sensors", act="first", make=HOSTILE, model="=1+1", calibration=HOSTILE)
    for path in ("/devices/d9", "/devices/d9/connect", "/devices/d9/sensors", "/devices/p1-north/swap"):
        page = client.get(f"{PAGE}{path}").text
        assert "<img src=x" not in page, path
        assert "&lt;img" in page or "swap" in path or "connect" in path, path


def test_a_test_message_needs_a_token_of_that_device_and_is_no_result(
    own_client: SignIn, conn: Connection, world: World
) -> None:
    client, path = own_client("aurore"), f"{PAGE}/devices/d2-never/test"
    counts = (
        "SELECT (SELECT count(*) FROM observation), (SELECT count(*) FROM device_status), count(*) FROM audit"
    )
    with conn.transaction():
        ((results, signs, lines),) = conn.execute(counts).fetchall()
    for wrong in ("", "x", world.tokens["p1-north"]):
        answer = post(client, path, token=wrong)
        assert answer.status_code == 400
        assert "not a token of this device" in answer.text
    with conn.transaction():
        assert conn.execute(counts).fetchall() == [(results, signs, lines)]
    answer = post(client, path, token=world.tokens["d2-never"])
    assert "The test message is stored" in answer.text
    with conn.transaction():
        assert conn.execute(counts).fetchall() == [(results, signs + 1, lines + 1)]
        last = audit(conn)[-1]
    assert (last.action, last.login) == ("send test message", "person:aurore")
    assert world.tokens["d2-never"] not in str(last)


def test_what_arrives_is_told_with_its_reason_and_how_to_mend_it(
    own_client: SignIn, conn: Connection, world: World
) -> None:
    client = own_client("aurore")
    page = f"{PAGE}/devices/d2-never/connect"
    assert "Nothing has arrived yet" in client.get(page).text
    count_events(
        conn,
        [
            BrokerEvents(
                "platform-air.d2-never", EventKind.PUBLISH_DENIED, world.now, 2, "insitu/v1/other/x/obs"
            )
        ],
    )
    conn.commit()
    assert "The broker denied a message on “insitu/v1/other/x/obs”" in client.get(page).text
    for payload, said in (({"pm2.5": 1}, "was refused"), ({"pm25": 1}, "It works: 1 result")):
        httpx.post(
            f"{client.base_url}{API}/d2-never/observations".replace("//api", "/api"),
            json={"results": payload},
            headers=bearer(world.tokens["d2-never"]),
        )
        assert said in client.get(page).text
    assert "There is no datastream" in client.get(page).text or "pm2.5" in client.get(page).text


def test_a_sensor_is_entered_once_and_every_wrong_change_is_refused(api: httpx.Client) -> None:
    path = f"{API}/p1-north/sensors"
    assert api.post(path, json={"make": "Maker"}).status_code == 400
    assert api.post(path, json={"make": "Maker", "model": "S"}).json()["items"][0]["start"] is None
    for body, said in (
        ({"serial": "2"}, "Say why"),
        ({"reason": "x"}, "what is new"),
        ({"make": "Maker", "reason": "x"}, "already"),
        ({"serial": "2", "reason": "x", "at": "2999-01-01T00:00:00Z"}, "usual time"),
        ({"serial": "2", "reason": "x", "at": "2100-01-01T00:00:00Z"}, "in the future"),
        ({"calibrated_at": "2100-01-01T00:00:00Z", "reason": "x"}, "in the future"),
        ({"serial": "a\nb", "reason": "x"}, "one line"),
        ({"corrects": True, "reason": "x"}, "already"),
    ):
        answer = api.post(path, json=body)
        assert answer.status_code == 400, body
        assert said in answer.text, (said, answer.text)
    assert api.post(path, json={"serial": "2", "at": "2026-01-01T00:00:00", "reason": "x"}).status_code == 422
    done = api.post(path, json={"serial": "2", "reason": "dead"}).json()["items"]
    assert [one["serial"] for one in done] == ["", "2"]
    assert api.post(f"{API}/p1-north/swap", json={"new": "d9", "reason": "x"}).status_code == 400
