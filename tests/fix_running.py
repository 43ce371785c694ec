"""A small trial that runs, and one that was evaluated: an evaluation costs more than a copy."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from insitu.model import Observation, TrialState, WindowKind
from insitu.times import to_us
from store.catalogue.trials import get_trial, move_trial
from store.catalogue.windows import add_window
from store.database import Connection
from store.imports import Origin, begin_import, withdraw_import
from store.observations import merge
from tests.fix_catalogue import START, SmallTrial
from tests.fix_database import filled_template
from tests.trials.world import criterion, endpoint, noise, protocol_json
from trials.plan.protocol import Protocol
from trials.workflow.blinding import unblind
from trials.workflow.checking import check_quality
from trials.workflow.evaluating import evaluate_trial
from trials.workflow.locking import lock_protocol

DAY = timedelta(days=1)


@pytest.fixture(scope="session")
def running_template(
    database_server: str, catalogue_template: tuple[str, SmallTrial]
) -> Iterator[tuple[str, None]]:
    """Name of a database with the small trial while it runs."""
    name, small = catalogue_template
    with filled_template(database_server, name, lambda conn: run(conn, small)) as filled:
        yield filled


@pytest.fixture(scope="session")
def unblinded_template(
    database_server: str, running_template: tuple[str, None]
) -> Iterator[tuple[str, None]]:
    """Name of a database with the small trial after its evaluation."""
    with filled_template(database_server, running_template[0], evaluate) as filled:
        yield filled


@pytest.fixture
def running(conn: Connection, catalogue: SmallTrial) -> Connection:
    """A blinded before/after of 40 days, locked, with its observations, on its last day."""
    if get_trial(conn, "t").state is TrialState.NEED:
        run(conn, catalogue)
    return conn


@pytest.fixture
def unblinded(running: Connection) -> Connection:
    """The same, evaluated and unblinded, with a withdrawn import and a window that was declared late."""
    if running.execute("SELECT FROM evaluation").fetchone() is None:
        evaluate(running)
        running.commit()
    return running


def run(conn: Connection, small: SmallTrial) -> None:
    for state in (TrialState.SHORTLISTED, TrialState.AGREEMENT, TrialState.DEPLOYMENT, TrialState.RUNNING):
        move_trial(conn, trial="t", to=state, at=START, login="lab")
    made = endpoint(
        "before_after", [criterion("effect", high=-2)], arms=["candidate"], property="pm25", blinded=True
    )
    periods = [
        {"name": name, "start": (START + first * DAY).isoformat(), "end": (START + last * DAY).isoformat()}
        for name, first, last in (("baseline", 0, 20), ("reporting", 20, 40))
    ]
    document = protocol_json(made, periods=periods, devices={"candidate": ["a"]}, time_zone="UTC") | {
        "trial": "t"
    }
    lock_protocol(conn, Protocol.model_validate(document), now=START - DAY, login="judge")
    receive(conn, small.datastreams["a", "pm25"], list(range(960)), results())
    check_quality(conn, "t", now=START + 40 * DAY)


def evaluate(conn: Connection) -> None:
    after = START + 41 * DAY
    number = begin_import(conn, Origin("a.csv", "lab", "t"), now=after)
    withdraw_import(conn, number, login="lab", reason="wrong", now=after)
    evaluate_trial(conn, "t", now=after, login="judge", simulated=False)
    unblind(conn, "t", "main", reason="done", now=after + DAY, login="judge", simulated=False)
    add_window(
        conn,
        kind=WindowKind.MAINTENANCE,
        site="station",
        start=START,
        end=START + DAY,
        reason="r",
        declared_by="lab",
        now=after,
    )


def results() -> NDArray[np.float64]:
    """A reduction of 6 half-way, a probe stuck from hour 30 to 100 and again from 300 to 308, and two
    impossible results.
    """
    values = 20 + noise(np.random.default_rng(9), 0.4, 960, 1.0)
    values[480:] -= 6
    values[30:100] = 21.5
    values[300:309] = 19.0
    values[[200, 700]] = 900.0
    return values


def receive(
    conn: Connection,
    datastream: int,
    hours: list[int],
    values: NDArray[np.float64],
    delay: timedelta = timedelta(minutes=1),
) -> None:
    rows = []
    for hour in hours:
        at = START + hour * timedelta(hours=1)
        rows.append(Observation(datastream, to_us(at), float(values[hour]), to_us(at + delay), 0))
    merge(conn, rows)
    conn.commit()
