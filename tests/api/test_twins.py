"""The same acts by the command line, over the API with a token, and by the forms of the pages, in three
installations that begin alike: they leave the same rows, but for times, tokens and who acted.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from store.catalogue.sensors import add_sensor
from store.database import connect
from tests.api.conftest import NO_TLS, form_token, new_session, server
from tests.api.test_tokens import bearer, give
from tests.api.world import World
from tests.cli.calling import call
from tests.fix_database import clone

TRIAL = "platform-air"
NOT_COMPARED = {
    *("access_token", "access_token_address", "signed_in", "installation"),
    *("row_change", "fact_change", "seal", "sealed_day", "sealed_part", "schema_migration"),
}
OF_TOKENS = ("make token", "use token from")
"""How somebody signed in, and seals over times and hashes."""
SECRETS = {"nats_hash", "mosquitto_hash", "previous_sha256", "sha256", "login", "audit_id", "credential_id"}
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(\+00:00|Z| UTC)?")
_SUFFIX = re.compile(r"(\.d9|\.p1-south)\.[0-9a-f]{6,12}\b")


def rows_of(url: str) -> dict[str, list[str]]:
    """Every row of every table as text, without times and secrets."""
    found: dict[str, list[str]] = {}
    with psycopg.connect(url) as conn:
        tables = conn.execute(
            "SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition "
            "AND relnamespace = 'public'::regnamespace"
        ).fetchall()
        for (table,) in tables:
            if table in NOT_COMPARED:
                continue
            kinds = conn.execute(
                "SELECT attname::text, atttypid::regtype::text FROM pg_attribute "
                "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY 1",
                (table,),
            ).fetchall()
            columns = [
                f"({name} IS NULL)::text"
                if kind in ("timestamp with time zone", "bytea")
                else f"{name}::text"
                for name, kind in kinds
                if name not in SECRETS and not (table == "broker_state" and name == "wanted")
            ]
            text = f"SELECT {', '.join(columns)} FROM {table}"
            lines = conn.execute(text).fetchall()  # type: ignore[arg-type]
            found[table] = sorted(
                _SUFFIX.sub(r"\1.X", _TIME.sub("TIME", str(line)))
                for line in lines
                if not set(OF_TOKENS) & set(line)
            )
    return found


class Twin:
    """One installation, and how the story is done there: a method for each step."""

    def __init__(self, url: str) -> None:
        self.url = url


STORY = ("new", "credential", "more", "map", "change", "correct", "swap", "revoke")
SINCE = datetime(2026, 1, 1, tzinfo=UTC)


class ByVerb(Twin):
    def new(self) -> None:
        call(
            *("enrol", TRIAL, "d9", "--measure", "pm25", "--measure", "t=temperature"),
            *("--site", "station-north", "--position", "roof", "--every", "PT5M"),
        )

    def credential(self) -> None:
        call("enrol", TRIAL, "d9")

    def more(self) -> None:
        call("enrol", TRIAL, "d9", "--measure", "humidity", "--every", "PT1H")
        with connect(self.url, application="tests") as conn:  # the verb also gives a credential each time
            conn.execute(
                "DELETE FROM credential WHERE credential_id = (SELECT max(credential_id) FROM credential)"
            )
            conn.execute(
                "SET session_replication_role = replica; "
                "DELETE FROM audit WHERE audit_id = (SELECT max(audit_id) FROM audit WHERE action = 'enrol')"
            )

    def map(self) -> None:
        file = Path(os.environ["INSITU_DATA_DIR"]) / "map.toml"
        entry = {"trial": TRIAL, "field": "carbon", "property": "co2", "unit": "%", "devices": "d*"}
        lines = "\n".join(f"{name} = {json.dumps(text)}" for name, text in entry.items())
        file.write_text(f"[[mapping]]\n{lines}\n", "utf-8")
        call("map", TRIAL, str(file))

    def change(self) -> None:
        call("sensor", TRIAL, "p1-south", "--serial", "B-2", "--at", self.at, "--reason", "dead")

    def correct(self) -> None:
        call("sensor", TRIAL, "p1-south", "--correct", "--calibration", "paper 7", "--reason", "typo")

    def swap(self) -> None:
        call("swap", TRIAL, "p1-south", "d9", "--reason", "dropped")

    def revoke(self) -> None:
        call("revoke", TRIAL, "d9")

    at = "2026-01-01T00:00"


class ByApi(Twin):
    def __init__(self, url: str, client: httpx.Client) -> None:
        super().__init__(url)
        self.client = client

    def _post(self, path: str, body: dict[str, Any]) -> None:
        answer = self.client.post(f"/api/v1/trials/{TRIAL}/devices{path}", json=body)
        assert answer.status_code == 201, answer.text

    def new(self) -> None:
        place = {"site": "station-north", "position": "roof", "every": "PT5M"}
        self._post("", {"code": "d9", "measure": ["pm25", "t=temperature"], **place})

    def credential(self) -> None:
        self._post("/d9/credentials", {})

    def more(self) -> None:
        self._post("/d9/datastreams", {"measure": ["humidity"], "every": 3600})

    def map(self) -> None:
        entry = {"trial": TRIAL, "field": "carbon", "property": "co2", "unit": "%", "devices": "d*"}
        answer = self.client.post(f"/api/v1/trials/{TRIAL}/mappings", json={"mappings": [entry]})
        assert answer.status_code == 201, answer.text

    def change(self) -> None:
        self._post("/p1-south/sensors", {"serial": "B-2", "at": SINCE.isoformat(), "reason": "dead"})

    def correct(self) -> None:
        self._post("/p1-south/sensors", {"corrects": True, "calibration": "paper 7", "reason": "typo"})

    def swap(self) -> None:
        self._post("/p1-south/swap", {"new": "d9", "reason": "dropped"})

    def revoke(self) -> None:
        self._post("/d9/revocation", {})


class ByForm(Twin):
    def __init__(self, url: str, client: httpx.Client) -> None:
        super().__init__(url)
        self.client = client

    def _post(self, path: str, **fields: Any) -> None:
        form = {"form": form_token(self.client, "/trials")}
        answer = self.client.post(f"/trials/{TRIAL}{path}", data={**form, **fields})
        assert answer.status_code in (200, 303), answer.text

    def new(self) -> None:
        what = {"device": "d9", "properties": ["pm25"], "fields": "t=temperature"}
        self._post("/connect", **what, site="station-north", position="roof", every="PT5M")

    def credential(self) -> None:
        self._post("/devices/d9/credentials")

    def more(self) -> None:
        self._post("/devices/d9/datastreams", property="humidity", every="PT1H")

    def map(self) -> None:
        row = {"field": ["", "carbon"], "chosen": ["", "co2"], "unit": ["", "%"], "devices": ["*", "d*"]}
        self._post("/mappings", action="save", **row)

    def change(self) -> None:
        at = "2026-01-01T01:00"  # of the trial's clock
        self._post("/devices/p1-south/sensors", act="change", serial="B-2", at=at, reason="dead")

    def correct(self) -> None:
        self._post("/devices/p1-south/sensors", act="correct", calibration="paper 7", reason="typo")

    def swap(self) -> None:
        self._post("/devices/p1-south/swap", new="d9", reason="dropped")

    def revoke(self) -> None:
        self._post("/devices/d9/revocation")


@pytest.fixture
def twins(
    database_server: str,
    filled: tuple[str, World],
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[list[Twin]]:
    with ExitStack() as stack:
        urls = [stack.enter_context(clone(database_server, filled[0])) for _ in range(3)]
        for url in urls:
            with connect(url, application="tests") as conn:
                number = filled[1].devices["p1-south"]
                add_sensor(conn, device_id=number, make="Maker", model="S", serial="A-1")
                conn.execute("UPDATE broker_state SET applied_at = NULL")
        addresses = [stack.enter_context(server(url, data_dir)) for url in urls[1:]]
        by_token, by_form = (
            stack.enter_context(httpx.Client(base_url=one, timeout=30, verify=NO_TLS)) for one in addresses
        )
        by_token.headers.update(bearer(give(urls[1], "aurore", acts=True)))
        by_form.cookies.set("insitu", new_session(urls[2], "aurore"), domain="127.0.0.1")
        monkeypatch.setenv("INSITU_DATABASE_URL", urls[0])
        monkeypatch.setenv("INSITU_DATA_DIR", str(tmp_path))
        yield [ByVerb(urls[0]), ByApi(urls[1], by_token), ByForm(urls[2], by_form)]


def test_three_ways_leave_the_same_rows(twins: list[Twin]) -> None:
    verb, *others = twins
    for step in STORY:
        for twin in twins:
            act: Callable[[], None] = getattr(twin, step)
            act()
        expected = rows_of(verb.url)
        for other in others:
            found = rows_of(other.url)
            differing = [table for table in expected if expected[table] != found[table]]
            assert not differing, (step, type(other).__name__, *_first(expected, found, differing))
    assert any("'d9'" in line for line in expected["device"])
    assert sum("'revoke'" in line for line in expected["audit"]) == 1


def _first(expected: dict[str, list[str]], found: dict[str, list[str]], tables: list[str]) -> list[Any]:
    """The rows that differ, for a reader of the failure."""
    return [
        (
            table,
            sorted(set(expected[table]) - set(found[table])),
            sorted(set(found[table]) - set(expected[table])),
        )
        for table in tables
    ]
