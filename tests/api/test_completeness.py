"""Completeness of trials, sites and arms against an oracle: ranges of PostgreSQL and sums of plain Python
over the tables themselves.
"""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import httpx
import pytest
from playwright.sync_api import Browser

from store.catalogue.deployments import deploy, end_deployment
from store.catalogue.devices import add_device
from store.database import Connection, connect
from tests.api.conftest import SignIn, server
from tests.api.test_people_pages import browser, keep, open_page, violations
from tests.api.world import World

__all__ = ["browser"]
ORACLE = """
WITH days AS (
    SELECT t.trial_id, g::date AS day, tstzrange(g AT TIME ZONE t.time_zone,
           least((g + interval '1 day') AT TIME ZONE t.time_zone, now())) AS span
    FROM trial t, generate_series(((now() AT TIME ZONE t.time_zone)::date - 13)::timestamp,
                                  (now() AT TIME ZONE t.time_zone)::date::timestamp, interval '1 day') g),
windows AS (
    SELECT d.device_id,
           range_agg(CASE WHEN p.period IS NULL THEN w.period ELSE w.period * p.period END) AS closed
    FROM device d JOIN declared_window w ON w.withdrawn_at IS NULL
    LEFT JOIN deployment p ON p.device_id = d.device_id AND p.site_id = w.site_id
    WHERE w.device_id = d.device_id OR w.trial_id = d.trial_id OR p.device_id IS NOT NULL GROUP BY 1),
stays AS (
    SELECT d.device_id, s.code AS site, p.position, y.day,
           tstzmultirange(p.period * y.span * tstzrange(NULL, d.retired_at))
               - coalesce(w.closed, '{}') AS planned
    FROM device d JOIN deployment p USING (device_id) JOIN site s USING (site_id)
    JOIN days y USING (trial_id)
    LEFT JOIN windows w USING (device_id)),
planned AS (
    SELECT device_id, site, position, day,
           (SELECT coalesce(sum(extract(epoch FROM upper(r) - lower(r))), 0)::float8
            FROM unnest(planned) r) AS s
    FROM stays)
SELECT t.code AS trial, d.code AS device, p.day, sum(p.s) AS seconds,
       (array_agg(p.site ORDER BY p.s DESC))[1] AS site,
       (SELECT array_agg(extract(epoch FROM m.expected_interval)::float8 ORDER BY m.datastream_id)
        FROM datastream m WHERE m.device_id = d.device_id) AS every,
       (SELECT array_agg((
            SELECT count(*) FROM observation o WHERE o.datastream_id = m.datastream_id AND o.flag <> 4
            AND (o.phenomenon_time + CASE m.stamp WHEN 'begin' THEN m.expected_interval / 2
                 WHEN 'end' THEN -m.expected_interval / 2 ELSE interval '0' END) <@ y.span)
            ORDER BY m.datastream_id)
        FROM datastream m WHERE m.device_id = d.device_id) AS usable
FROM planned p JOIN device d USING (device_id) JOIN trial t USING (trial_id)
JOIN days y ON y.trial_id = t.trial_id AND y.day = p.day
GROUP BY t.code, d.code, d.device_id, p.day, y.span ORDER BY 1, 2, 3
"""

COPIED = (
    "INSERT INTO datastream (device_id, name, property_id, unit, role, result_type, expected_interval, stamp)"
    " SELECT %s, name, property_id, unit, role, result_type, expected_interval, stamp FROM datastream "
    "WHERE device_id = %s"
)
"""The datastreams of one device for another one."""


class Day(NamedTuple):
    trial: str
    device: str
    day: date
    site: str
    share: float


def expect(conn: Connection) -> list[Day]:
    """Each day of a device with a plan."""
    assert conn.execute("SELECT count(*) FROM packed_day").fetchone() == (0,), "the oracle reads one table"
    found = []
    for trial, device, day, seconds, site, every, usable in conn.execute(ORACLE).fetchall():
        shares = [
            min(1.0, n / int(seconds / interval + 1e-9))
            for interval, n in zip(every or (), usable or (), strict=True)
            if interval and int(seconds / interval + 1e-9)
        ]
        if shares:
            found.append(Day(trial, device, day, site, fmean(shares)))
    return found


def together(days: list[Day], group: Callable[[Day], str]) -> dict[str, dict[date, float]]:
    shares: dict[str, dict[date, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in days:
        shares[group(one)][one.day].append(one.share)
    return {name: {day: fmean(found) for day, found in own.items()} for name, own in shares.items()}


def compare(items: list[dict[str, Any]], wanted: dict[str, dict[date, float]], today: date) -> None:
    assert sorted(one["code"] for one in items) == sorted(wanted)
    for one in items:
        found = {date.fromisoformat(day["day"]): day["share"] for day in one["days"]}
        assert len(found) == 14
        assert {day for day, share in found.items() if share is not None} == set(wanted[one["code"]])
        for day, share in wanted[one["code"]].items():
            assert found[day] == pytest.approx(share, abs=0.03 if day == today else 1e-9), (one["code"], day)
        known = [share for share in found.values() if share is not None]
        assert one["share"] == pytest.approx(fmean(known), abs=1e-9)


@pytest.fixture
def moved(own_world_url: str, world: World) -> str:
    """The world, in which a device moved to another site six days ago at noon and back the day before
    yesterday, a replacement stands at a place of an arm, and a device of the ward is at a site of the metro.
    """
    noon = world.now.replace(hour=14, minute=0, second=0, microsecond=0)
    with connect(own_world_url, application="tests") as conn:
        number = world.devices["ward-a"]
        ((site, position),) = conn.execute(
            "SELECT s.code, p.position FROM deployment p JOIN site s USING (site_id) "
            "WHERE p.device_id = %s AND upper(p.period) IS NULL",
            (number,),
        ).fetchall()
        end_deployment(conn, device_id=number, at=noon - timedelta(days=6))
        deploy(
            conn,
            device_id=number,
            site="depot-east",
            position="away",
            start=noon - timedelta(days=6),
        )
        end_deployment(conn, device_id=number, at=noon - timedelta(days=2, hours=3))
        instead = add_device(conn, trial="ward-ventilation", code="instead", now=noon - timedelta(days=9))
        deploy(conn, device_id=instead, site=site, position=position, start=noon - timedelta(days=5))
        conn.execute(
            COPIED,
            (instead, number),
        )
        conn.commit()
    return own_world_url


def test_every_figure_is_that_of_the_tables(moved: str, own_client: SignIn) -> None:
    lab = own_client("lab")
    with connect(moved, application="tests") as conn:
        days = expect(conn)
        today = max(one.day for one in days)
        documents = dict(
            conn.execute(
                "SELECT DISTINCT ON (t.code) t.code, p.document "
                "FROM protocol p JOIN trial t USING (trial_id) WHERE p.locked_at IS NOT NULL "
                "ORDER BY t.code, p.version DESC"
            ).fetchall()
        )
    checked = 0
    for trial in {one.trial for one in days}:
        own = [one for one in days if one.trial == trial]
        found = lab.get(f"/api/v1/trials/{trial}/completeness").json()
        compare(found["devices"], together(own, lambda one: one.device), today)
        compare(found["sites"], together(own, lambda one: one.site), today)
        compare([found["whole"]], together(own, lambda one: one.trial), today)
        arms = {
            device: arm["name"]
            for arm in (json.loads(documents[trial])["arms"] if trial in documents else [])
            for device in arm["devices"]
        }
        if trial == "ward-ventilation":
            arms["instead"] = arms["ward-a"]
        planned = [one._replace(device=arms[one.device]) for one in own if one.device in arms]
        compare(found["arms"], together(planned, lambda one: one.device), today)
        checked += len(found["arms"]) + len(found["sites"])
    assert checked > 5
    for site in {one.site for one in days}:
        own = [one for one in days if one.site == site]
        found = lab.get(f"/api/v1/sites/{site}/completeness").json()
        compare(found["trials"], together(own, lambda one: one.trial), today)
        compare(found["devices"], together(own, lambda one: f"{one.trial}/{one.device}"), today)
        compare([found["whole"]], together(own, lambda one: one.site), today)


def test_a_day_of_a_device_that_moved_counts_once(moved: str, own_client: SignIn) -> None:
    found = own_client("lab").get("/api/v1/trials/ward-ventilation/completeness").json()
    by_site = {one["code"]: [day["share"] is not None for day in one["days"]] for one in found["sites"]}
    assert "depot-east" in by_site
    alone = own_client("lab").get("/api/v1/sites/depot-east/completeness").json()
    ward = next(one for one in alone["devices"] if one["code"] == "ward-ventilation/ward-a")
    assert sum(day["share"] is not None for day in ward["days"]) in (4, 5), "it was there for 3.9 days"


def rows_of(client: httpx.Client, path: str) -> list[dict[str, str]]:
    answer = client.get(path)
    assert answer.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_the_table_says_the_same_as_the_answer(own_client: SignIn) -> None:
    lab = own_client("lab")
    for base, kinds in (
        ("/api/v1/trials/platform-air/completeness", {"site": "sites", "arm": "arms", "device": "devices"}),
        ("/api/v1/sites/station-centre/completeness", {"trial": "trials", "device": "devices"}),
    ):
        answer, table = lab.get(base).json(), rows_of(lab, f"{base}.csv")
        assert {row["of"] for row in table} <= {"all", *kinds}
        for kind, name in kinds.items():
            for one in answer[name]:
                own = [row for row in table if row["of"] == kind and row["code"] == one["code"]]
                (whole,) = [row for row in own if not row["day"]]
                assert float(whole["share"]) == pytest.approx(one["share"], abs=1e-5)
                by_day = {row["day"]: float(row["share"]) for row in own if row["day"]}
                wanted = {day["day"]: day["share"] for day in one["days"] if day["share"] is not None}
                assert by_day == pytest.approx(wanted, abs=1e-5)


def test_each_reader_sees_its_own_devices_and_arms_only_with_the_protocol(
    own_client: SignIn, own_world_url: str, world: World
) -> None:
    with connect(own_world_url, application="tests") as conn:
        number = add_device(conn, trial="ward-ventilation", code="ward-c", now=world.now - timedelta(days=9))
        deploy(
            conn, device_id=number, site="depot-east", position="hall-c", start=world.now - timedelta(days=3)
        )
        conn.execute(
            COPIED,
            (number, world.devices["ward-a"]),
        )
        conn.commit()
    path = "/api/v1/trials/ward-ventilation/completeness"
    for login in ("hospital", "boreal", "judge", "lab", "auditor"):
        assert own_client(login).get(path).json()["arms"], login
    neighbour = own_client("metro").get(path).json()
    assert [one["code"] for one in neighbour["devices"]] == ["ward-c"]
    assert [one["code"] for one in neighbour["sites"]] == ["depot-east"]
    assert neighbour["arms"] == [], "the protocol is not for the neighbour"
    assert "completeness" not in own_client("outsider").get(path).text
    for login in ("aurore", "outsider"):
        assert own_client(login).get(path).status_code == 404
        assert own_client(login).get(f"{path}.csv").status_code == 404
    site = "/api/v1/sites/depot-east/completeness"
    assert "ward-ventilation/ward-c" in str(own_client("metro").get(site).json())
    for login in ("hospital", "aurore", "judge"):
        assert own_client(login).get(site).status_code == 404


def test_the_pages_show_the_figures_of_the_answer(own_client: SignIn) -> None:
    lab = own_client("lab")
    found = lab.get("/api/v1/trials/platform-air/completeness").json()
    page = lab.get("/trials/platform-air").text
    for one in [*found["sites"], *found["arms"], found["whole"]]:
        assert f">{100 * one['share']:.0f} %<" in page.replace("\u00a0", " ")
    assert "/api/v1/trials/platform-air/completeness.csv" in page
    site = lab.get("/sites/station-centre").text
    assert "/api/v1/sites/station-centre/completeness.csv" in site
    whole = lab.get("/api/v1/sites/station-centre/completeness").json()["whole"]
    assert f">{100 * whole['share']:.0f} %<" in site.replace("\u00a0", " ")


@pytest.mark.browser
@pytest.mark.long
@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_the_pages_have_no_violation(
    browser: Browser, own_world_url: str, data_dir: Path, width: int, scheme: Any
) -> None:
    with server(own_world_url, data_dir) as address:
        size = {"width": width, "height": 844}
        page = open_page(browser, address, own_world_url, viewport=size, color_scheme=scheme)
        for path in ("/trials/platform-air", "/sites/station-centre"):
            page.goto(address + path)
            assert violations(page) == []
            keep(page, f"completeness-{width}-{scheme}-{path[1:5]}")
        page.context.close()
