"""Mappings are tried and saved on a page and over the API, and the refused messages then replayed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from store.audit import audit
from store.database import Connection, connect
from store.mappings import mappings_of_trial
from tests.api.conftest import SignIn, form_token, server
from tests.api.test_tokens import bearer, give
from tests.api.world import World

PAGE, API = "/trials/platform-air/mappings", "/api/v1/trials/platform-air/mappings"
HOSTILE = "<b>x</b>"


@pytest.fixture
def conn(own_world_url: str) -> Iterator[Connection]:
    with connect(own_world_url, application="tests") as found:
        yield found


def refuse(client: httpx.Client, world: World, **results: object) -> None:
    path = "api/v1/trials/platform-air/devices/p1-north/observations"
    for second in range(3):
        answer = httpx.post(
            f"{str(client.base_url).rstrip('/')}/{path}",
            json={"time": f"{world.now:%Y-%m-%dT%H:%M}:{second:02}Z", "results": results},
            headers=bearer(world.tokens["p1-north"]),
        )
        assert answer.status_code == 422, answer.text


def send(client: httpx.Client, action: str, *rows: tuple[str, str, str]) -> httpx.Response:
    columns = dict(zip(("field", "chosen", "unit"), map(list, zip(*rows, strict=True)), strict=True))
    form = {"form": form_token(client, "/trials"), "action": action, "devices": ["*"] * len(rows)}
    return client.post(PAGE, data={**form, **columns})


def test_a_field_is_tried_then_saved_then_replayed(
    own_client: SignIn, conn: Connection, world: World
) -> None:
    client = own_client("aurore")
    refuse(client, world, **{"carbon": 0.4, HOSTILE: 1})
    page = client.get(PAGE).text
    assert HOSTILE not in page
    assert "&lt;b&gt;x" in page
    rows = [("", "", ""), ("carbon", "co2", "%"), (HOSTILE, "-ignore", "")]
    tried = send(client, "try", *rows)
    assert tried.status_code == 200, tried.text
    assert re.search(r"This is what these \d+ rejects would become", tried.text)
    assert re.search(r"4,?000(\.\d+)? ppm", tried.text), "0.4 % are 4000 ppm"
    assert mappings_of_trial(conn, "platform-air") == []
    conn.rollback()
    saved = send(client, "save", *rows)
    assert saved.status_code == 303, saved.text
    last = audit(conn)[-1]
    assert (last.action, last.login) == ("map", "person:aurore")
    assert [one.field for one in mappings_of_trial(conn, "platform-air")] == [HOSTILE, "carbon"]
    conn.rollback()
    shown = client.get(saved.headers["location"]).text
    assert "The mappings are saved." in shown
    assert 'action="/rejects/replay"' in shown
    form = {"form": form_token(client, "/trials"), "trial": "platform-air"}
    assert client.post("/rejects/replay", data=form).status_code == 303
    found = conn.execute(
        "SELECT result FROM observation JOIN datastream USING (datastream_id) WHERE name = 'carbon'"
    ).fetchall()
    assert [round(result) for (result,) in found] == [4000] * 3


def test_what_is_no_mapping_is_told_and_what_was_chosen_stays(own_client: SignIn, conn: Connection) -> None:
    client = own_client("aurore")
    for row, said in (
        (("x", "", ""), "Choose what at least one field is"),
        (("x", "co2", "furlong"), "furlong"),
        (("x", "co2", "Cel"), "Cel"),
        (("x", "gold", ""), "gold"),
        (("x", HOSTILE, ""), "property"),
        (("x" * 129, "co2", ""), "128"),
    ):
        for action in ("try", "save"):
            answer = send(client, action, row)
            assert answer.status_code == 400, row
            assert said in answer.text, (said, action)
            assert HOSTILE not in answer.text
    assert mappings_of_trial(conn, "platform-air") == []
    twice = send(client, "save", ("x", "co2", ""), ("x", "pm25", ""))
    assert "mapped twice" in twice.text


def test_a_mapping_with_an_old_etag_is_not_saved(
    own_world_url: str, data_dir: Path, conn: Connection
) -> None:
    entries = {"mappings": [{"trial": "platform-air", "field": "carbon", "property": "co2"}]}
    with (
        server(own_world_url, data_dir) as address,
        httpx.Client(
            base_url=address, headers=bearer(give(own_world_url, "aurore", acts=True)), timeout=30
        ) as api,
    ):
        etag = api.get(API).headers["etag"]
        broken = {**entries["mappings"][0], "devices": ["a\ud800b"]}
        text = json.dumps({"mappings": [broken]})
        refused = api.post(API, content=text, headers={"Content-Type": "application/json"})
        assert (refused.status_code, "devices" in refused.text) == (422, True), refused.text
        first = api.post(API, json=entries, headers={"If-Match": etag})
        assert first.status_code == 201, first.text
        assert first.json()["entered"] > 3
        lines = len(audit(conn))
        again = api.post(API, json=entries)  # a repeat changes nothing
        assert (again.status_code, again.json()["entered"]) == (201, 0)
        conn.rollback()
        assert len(audit(conn)) == lines
        old = api.post(API, json=entries, headers={"If-Match": etag})
        assert (old.status_code, old.json()["code"]) == (412, "changed_meanwhile")
        now = api.get(API)
        assert now.headers["etag"] != etag
        assert now.json()["items"][0] | {"devices": []} == {
            "field": "carbon",
            "devices": [],
            "property": "co2",
            "unit": "[ppm]",
            "property_unit": "[ppm]",
            "role": "candidate",
            "result_type": "number",
            "every": None,
            "stamp": "instant",
            "rule": {},
        }
        foreign = {"mappings": [{"trial": "ward-ventilation", "field": "x", "property": "co2"}]}
        assert api.post(API, json=foreign).status_code == 400
        assert api.post(API.replace("platform-air", "ward-ventilation"), json=foreign).status_code == 404


def test_others_map_nothing(own_client: SignIn) -> None:
    entries = {"mappings": [{"trial": "platform-air", "field": "carbon", "property": "co2"}]}
    for login in ("boreal", "metro", "metro-buyer", "judge", "auditor", "outsider"):
        client = own_client(login)
        assert client.get(PAGE).status_code == 404, login
        assert send(client, "save", ("x", "co2", "")).status_code == 404, login
        assert client.post(API, json=entries).status_code == 404, login
