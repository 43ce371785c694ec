"""Stamps from the database to the package: a result stamped at the end of a period is loaded with it, its
flags go along, and evaluations of rules 1 stay what they were.
"""

from __future__ import annotations

import csv
import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from insitu.model import DatastreamRole, Observation, Stamp, TrialState
from insitu.spacing import Spacing
from insitu.times import to_us
from store import trials as store_trials
from store.catalogue.trials import move_trial
from store.database import Connection
from store.mapping import new_mapping
from store.mappings import replace_mappings
from store.observations import merge
from tests.fix_catalogue import START, SmallTrial
from tests.trials.world import criterion, endpoint, protocol_json
from trials.evaluation import Evaluation, document_of
from trials.judge.compute import compute
from trials.package.verify import verify
from trials.plan.protocol import Protocol
from trials.plan.rules import NEWEST, RULES_1, Rules
from trials.workflow.again import evaluate_again
from trials.workflow.checking import check_quality
from trials.workflow.evaluating import evaluate_trial, keep
from trials.workflow.exporting import write
from trials.workflow.loading import load_inputs
from trials.workflow.locking import lock_protocol

DAY = timedelta(days=1)
DAYS = 30
END = START + DAYS * DAY
GRAVI = "gravi"


def declare(conn: Connection, stamp: Stamp) -> None:
    filters = new_mapping(
        conn,
        field=GRAVI,
        property="pm25",
        role=DatastreamRole.CANDIDATE,
        every=Spacing(DAY),
        stamp=stamp,
        devices="b",
    )
    replace_mappings(conn, "t", [filters])
    conn.commit()


@pytest.fixture
def filters(conn: Connection, catalogue: SmallTrial) -> int:
    """Device b's filters, one a day from the day before the period to the day after it,
    stamped at their end.
    """
    declare(conn, Stamp.END)
    conn.execute(
        "DELETE FROM datastream WHERE datastream_id = %s", (catalogue.datastreams["b", "pm25"],)
    )  # b measures it with filters only
    (number,) = (
        conn.execute("SELECT datastream_id FROM datastream WHERE name = %s", (GRAVI,)).fetchone() or ()
    )
    values = 20 + np.random.default_rng(1).normal(0, 1, DAYS + 3)
    values[DAYS + 1] = 900.0  # the filter of the last day, stamped at the end of the period: FAIL
    for day, value in enumerate(values.tolist()):
        at = START + (day - 1) * DAY
        merge(conn, [Observation(number, to_us(at), value, to_us(at + DAY / 24), 0)])
    plan = Protocol.model_validate(
        protocol_json(
            endpoint("limit_compliance", [criterion("mean", high=30)], arms=["candidate"], property="pm25"),
            periods=[{"name": "reporting", "start": START.isoformat(), "end": END.isoformat()}],
            devices={"candidate": ["b"]},
            time_zone="UTC",
        )
        | {"trial": "t", "measurements": [{"property": "pm25", "arms": ["candidate"], "interval": "P1D"}]}
    )
    for state in (TrialState.SHORTLISTED, TrialState.AGREEMENT, TrialState.DEPLOYMENT, TrialState.RUNNING):
        move_trial(conn, trial="t", to=state, at=START - DAY, login="lab")
    lock_protocol(conn, plan, now=START - DAY, login="judge")
    check_quality(conn, "t", now=END + 2 * DAY)
    conn.commit()
    return int(number)


def evaluated(conn: Connection) -> tuple[int, Evaluation]:
    found = evaluate_trial(conn, "t", now=END + 2 * DAY, login="judge", simulated=False)
    conn.commit()
    return found


def test_the_results_of_a_period_are_those_whose_interval_lies_in_it(conn: Connection, filters: int) -> None:
    stored = store_trials.locked_protocol(conn, "t")
    assert stored is not None
    ends = load_inputs(conn, "t", stored, now=END + 2 * DAY, simulated=False)
    (stream,) = [s for s in ends.streams if s.name == GRAVI]
    assert stream.time_us.tolist() == [to_us(START + (day + 1) * DAY) for day in range(DAYS)]
    by_first = load_inputs(conn, "t", stored, now=END + 2 * DAY, simulated=False, rules=Rules(RULES_1))
    (stream,) = [s for s in by_first.streams if s.name == GRAVI]
    assert stream.time_us.tolist() == [to_us(START + day * DAY) for day in range(DAYS)]


def test_the_last_interval_and_its_flag_are_in_the_evaluation_and_the_package(
    conn: Connection, filters: int, tmp_path: Path
) -> None:
    number, evaluation = evaluated(conn)
    (gate,) = evaluation.gate
    assert (gate.planned, gate.valid) == (DAYS, DAYS - 1)  # the last filter failed its check
    (summary,) = [one for one in evaluation.datastreams if one.device == "b"]
    assert (summary.stamp, summary.received, summary.planned) == (Stamp.END, DAYS, DAYS)
    assert summary.by_check == {"gross_range": 1}
    write(conn, number, tmp_path, key=None)
    assert [check.name for check in verify(tmp_path) if not check.ok] == []
    with (tmp_path / "flags.csv").open(encoding="utf-8", newline="") as file:
        assert [row[1] for row in csv.reader(file)][1:] == [END.isoformat().replace("+00:00", "Z")]


def test_another_stamp_is_a_fact_that_makes_a_new_evaluation_and_is_named(
    conn: Connection, filters: int
) -> None:
    evaluated(conn)
    declare(conn, Stamp.BEGIN)
    found = evaluate_again(conn, "t", now=END + 3 * DAY, login="nightly", simulated=False)
    assert found is not None
    assert "datastreams" in found.reasons
    causes = {cause.code: cause.evidence for cause in found.evaluation.causes or []}
    assert causes["other_stamp"] == {"datastream": f"b/{GRAVI}", "before": "end", "after": "begin"}


def test_newer_rules_alone_make_no_new_evaluation_of_an_old_one(conn: Connection, filters: int) -> None:
    """An evaluation from before rules 2: its document names no rules, and its intervals ran in
    elapsed time.
    """
    declare(conn, Stamp.INSTANT)
    stored = store_trials.locked_protocol(conn, "t")
    assert stored is not None
    by_first = load_inputs(conn, "t", stored, now=END + 2 * DAY, simulated=False, rules=Rules(RULES_1))
    keep(conn, stored, compute(by_first), previous=None, login="judge")
    assert evaluate_again(conn, "t", now=END + 3 * DAY, login="nightly", simulated=False) is None
    merge(conn, [Observation(filters, to_us(START + DAY / 2), 25.0, to_us(END + 2 * DAY), 0)])
    found = evaluate_again(conn, "t", now=END + 3 * DAY, login="nightly", simulated=False)
    assert found is not None
    assert found.evaluation.rules == NEWEST
    assert "other_rules" in {cause.code for cause in found.evaluation.causes or []}
    assert json.dumps(document_of(found.evaluation)).count(f'"rules": {NEWEST}') == 1


def test_an_old_evaluation_is_exported_by_its_own_rules(
    conn: Connection, filters: int, tmp_path: Path
) -> None:
    stored = store_trials.locked_protocol(conn, "t")
    assert stored is not None
    by_first = load_inputs(conn, "t", stored, now=END + 2 * DAY, simulated=False, rules=Rules(RULES_1))
    number, _ = keep(conn, stored, compute(by_first), previous=None, login="judge")
    write(conn, number, tmp_path, key=None)
    assert [check.name for check in verify(tmp_path) if not check.ok] == []
    assert json.loads((tmp_path / "catalogue.json").read_text("utf-8"))["rules"] == RULES_1
