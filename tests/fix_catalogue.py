"""A small trial: two devices at one site."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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
from store.database import Connection
from tests.fix_database import filled_template

START = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass(frozen=True)
class SmallTrial:
    trial: str
    devices: dict[str, int]
    """Code → id."""
    datastreams: dict[tuple[str, str], int]
    """(device, name) → id."""


@pytest.fixture(scope="session")
def catalogue_template(database_server: str, migrated_template: str) -> Iterator[tuple[str, SmallTrial]]:
    """Name of a database with the small trial, and the trial."""
    with filled_template(database_server, migrated_template, enter_small_trial) as filled:
        yield filled


@pytest.fixture
def catalogue(conn: Connection, catalogue_template: tuple[str, SmallTrial]) -> SmallTrial:
    """Trial `t` with devices `a` and `b`; each measures pm25 and (as boolean) fan; committed."""
    return catalogue_template[1] if has_trial(conn, "t") else enter_small_trial(conn)


def has_trial(conn: Connection, code: str) -> bool:
    found = conn.execute("SELECT FROM trial WHERE code = %s", (code,)).fetchone()
    conn.rollback()
    return found is not None


def enter_small_trial(conn: Connection) -> SmallTrial:
    """Commits."""
    for code, kind in (("host", "host"), ("company", "company"), ("judge", "evaluator"), ("lab", "lab")):
        add_organisation(conn, code=code, name=code.title(), kind=OrganisationKind(kind), now=START)
    add_site(conn, code="station", host="host", name="Station", latitude=48.85, longitude=2.35)
    add_trial(
        conn,
        code="t",
        title={"en": "Trial", "fr": "Essai"},
        host="host",
        company="company",
        evaluator="judge",
        now=START,
    )
    add_property(conn, code="pm25", name={"en": "PM2.5", "fr": "PM2,5"}, unit="ug/m3")
    add_property(conn, code="fan", name={"en": "Fan", "fr": "Ventilateur"}, unit="1")
    devices, datastreams = {}, {}
    for code in ("a", "b"):
        device_id = add_device(conn, trial="t", code=code, now=START)
        deploy(conn, device_id=device_id, site="station", position=code, start=START)
        devices[code] = device_id
        for name, kind in (("pm25", "number"), ("fan", "boolean")):
            datastreams[code, name] = add_datastream(
                conn,
                device_id=device_id,
                name=name,
                property=name,
                unit="ug/m3" if name == "pm25" else "1",
                role=DatastreamRole.CANDIDATE,
                result_type=kind,
                expected_interval=timedelta(minutes=15),
            )
    conn.commit()
    return SmallTrial("t", devices, datastreams)
