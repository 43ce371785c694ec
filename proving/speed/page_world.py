"""An installation for `proving.speed.pages`: a fleet with packed results, signs of life and refused messages,
an evaluated trial, and the server of the pages as a process of its own.
"""

from __future__ import annotations

import http.client
import os
import secrets
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from api.access import LIFETIME, digest
from ingest.booking import book
from ingest.reading import prepare
from insitu.clock import Clock
from insitu.embedded.child import Child
from insitu.embedded.postgres import Postgres
from insitu.errors import InsituError
from insitu.model import Message, OrganisationKind, TrialState
from insitu.times import to_us
from insitu.wire import PREFIX
from proving.speed.fill import START, Size, add_trial
from proving.speed.questions import World
from proving.speed.reads import TRIAL, fill_packed, register
from store.access import add_person, sign_in
from store.catalogue.organisations import add_organisation
from store.catalogue.snapshot import load_snapshot
from store.catalogue.trials import move_trial
from store.database import Connection, connect, migrate
from store.packed.checking import settle
from trials.workflow.evaluating import evaluate_trial

REPORTED: Final = "reported"
EVALUATED: Final = Size(devices=10, days=60, interval=timedelta(minutes=15))
LABS: Final = 25
"""People of the lab; each may have ten live screens."""
_REFUSED: Final = 500
_BATCH: Final = 2000
_PATIENCE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Installation:
    """`tokens`: sessions of the people of the lab. `now`: where the clock of the pages begins."""

    folder: Path
    postgres: Postgres
    world: World
    evaluation: int
    tokens: list[str]
    now: datetime


def fill_installation(folder: Path, postgres: Postgres, size: Size) -> Installation:
    """Fills the empty database. The fleet's results and those of the evaluated trial end at the same time."""
    now = START + timedelta(days=max(size.days, EVALUATED.days))
    with connect(postgres.url, application="insitu bench") as conn:
        migrate(conn)
        world = register(conn, size, now - timedelta(days=size.days))
        for state in (
            TrialState.SHORTLISTED,
            TrialState.AGREEMENT,
            TrialState.DEPLOYMENT,
            TrialState.RUNNING,
        ):
            move_trial(conn, trial=TRIAL, to=state, at=START, login="lab")
        fill_packed(conn, world)
        add_trial(conn, REPORTED, EVALUATED, seed=1)
        evaluation, _ = evaluate_trial(conn, REPORTED, now=now, login="lab", simulated=True)
        tokens = _people(conn)
        conn.commit()
        send(conn, _messages(world, now))
        settle(conn)
    return Installation(folder, postgres, world, evaluation, tokens, now)


def _people(conn: Connection) -> list[str]:
    add_organisation(conn, code="lab", name="Lab", kind=OrganisationKind.LAB, now=START)
    tokens = []
    for number in range(LABS):
        person = add_person(
            conn,
            login=f"lab-{number}",
            name="Lab",
            organisation="lab",
            password_hash=None,
            language="en",
            now=START,
        )
        tokens.append(secrets.token_urlsafe(32))
        sign_in(conn, person_id=person, token_sha256=digest(tokens[-1]), lifetime=LIFETIME)
    return tokens


def _messages(world: World, now: datetime) -> Iterator[Message]:
    """A result of each device, received now; and refused ones of some."""
    for number in range(world.size.devices):
        yield message(number, b'{"results":{"no2":21.5},"battery":80}', now)
    for number in range(_REFUSED):
        yield message(number % world.size.devices, b'{"results":{"no3":%d}}' % number, now)


def message(device: int, payload: bytes, at: datetime) -> Message:
    return Message(f"{PREFIX}/{TRIAL}/d{device:05}/obs", payload, to_us(at))


def send(conn: Connection, messages: Iterator[Message]) -> None:
    """By the path that messages of devices take; commits."""
    known, found = load_snapshot(conn), list(messages)
    for first in range(0, len(found), _BATCH):
        batch = found[first : first + _BATCH]
        book(conn, prepare(batch, known), client_id="bench", now_us=batch[-1].received_us)
        conn.commit()


@dataclass(frozen=True, slots=True)
class Pages:
    """`began`: the wall's time (s since 1970) at which the clock of the pages showed `Installation.now`."""

    port: int
    pid: int
    began: float


@contextmanager
def serving(made: Installation) -> Iterator[Pages]:
    """`insitu serve` over that database, when it answers; its clock goes on from the end of the results."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.time() - 5
    clock = Clock.simulated(
        real_start=began,
        history=timedelta(days=1),
        takes=timedelta(seconds=1),
        ends=made.now.timestamp(),
    )
    environment = {name: text for name, text in os.environ.items() if not name.startswith("INSITU_")}
    environment |= {
        "INSITU_DATABASE_URL": made.postgres.url,
        "INSITU_DATA_DIR": str(made.folder / "data"),
        "INSITU_HTTP_LISTEN": f"127.0.0.1:{port}",
    }
    (made.folder / "data").mkdir(exist_ok=True)
    child = Child(
        [sys.executable, "-P", "-m", "cli", "serve", "--clock", clock.dumps()],
        log=made.folder / "serve.log",
        env=environment,
    )
    child.start()
    try:
        _wait(port, child)
        assert child.pid is not None
        yield Pages(port, child.pid, began + 1)
    finally:
        child.stop()


def _wait(port: int, child: Child) -> None:
    limit = time.monotonic() + _PATIENCE_S
    while True:
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            link.request("GET", "/healthz")
            if link.getresponse().status == 200:
                return
        except OSError:
            if child.poll() is not None or time.monotonic() > limit:
                raise InsituError(f"The pages do not start: {child.last_words(3)}") from None
            time.sleep(0.05)
        finally:
            link.close()
