"""Registers a scenario's catalogue, its people and its devices' credentials in an installation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from cli.demo.agreements import agreement_of
from cli.people import add_account, new_password
from ingest.acts.enrolling import give_credential
from insitu.model import DatastreamRole, OrganisationKind, Role, TrialState
from simulators.scenario import Group, Scenario
from store.audit import SERVICE, record
from store.catalogue.datastreams import add_datastream
from store.catalogue.deployments import deploy
from store.catalogue.devices import add_device, find_device
from store.catalogue.organisations import add_need, add_organisation, find_organisation
from store.catalogue.properties import add_property, list_properties
from store.catalogue.sensors import add_sensor
from store.catalogue.sites import add_site
from store.catalogue.trials import add_trial, move_trial
from trials.workflow.agreeing import agree

if TYPE_CHECKING:
    from store.database import Connection

LIFE = (TrialState.SHORTLISTED, TrialState.AGREEMENT, TrialState.DEPLOYMENT, TrialState.RUNNING)


@dataclass(frozen=True, slots=True)
class SignIn:
    role: str
    login: str
    password: str


def register(conn: Connection, scenario: Scenario, *, start: datetime) -> None:
    """Register organisations, need, site, trial, devices, sensors, deployments, datastreams; shares existing
    entries. The caller commits.
    """
    _enter_places(conn, scenario, start)
    add_trial(
        conn,
        code=scenario.code,
        title={str(k): v for k, v in scenario.title.items()},
        host=scenario.host,
        company=scenario.company,
        evaluator=scenario.evaluator,
        need=scenario.need,
        time_zone=scenario.time_zone,
        now=start,
    )
    record(conn, at=start, login=SERVICE, action="enter trial", subject=scenario.code)
    for state in LIFE:
        move_trial(conn, trial=scenario.code, to=state, at=start, login=SERVICE)
    agree(conn, scenario.code, agreement_of(scenario, start), now=start, login=SERVICE)
    swapped = {swap.old: start + timedelta(days=swap.day) for swap in scenario.swaps}
    for group in scenario.groups:
        for device in group.devices:
            _device(conn, scenario, group, device, device, start, swapped.get(device))
    for swap in scenario.swaps:
        _device(
            conn,
            scenario,
            scenario.group_of(swap.new),
            swap.new,
            swap.old,
            start + timedelta(days=swap.day),
            None,
        )


def _enter_places(conn: Connection, scenario: Scenario, start: datetime) -> None:
    """Register organisations, need, sites and properties."""
    for organisation in scenario.organisations:
        if find_organisation(conn, organisation.code) is None:
            add_organisation(
                conn, code=organisation.code, name=organisation.name, kind=organisation.kind, now=start
            )
    add_need(
        conn,
        code=scenario.need,
        host=scenario.host,
        title={str(k): v for k, v in scenario.need_title.items()},
        description={},
        now=start,
    )
    for site in scenario.sites:
        add_site(
            conn,
            code=site.code,
            host=scenario.host,
            name=site.name,
            kind=site.kind,
            latitude=site.latitude,
            longitude=site.longitude,
        )
    known = {p.code for p in list_properties(conn)}
    for prop in scenario.properties:
        if prop.code not in known:
            add_property(
                conn,
                code=prop.code,
                name={str(k): v for k, v in prop.name.items()},
                unit=prop.unit,
                averaging_scale=prop.averaging_scale,
            )


def _device(
    conn: Connection,
    scenario: Scenario,
    group: Group,
    code: str,
    position: str,
    start: datetime,
    end: datetime | None,
) -> None:
    serial = scenario.serial_of(code)
    device_id = add_device(
        conn, trial=scenario.code, code=code, now=start, name=code, model=group.model, serial=serial
    )
    sensor_id = add_sensor(
        conn, device_id=device_id, make=group.make, model=group.model, serial=serial, calibrated_at=start
    )
    deploy(conn, device_id=device_id, site=group.site, position=position, start=start, end=end)
    for prop in scenario.properties:
        if prop.code in group.properties:
            add_datastream(
                conn,
                device_id=device_id,
                name=prop.code,
                property=prop.code,
                unit=prop.unit,
                role=DatastreamRole(group.role),
                expected_interval=timedelta(seconds=group.interval_s),
                stamp=group.stamp,
                sensor_id=sensor_id,
            )


def give_credentials(
    conn: Connection, scenario: Scenario, *, now: datetime, login: str = SERVICE
) -> dict[str, tuple[str, str]]:
    """Give each device a credential: 'trial/device' → (username, token). The caller commits."""
    logins = {}
    for device in scenario.device_codes():
        found = find_device(conn, scenario.code, device)
        given = give_credential(
            conn, device_id=found.device_id, trial=scenario.code, device=device, now=now, login=login
        )
        logins[f"{scenario.code}/{device}"] = (given.username, given.token)
    return logins


_NAMES: Final = {
    Role.LAB: "Équipe du laboratoire",
    Role.OPERATOR: "Exploitation",
    Role.BUYER: "Achats",
    Role.EVALUATOR: "Évaluation",
    Role.COMPANY: "Entreprise",
    Role.AUDITOR: "Audit",
}
"""The lab of the demo is a French one."""


def add_people(conn: Connection, scenarios: Sequence[Scenario], *, now: datetime) -> list[SignIn]:
    """Add one account of each role for the participants of the first scenario, and a buyer for each other
    host, with new passwords.
    """
    add_organisation(
        conn, code="lab-demo", name="Laboratoire d’innovation (démo)", kind=OrganisationKind.LAB, now=now
    )
    add_organisation(conn, code="audit-demo", name="Auditeurs (démo)", kind=OrganisationKind.AUDITOR, now=now)
    first = scenarios[0]
    hosts = list(dict.fromkeys(scenario.host for scenario in scenarios))
    accounts = [
        (Role.LAB, "lab", "lab-demo"),
        (Role.OPERATOR, "operator", first.host),
        (Role.BUYER, "buyer", first.host),
        (Role.EVALUATOR, "evaluator", first.evaluator),
        (Role.COMPANY, "company", first.company),
        (Role.AUDITOR, "auditor", "audit-demo"),
        *((Role.BUYER, f"buyer-{host.removesuffix('-demo')}", host) for host in hosts[1:]),
    ]
    found = []
    for role, login, organisation in accounts:
        password = new_password()
        add_account(
            conn,
            login=login,
            name=f"{_NAMES[role]} (démo)",
            organisation=organisation,
            role=role,
            password=password,
            now=now,
        )
        record(conn, at=now, login=SERVICE, action="enter person", subject=login)
        found.append(SignIn(role.value, login, password))
    return found
