"""The bench of evaluations at small sizes: it fills what it says, runs the real evaluation, and prints a
complete table.
"""

from __future__ import annotations

import threading
from datetime import timedelta

import numpy as np
import pytest

from insitu.clock import SYSTEM
from insitu.model import Verdict
from jobs.evaluations import evaluate_changed
from proving.speed.evaluations import measure
from proving.speed.fill import EFFECT, START, Size, add_lab, add_trial
from store.catalogue.datastreams import list_datastreams
from store.database import Connection
from store.observations import series
from trials.workflow.evaluating import evaluate_trial

SIZE = Size(devices=4, days=40, interval=timedelta(hours=1))


def filled(conn: Connection, code: str, seed: int) -> dict[str, tuple[bytes, ...]]:
    """Device → (times, results, flags, receipts)."""
    add_trial(conn, code, SIZE, seed=seed)
    conn.commit()
    streams = list_datastreams(conn, code)
    found = series(conn, [s.datastream_id for s in streams], START, START + timedelta(days=SIZE.days))
    return {
        s.device: tuple(column.tobytes() for column in (one.time_us, one.result, one.flag, one.received_us))
        for s in streams
        for one in [found[s.datastream_id]]
    }


def test_the_same_seed_fills_the_same_trial(conn: Connection) -> None:
    add_lab(conn)
    first, same, other = (filled(conn, code, seed) for code, seed in (("one", 1), ("two", 1), ("three", 2)))
    assert first == same
    assert all(first[device] != other[device] for device in first)


def test_what_is_filled_is_nearly_what_was_planned_and_has_the_effect_it_says(conn: Connection) -> None:
    add_lab(conn)
    add_trial(conn, "one", SIZE, seed=1)
    _, evaluation = evaluate_trial(conn, "one", now=START + timedelta(days=41), login="lab", simulated=False)
    assert 0.85 * SIZE.observations < evaluation.observations < SIZE.observations
    assert evaluation.verdict is Verdict.MET
    effect = evaluation.endpoints[0].estimates[0]
    assert effect.low < EFFECT < effect.high
    assert {d.checks_run for d in evaluation.datastreams} == {1}
    assert [d.code for d in evaluation.deviations] == []
    assert sum(d.late for d in evaluation.datastreams) == 0, "kept back for hours, and not for a day"
    assert np.any([gap.backfilled for gap in evaluation.gaps])


@pytest.mark.long
def test_the_bench_measures_every_target_and_prints_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    measure(
        lambda conn: len(evaluate_changed(conn, SYSTEM, threading.Event())),
        large=SIZE,
        small=Size(devices=2, days=40, interval=timedelta(hours=1)),
        trials=3,
        runs=1,
    )
    printed = capsys.readouterr().out
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in printed.splitlines()
        if line.startswith("|")
    ][2:]
    assert [row[2] for row in rows] == ["20", "6", "60", "60", "2", "60", "60"]
    assert rows[1][0].endswith("packed, run 1")
    assert rows[3][0].endswith("its package verified")
    assert rows[5][0].endswith("3 had changed")
    assert rows[6][0].endswith("0 had changed")
    assert all(float(row[1]) > 0 for row in rows[:6])
    assert float(rows[0][3]) > 0.2
    assert 50 < float(rows[0][4]) < 1_536
    assert "large: met" in printed
