"""Migrations, rollups and queries on TimescaleDB. COPY does not work over this socket, so staging is filled
by INSERT.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from insitu.model import DatastreamRole, OrganisationKind
from store.catalogue.datastreams import add_datastream
from store.catalogue.deployments import deploy
from store.catalogue.devices import add_device
from store.catalogue.organisations import add_organisation
from store.catalogue.properties import add_property
from store.catalogue.sites import add_site
from store.catalogue.trials import add_trial
from store.database import Connection, migrate, require_current
from store.queries import queries
from tests.named_queries import ALL, understand

START = datetime(2026, 3, 28, tzinfo=UTC)


def test_the_schema_is_current_and_migrating_again_does_nothing(conn: Connection) -> None:
    require_current(conn)
    conn.commit()
    assert migrate(conn) == []


def test_observations_are_a_hypertable_and_nothing_is_made_from_them_behind_our_backs(
    conn: Connection,
) -> None:
    tables = conn.execute("SELECT hypertable_name FROM timescaledb_information.hypertables").fetchall()
    assert ("observation",) in tables
    views = conn.execute("SELECT view_name FROM timescaledb_information.continuous_aggregates").fetchall()
    assert views == []


@pytest.mark.parametrize(("file", "name"), ALL)
def test_every_named_query_is_understood(conn: Connection, file: str, name: str) -> None:
    understand(conn, file, name)


@pytest.fixture
def stream(conn: Connection) -> int:
    """A datastream of a trial in Europe/Paris; rolled back with the test."""
    for code, kind in (("host", OrganisationKind.HOST), ("company", OrganisationKind.COMPANY)):
        add_organisation(conn, code=code, name=code, kind=kind, now=START)
    add_site(conn, code="s", host="host", name="s")
    add_trial(conn, code="ts", title={"en": "t"}, host="host", company="company", now=START)
    add_property(conn, code="pm25", name={"en": "p"}, unit="ug/m3")
    device = add_device(conn, trial="ts", code="d", now=START)
    deploy(conn, device_id=device, site="s", position="d", start=START)
    return add_datastream(
        conn,
        device_id=device,
        name="pm25",
        property="pm25",
        unit="ug/m3",
        role=DatastreamRole.CANDIDATE,
        expected_interval=timedelta(minutes=15),
    )


def stage(conn: Connection, stream: int, results: list[tuple[datetime, float]]) -> None:
    conn.execute(queries("observations")["make_staging"].encode())
    for number, (time, result) in enumerate(results):
        conn.execute(
            "INSERT INTO observation_staging VALUES (%s::int, %s::int, %s::timestamptz, %s::float8, "
            "%s::timestamptz, 0::smallint)",
            (number, stream, time, result, time),
        )


def test_the_merge_of_ingest_lets_the_first_write_win(conn: Connection, stream: int) -> None:
    sql = queries("observations")
    stage(conn, stream, [(START + timedelta(minutes=15 * i), float(i)) for i in range(8)])
    assert conn.execute(sql["merge"].encode(), {"import_id": None}).fetchall() == []
    conn.execute("TRUNCATE observation_staging")
    stage(conn, stream, [(START, 99.0), (START + timedelta(days=40), 7.0)])
    assert conn.execute(sql["merge"].encode(), {"import_id": None}).fetchall() == [(0,)]
    assert conn.execute(sql["earlier_results"].encode(), {"ordinals": [0]}).fetchall() == [(0, 0.0)]
    found = conn.execute(
        "SELECT result FROM observation WHERE datastream_id = %s ORDER BY phenomenon_time", (stream,)
    ).fetchall()
    assert found == [(float(i),) for i in range(8)] + [(7.0,)]


def test_what_changes_in_a_noted_day_is_noted(conn: Connection, stream: int) -> None:
    """Triggers with transition tables on a hypertable."""
    stage(conn, stream, [(START + timedelta(minutes=15 * i), float(i)) for i in range(8)])
    conn.execute(queries("observations")["merge"].encode(), {"import_id": None})
    conn.execute(
        "INSERT INTO sealed_part (kind, part, noted_until, time_zone) VALUES ('observation', %s, %s, 'UTC')",
        (stream, START + timedelta(minutes=60)),
    )
    conn.execute("UPDATE observation SET flag = 4 WHERE result IN (1, 7)")
    conn.execute("DELETE FROM observation WHERE result = 2")
    found = conn.execute("SELECT part, at, was IS NOT NULL FROM row_change ORDER BY at").fetchall()
    assert found == [(stream, START + timedelta(minutes=15 * i), True) for i in (1, 2)]
