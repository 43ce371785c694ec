"""A station in a city: trial t1 with devices that measure what common loggers do, for real files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from insitu.model import DatastreamRole, OrganisationKind
from insitu.scales import AveragingScale
from store.catalogue.datastreams import add_datastream
from store.catalogue.deployments import deploy
from store.catalogue.devices import add_device
from store.catalogue.organisations import add_organisation
from store.catalogue.properties import add_property
from store.catalogue.sites import add_site
from store.catalogue.trials import add_trial
from store.database import Connection
from tests.fix_catalogue import has_trial
from tests.fix_database import filled_template

SINCE = datetime(2013, 1, 1, tzinfo=UTC)
PROPERTIES = {
    "pm25": "ug/m3",
    "pm10": "ug/m3",
    "no2": "[ppb]",
    "temperature": "Cel",
    "humidity": "%",
    "pressure": "hPa",
    "power": "W",
    "laeq": "dB",
    "occupied": "1",
}


@dataclass(frozen=True)
class Station:
    datastreams: dict[tuple[str, str], int]
    """(device, property) → id."""

    def stored(self, conn: Connection, device: str, name: str) -> list[tuple[str, float]]:
        """(UTC, result) of a datastream, in the order of their times."""
        rows = conn.execute(
            "SELECT phenomenon_time, result FROM observation WHERE datastream_id = %s ORDER BY 1",
            (self.datastreams[device, name],),
        ).fetchall()
        conn.rollback()
        return [(at.astimezone(UTC).isoformat()[:-6], result) for at, result in rows]

    def count(self, conn: Connection) -> int:
        (count,) = conn.execute("SELECT count(*) FROM observation").fetchone() or (0,)
        conn.rollback()
        return int(count)


@pytest.fixture(scope="session")
def station_template(database_server: str, migrated_template: str) -> Iterator[tuple[str, Station]]:
    """Name of a database with the station, and the station."""
    with filled_template(database_server, migrated_template, enter_station) as filled:
        yield filled


@pytest.fixture
def station(conn: Connection, station_template: tuple[str, Station]) -> Station:
    """Devices d1 and d2, deployed since 2013; committed."""
    return station_template[1] if has_trial(conn, "t1") else enter_station(conn)


def enter_station(conn: Connection) -> Station:
    """Commits."""
    for code, kind in (("host", "host"), ("company", "company"), ("judge", "evaluator"), ("lab", "lab")):
        add_organisation(conn, code=code, name=code.title(), kind=OrganisationKind(kind), now=SINCE)
    add_site(conn, code="station", host="host", name="Station", latitude=48.86, longitude=2.35)
    add_trial(
        conn,
        code="t1",
        title={"en": "Trial", "fr": "Essai"},
        host="host",
        company="company",
        evaluator="judge",
        now=SINCE,
    )
    for code, unit in PROPERTIES.items():
        scale = AveragingScale.ENERGETIC if code == "laeq" else None
        add_property(conn, code=code, name={"en": code, "fr": code}, unit=unit, averaging_scale=scale)
    datastreams = {}
    for device in ("d1", "d2"):
        device_id = add_device(conn, trial="t1", code=device, now=SINCE)
        deploy(conn, device_id=device_id, site="station", position=device, start=SINCE)
        for name, unit in PROPERTIES.items():
            datastreams[device, name] = add_datastream(
                conn,
                device_id=device_id,
                name=name,
                property=name,
                unit=unit,
                role=DatastreamRole.CANDIDATE,
                result_type="boolean" if name == "occupied" else "number",
                expected_interval=timedelta(minutes=15),
            )
    conn.commit()
    return Station(datastreams)
