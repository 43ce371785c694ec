"""A realistic programme: hosts, companies with canaries in everything they own, trials at every stage,
devices in every state.

Messages go through the real ingest path, so that ledger, rejects, contacts and latest results agree with each
other.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from api.passwords import hash_password
from ingest.booking import book
from ingest.reading import prepare
from insitu.model import DatastreamRole, Message, OrganisationKind, Role, TrialState, WindowKind
from insitu.times import to_us
from store import access
from store.catalogue.datastreams import add_datastream
from store.catalogue.deployments import deploy, end_deployment, swap_device
from store.catalogue.devices import add_device, retire_device
from store.catalogue.organisations import add_organisation
from store.catalogue.properties import add_property
from store.catalogue.sites import add_site
from store.catalogue.snapshot import load_snapshot
from store.catalogue.trials import add_trial, move_trial
from store.catalogue.windows import add_window
from store.database import Connection
from tests.quick_passwords import hash_quickly
from trials.plan.protocol import Protocol
from trials.workflow.checking import check_quality
from trials.workflow.evaluating import evaluate_trial
from trials.workflow.locking import lock_protocol

hash_quickly()  # this file may be read before pytest_configure
PASSWORD = "correct horse battery staple"
PASSWORD_HASH = hash_password(PASSWORD)
AIR_DAYS, WARD_DAYS = 6, 60
AIR_CANARY, WARD_CANARY = "canaryaurore", "canaryboreal"
"""Canaries: they are in every text, and as digits in every result, that belongs to one company."""
AIR_NUMBER, WARD_NUMBER = 4142.135, 2718.281

PEOPLE = {
    "lab": "lab",
    "metro": "metro-demo",
    "hospital": "hospital-demo",
    "aurore": "aurore-demo",
    "boreal": "boreal-demo",
    "judge": "evaluation-demo",
    "outsider": "elsewhere-demo",
}
"""Login → organisation."""
SEATS = {
    "hospital-buyer": ("hospital-demo", Role.BUYER),
    "metro-buyer": ("metro-demo", Role.BUYER),
    "city": ("city-demo", Role.OPERATOR),
    "other-judge": ("institute-demo", Role.EVALUATOR),
    "auditor": ("audit-demo", Role.AUDITOR),
    "lab-auditor": ("lab", Role.AUDITOR),
}
"""Further people: login → organisation and role."""


@dataclass
class World:
    now: datetime
    tokens: dict[str, str] = field(default_factory=dict)
    """Device code → token of its credential."""
    devices: dict[str, int] = field(default_factory=dict)
    evaluation_id: int = 0


def build(conn: Connection, now: datetime) -> World:
    """Fills an empty database; commits."""
    world = World(now)
    _organisations(conn, now)
    _air(conn, world)
    _ward(conn, world)
    add_trial(
        conn,
        code="street-noise",
        title={"en": "Street noise: a quieter sweeper", "fr": "Bruit de rue : une balayeuse plus discrète"},
        host="city-demo",
        company="aurore-demo",
        evaluator="evaluation-demo",
        now=now - timedelta(days=3),
    )
    conn.commit()
    _send(conn, _air_messages(world))
    _send(conn, _ward_messages(world))
    _send(conn, _bad_messages(world))
    world.evaluation_id = _evaluate(conn, now)
    conn.commit()
    return world


def _organisations(conn: Connection, now: datetime) -> None:
    long_ago = now - timedelta(days=200)
    for code, name, kind in (
        ("lab", "City innovation lab (demo)", "lab"),
        ("metro-demo", "Metro operator (demo)", "host"),
        ("hospital-demo", "Hospital group (demo)", "host"),
        ("city-demo", "City department (demo)", "host"),
        ("aurore-demo", f"Aurore {AIR_CANARY}", "company"),
        ("boreal-demo", f"Boreal {WARD_CANARY}", "company"),
        ("elsewhere-demo", "Elsewhere (demo)", "company"),
        ("evaluation-demo", "Evaluation body (demo)", "evaluator"),
        ("institute-demo", "Institute (demo)", "evaluator"),
        ("audit-demo", "Court of audit (demo)", "auditor"),
    ):
        add_organisation(conn, code=code, name=name, kind=OrganisationKind(kind), now=long_ago)
    people = {login: (organisation, None) for login, organisation in PEOPLE.items()} | SEATS
    for login, (organisation, role) in people.items():
        access.add_person(
            conn,
            login=login,
            role=role,
            name=f"{login.title()} (demo)",
            organisation=organisation,
            password_hash=PASSWORD_HASH,
            now=long_ago,
            language="en",
        )
    for code, host, name, latitude, longitude in (
        ("station-centre", "metro-demo", "Central station (demo)", 48.8606, 2.3467),
        ("station-north", "metro-demo", "North station (demo)", 48.8809, 2.3553),
        ("depot-east", "metro-demo", "Depot east (demo)", 48.8412, 2.5830),
        ("hospital-south", "hospital-demo", "South hospital (demo)", 48.7310, 2.2890),
    ):
        add_site(conn, code=code, host=host, name=name, kind="", latitude=latitude, longitude=longitude)
    for code, en, fr, unit in (
        ("pm25", "PM2.5", "PM2,5", "ug/m3"),
        ("temperature", "Temperature", "Température", "Cel"),
        ("humidity", "Relative humidity", "Humidité relative", "%"),
        ("co2", "CO₂", "CO₂", "[ppm]"),
    ):
        add_property(conn, code=code, name={"en": en, "fr": fr}, unit=unit)


def _device(
    conn: Connection,
    world: World,
    trial: str,
    code: str,
    site: str,
    position: str,
    start: datetime,
    measures: tuple[str, ...],
    *,
    role: DatastreamRole = DatastreamRole.CANDIDATE,
    every: timedelta = timedelta(minutes=15),
    canary: str = "",
) -> int:
    number = add_device(
        conn, trial=trial, code=code, name=canary, model="PM-4", serial=f"S-{code}", now=start
    )
    deploy(conn, device_id=number, site=site, position=position, start=start)
    units = {"pm25": "ug/m3", "temperature": "Cel", "humidity": "%", "co2": "[ppm]"}
    for name in measures:
        add_datastream(
            conn,
            device_id=number,
            name=name,
            property=name,
            unit=units[name],
            role=role,
            expected_interval=every,
        )
    token = f"token-of-{trial}-{code}-{hashlib.sha256(code.encode()).hexdigest()}"
    access.add_credential(
        conn,
        device_id=number,
        username=f"{trial}.{code}",
        token_sha256=hashlib.sha256(token.encode()).digest(),
        nats_hash="-",
        mosquitto_hash="-",
        now=start,
    )
    world.devices[code] = number
    world.tokens[code] = token
    return number


AIR = ("pm25", "temperature", "humidity")


def _air(conn: Connection, world: World) -> None:
    start = world.now - timedelta(days=AIR_DAYS)
    add_trial(
        conn,
        code="platform-air",
        title={
            "en": f"Platform air: filtration {AIR_CANARY}",
            "fr": f"Air des quais : filtration {AIR_CANARY}",
        },
        host="metro-demo",
        company="aurore-demo",
        evaluator="evaluation-demo",
        now=start - timedelta(days=30),
    )
    for state in (TrialState.SHORTLISTED, TrialState.AGREEMENT, TrialState.DEPLOYMENT, TrialState.RUNNING):
        move_trial(conn, trial="platform-air", to=state, at=start - timedelta(days=1), login="lab")
    for code, site, position in (
        ("p1-north", "station-centre", "platform-1"),
        ("p1-south", "station-centre", "platform-1s"),
        ("p2-north", "station-centre", "platform-2"),
        ("p2-silent", "station-centre", "platform-2s"),
        ("n1-battery", "station-north", "platform-1"),
        ("n1-probe", "station-north", "platform-1e"),
        ("n2-late", "station-north", "platform-2"),
        ("d1-window", "depot-east", "hall"),
        ("d2-never", "depot-east", "roof"),
        ("d3-clock", "depot-east", "gate"),
    ):
        _device(conn, world, "platform-air", code, site, position, start, AIR, canary=AIR_CANARY)
    _device(conn, world, "platform-air", "p2-new", "depot-east", "store", start, AIR, canary=AIR_CANARY)
    swap = world.now - timedelta(days=1)
    end_deployment(conn, device_id=world.devices["p2-new"], at=swap)
    swap_device(conn, old_device_id=world.devices["p2-north"], new_device_id=world.devices["p2-new"], at=swap)
    retire_device(conn, device_id=world.devices["p2-north"], at=swap)
    add_window(
        conn,
        kind=WindowKind.MAINTENANCE,
        site=None,
        device_id=world.devices["d1-window"],
        start=world.now - timedelta(hours=5),
        end=world.now + timedelta(hours=3),
        reason="Cleaning of the hall",
        declared_by="metro",
        now=world.now - timedelta(hours=4),
    )


def _ward(conn: Connection, world: World) -> None:
    start = world.now - timedelta(days=WARD_DAYS)
    add_trial(
        conn,
        code="ward-ventilation",
        title={"en": f"Ward ventilation {WARD_CANARY}", "fr": f"Ventilation d'un service {WARD_CANARY}"},
        host="hospital-demo",
        company="boreal-demo",
        evaluator="evaluation-demo",
        now=start - timedelta(days=30),
    )
    for state in (TrialState.SHORTLISTED, TrialState.AGREEMENT, TrialState.DEPLOYMENT, TrialState.RUNNING):
        move_trial(conn, trial="ward-ventilation", to=state, at=start - timedelta(days=1), login="lab")
    for code, role in (("ward-a", DatastreamRole.CANDIDATE), ("ward-b", DatastreamRole.CONTROL)):
        _device(
            conn,
            world,
            "ward-ventilation",
            code,
            "hospital-south",
            code,
            start,
            ("co2", "temperature"),
            role=role,
            every=timedelta(hours=1),
            canary=WARD_CANARY,
        )


def _message(trial: str, device: str, suffix: str, content: Any, at: datetime, delay: float = 1.0) -> Message:
    payload = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Message(
        f"insitu/v1/{trial}/{device}/{suffix}", payload, to_us(at) + int(delay * 1e6), size=len(payload)
    )


def _air_messages(world: World) -> Iterator[Message]:
    noise = random.Random(1)
    start = world.now - timedelta(days=AIR_DAYS)
    until = {
        "p2-silent": timedelta(hours=20),
        "n2-late": timedelta(minutes=50),
        "d2-never": timedelta(days=99),
    }
    codes = [code for code in world.devices if code not in ("ward-a", "ward-b")]
    for index, code in enumerate(codes):
        first = start + timedelta(seconds=17 * index)
        for step in range(AIR_DAYS * 96 + 1):
            at = first + timedelta(minutes=15) * step
            if at > world.now - until.get(code, timedelta()):
                break
            swapped = world.now - timedelta(days=1)
            if (code == "p2-north" and at >= swapped) or (code == "p2-new" and at < swapped):
                continue
            if code == "p1-south" and 180 <= step < 200:  # an outage
                continue
            day = 2 * math.pi * (at.hour + at.minute / 60) / 24
            results = {
                "pm25": round(28 + 12 * math.sin(day - 1.2) + noise.gauss(0, 2.0), 1),
                "temperature": round(21 + 2 * math.sin(day) + noise.gauss(0, 0.1), 2),
                "humidity": round(52 - 6 * math.sin(day) + noise.gauss(0, 0.5), 1),
            }
            if code == "p1-north" and step == AIR_DAYS * 96 - 8:
                results["pm25"] = AIR_NUMBER
            if code == "n1-probe" and step > AIR_DAYS * 96 - 40:
                results.pop("humidity")
            stamp = at + timedelta(minutes=8) if code == "d3-clock" else at
            yield _message(
                "platform-air",
                code,
                "obs",
                {"boot": "b1", "seq": step, "time": stamp.isoformat(), "results": results},
                at,
            )
        if code != "d2-never":
            battery = 9 if code == "n1-battery" else 91 - index
            status = {
                "state": "online",
                "battery": battery,
                "rssi": -71.0 - index,
                "firmware": "1.4.2",
                "time": at.isoformat(),
            }
            yield _message("platform-air", code, "status", status, min(at, world.now) - timedelta(minutes=15))


def _ward_messages(world: World) -> Iterator[Message]:
    """Hourly results. A whole day holds the same results at every hour at which the world may be made, so the
    judgements do not depend on that hour.
    """
    start = world.now - timedelta(days=WARD_DAYS)
    midnight = start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for number, code in enumerate(("ward-a", "ward-b")):
        for step in range(WARD_DAYS * 24 + 1):
            at = start + timedelta(hours=step)
            hours = (at - midnight) // timedelta(hours=1)
            noise = random.Random(1000 * hours + number)
            busy = max(0.0, math.sin(2 * math.pi * (hours % 24 - 6) / 24))
            effect = -160.0 if code == "ward-a" and hours >= WARD_DAYS * 12 else 0.0
            results = {
                "co2": round(620 + 300 * busy + effect + noise.gauss(0, 25), 1),
                "temperature": round(22 + noise.gauss(0, 0.2), 2),
            }
            if code == "ward-a" and step == WARD_DAYS * 24 - 3:
                results["co2"] = WARD_NUMBER
            yield _message("ward-ventilation", code, "obs", {"time": at.isoformat(), "results": results}, at)


def _bad_messages(world: World) -> Iterator[Message]:
    at = world.now - timedelta(hours=2)
    hostile = "<script>alert(1)</script>"
    for n in range(3):
        yield _message(
            "platform-air",
            "p1-north",
            "obs",
            {"results": {f"{AIR_CANARY}{hostile}": n}},
            at + timedelta(minutes=n),
        )
    yield _message("platform-air", "p1-south", "obs", b'{"results": {"pm25": ', at)
    yield _message("platform-air", "p1-south", "obs", b"\x00\xff\xfe\x80 binary " + AIR_CANARY.encode(), at)
    yield _message(
        "platform-air", "p1-north", "obs", {"time": "1970-01-01T00:00:07Z", "results": {"pm25": 12.0}}, at
    )
    yield _message("platform-air", "p1-north", "obs", b'{"results": {"pm25": NaN}}', at)
    yield _message("platform-air", "p1-north", "obs", {"results": {"pm25": "=cmd|' /C calc'!A0"}}, at)
    yield _message("platform-air", "stranger", "obs", {"results": {"pm25": 1}, "note": AIR_CANARY}, at)
    yield _message("ward-ventilation", "ward-a", "obs", {"results": {f"radon-{WARD_CANARY}": 1}}, at)
    yield _message("nowhere", "x", "obs", {"results": {"pm25": 1}}, at)


def _send(conn: Connection, messages: Iterator[Message]) -> None:
    known = load_snapshot(conn)
    found = sorted(messages, key=lambda one: one.received_us)
    for at in range(0, len(found), 2000):
        batch = found[at : at + 2000]
        book(conn, prepare(batch, known), client_id="tests", now_us=batch[-1].received_us)
        conn.commit()


def text(en: str) -> dict[str, str]:
    return {"en": en, "fr": f"{en} (fr)"}


def protocol(now: datetime) -> Protocol:
    """A protocol for two wards, before and after."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    middle, start, end = (
        midnight - timedelta(days=WARD_DAYS // 2),
        midnight - timedelta(days=WARD_DAYS - 1),
        midnight,
    )
    return Protocol.model_validate(
        {
            "trial": "ward-ventilation",
            "title": text(f"Ventilation {WARD_CANARY}"),
            "question": text("Does it lower CO2 by 50 ppm?"),
            "hypothesis": text("CO2 falls by at least 50 ppm."),
            "periods": [
                {"name": "baseline", "start": start, "end": middle},
                {"name": "reporting", "start": middle, "end": end},
            ],
            "arms": [
                {"name": "treated", "role": "candidate", "site": "hospital-south", "devices": ["ward-a"]},
                {"name": "control", "role": "control", "site": "hospital-south", "devices": ["ward-b"]},
            ],
            "measurements": [{"property": "co2", "arms": ["treated", "control"], "interval": 3600}],
            "checks": [
                {"property": "co2", "check": "gross_range", "parameters": {"fail_low": 0, "fail_high": 2000}}
            ],
            "endpoints": [
                {
                    "name": "co2",
                    "title": text("CO2 in the ward"),
                    "property": "co2",
                    "unit": "[ppm]",
                    "design": "control_sites",
                    "arms": {"candidate": "treated", "control": "control"},
                    "criteria": [
                        {
                            "statistic": "effect",
                            "target": {"high": -50.0},
                            "justification": text("What people notice."),
                        }
                    ],
                }
            ],
            "missing_data": text("Left out."),
            "decisions": {
                name: text(f"Then {name}") for name in ("met", "not_met", "inconclusive", "not_evaluable")
            },
        }
    )


def _evaluate(conn: Connection, now: datetime) -> int:
    locked_at = now - timedelta(days=WARD_DAYS // 2 + 2)
    lock_protocol(conn, protocol(now), now=locked_at, login="judge")
    conn.commit()
    check_quality(conn, "ward-ventilation", now=now)
    number, _ = evaluate_trial(conn, "ward-ventilation", now=now, login="judge", simulated=False)
    return number
