"""The nightly job: once a day at its hour, each trial in a transaction of its own, and never in a simulated
history.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from insitu.clock import Clock
from jobs.evaluations import Night, evaluate_changed, evaluate_when_due
from proving.speed.fill import START, Size, add_lab, add_late, add_trial
from store import trials as store_trials
from store.access import fact, put_fact
from store.database import Connection, connect
from trials.workflow.evaluating import evaluate_trial

SIZE = Size(devices=2, days=40, interval=timedelta(hours=1))
PARIS = ZoneInfo("Europe/Paris")
NIGHT = Night(3, PARIS)


def showing(moment: datetime) -> Clock:
    """A clock that shows this moment now and runs at the pace of the wall clock; its history is over."""
    real = time.time()
    return Clock(
        start=moment.timestamp() - 2, real_start=real - 2, rate=2.0, fast_until=moment.timestamp() - 1
    )


@pytest.fixture
def trials(conn: Connection) -> list[str]:
    """Three small trials, each with an evaluation and one late observation since."""
    names = ["one", "three", "two"]
    add_lab(conn)
    for seed, name in enumerate(names):
        add_trial(conn, name, SIZE, seed=seed)
        evaluate_trial(conn, name, now=START + timedelta(days=41), login="lab", simulated=False)
        add_late(conn, name, START + timedelta(days=42))
        conn.commit()
    return names


def counts(conn: Connection, names: list[str]) -> list[int]:
    return [len(store_trials.evaluations(conn, name)) for name in names]


def test_a_night_evaluates_each_changed_trial_once_and_says_what_changed(
    conn: Connection, trials: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    clock = showing(START + timedelta(days=43))
    with caplog.at_level(logging.INFO, logger="insitu.jobs"):
        found = evaluate_changed(conn, clock, threading.Event())
    assert sorted(found) == trials
    assert counts(conn, trials) == [2, 2, 2]
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 3
    assert all("observations" in line and "reduction effect" in line for line in lines)
    assert evaluate_changed(conn, clock, threading.Event()) == {}
    assert counts(conn, trials) == [2, 2, 2]


def test_what_one_trial_cannot_do_delays_no_other(
    conn: Connection, trials: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A protocol that this version cannot read, as an older version might have stored it."""
    stored = store_trials.locked_protocol(conn, "three")
    assert stored is not None
    number = store_trials.save_protocol(
        conn,
        trial="three",
        version=2,
        document=stored.document.replace('"insitu/protocol/1"', '"insitu/protocol/0"'),
        sha256="0",
        now=START,
        reason="Broken",
    )
    store_trials.lock_protocol(conn, protocol_id=number, at=START, login="lab")
    conn.commit()
    with caplog.at_level(logging.INFO, logger="insitu.jobs"):
        found = evaluate_changed(conn, showing(START + timedelta(days=43)), threading.Event())
    assert sorted(found) == ["one", "two"]
    (error,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert "three could not be evaluated again" in error
    assert counts(conn, trials) == [2, 1, 2]


def test_two_workers_in_one_night_make_one_evaluation_each_trial(
    conn: Connection, database_url: str, trials: list[str]
) -> None:
    clock, made = showing(START + timedelta(days=43)), []

    def work() -> None:
        with connect(database_url, application="tests") as own:
            made.append(len(evaluate_changed(own, clock, threading.Event())))

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sum(made) == 3
    assert counts(conn, trials) == [2, 2, 2]


def test_a_night_begins_at_its_local_hour_and_comes_once_a_day(conn: Connection, trials: list[str]) -> None:
    day = datetime(2024, 5, 10, tzinfo=PARIS)
    stop = threading.Event()

    def work(hour: float, days: int = 0) -> list[int]:
        evaluate_when_due(
            conn,
            showing((day + timedelta(days=days)).replace(tzinfo=UTC) + timedelta(hours=hour - 2)),
            NIGHT,
            stop,
        )
        return counts(conn, trials)

    assert work(12) == [1, 1, 1], "a new installation has missed no night"
    assert work(23) == [1, 1, 1]
    assert work(2.9, days=1) == [1, 1, 1], "the hour has not come"
    assert work(3.1, days=1) == [2, 2, 2]
    add_late_to(conn, trials[0])
    assert work(23, days=1) == [2, 2, 2], "once a day"
    assert work(14, days=2) == [3, 2, 2], "nothing ran at three: made up for"


def add_late_to(conn: Connection, trial: str) -> None:
    """Adds another late observation, at another time than the first."""
    from insitu.model import ClockQuality, Observation
    from insitu.times import to_us
    from store.catalogue.datastreams import list_datastreams
    from store.observations import merge

    stream = list_datastreams(conn, trial)[0].datastream_id
    merge(
        conn,
        [
            Observation(
                stream, to_us(START) + 2_000_001, 31.0, to_us(START + timedelta(days=70)), ClockQuality.DEVICE
            )
        ],
    )
    conn.commit()


def test_a_simulated_history_has_no_nights(conn: Connection, trials: list[str]) -> None:
    """Days pass within seconds: trials are evaluated at the end of the history, and nights follow from then
    on.
    """
    put_fact(conn, "evaluated_again", "2024-04-12")
    conn.commit()
    begins, real = datetime(2024, 5, 1, tzinfo=PARIS).timestamp(), time.time()
    history = Clock(start=begins, real_start=real, rate=86_400.0, fast_until=begins + 60 * 86_400)
    evaluate_when_due(conn, history, NIGHT, threading.Event())
    assert NIGHT.begun(history) is None
    assert counts(conn, trials) == [1, 1, 1]
    assert fact(conn, "evaluated_again") == "2024-04-12"


def test_a_worker_that_is_told_to_stop_leaves_the_rest_for_the_next_start(
    conn: Connection, trials: list[str]
) -> None:
    put_fact(conn, "evaluated_again", "2024-04-12")
    conn.commit()
    stop = threading.Event()
    stop.set()
    clock = showing(datetime(2024, 5, 10, 12, tzinfo=UTC))
    evaluate_when_due(conn, clock, NIGHT, stop)
    assert counts(conn, trials) == [1, 1, 1]
    evaluate_when_due(conn, clock, NIGHT, threading.Event())
    assert counts(conn, trials) == [2, 2, 2]
