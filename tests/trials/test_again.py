"""Evaluating again when the facts have changed, on a real database: late data, windows, amendments; and when
it must not happen.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from insitu.model import Observation, TrialState, Verdict, WindowKind
from insitu.times import to_us
from store import audit
from store import trials as store_trials
from store.catalogue.trials import move_trial
from store.catalogue.windows import add_window
from store.database import Connection
from store.observations import merge
from tests.fix_catalogue import START, SmallTrial
from tests.fix_running import receive, results
from tests.trials.test_workflow import END, plan
from trials.evaluation import Evaluation
from trials.plan.protocol import Protocol
from trials.plan.reading import document_of
from trials.workflow.again import Again, evaluate_again, evaluated_trials
from trials.workflow.checking import check_quality
from trials.workflow.evaluating import evaluate_trial
from trials.workflow.locking import lock_protocol

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NIGHT = END + 2 * DAY
TEXT = {"en": "Text", "fr": "Texte"}


@pytest.fixture
def evaluated(conn: Connection, catalogue: SmallTrial) -> SmallTrial:
    """A running trial of forty days that was evaluated, and met, a day after its end."""
    locked(conn, plan())
    receive(conn, catalogue.datastreams["a", "pm25"], list(range(960)), results())
    check_quality(conn, "t", now=END)
    _, evaluation = evaluate_trial(conn, "t", now=END + DAY, login="judge", simulated=False)
    conn.commit()
    assert evaluation.verdict is Verdict.MET
    return catalogue


def locked(conn: Connection, protocol: Protocol) -> None:
    for state in (TrialState.SHORTLISTED, TrialState.AGREEMENT, TrialState.DEPLOYMENT, TrialState.RUNNING):
        move_trial(conn, trial="t", to=state, at=START - DAY, login="lab")
    lock_protocol(conn, protocol, now=START - DAY, login="judge")


def amended(**changed: Any) -> Protocol:
    """The second version of the plan."""
    return Protocol.model_validate(document_of(plan()) | {"version": 2, "reason": TEXT, **changed})


def late(conn: Connection, trial: SmallTrial, value: float = 60.0) -> None:
    """Adds a result of hour 150, received after the evaluation."""
    at = START + 150 * HOUR + HOUR / 2
    merge(conn, [Observation(trial.datastreams["a", "pm25"], to_us(at), value, to_us(END + DAY + HOUR), 0)])
    conn.commit()


def again(conn: Connection) -> Again | None:
    found = evaluate_again(conn, "t", now=NIGHT, login="nightly", simulated=False)
    conn.commit()
    return found


def test_where_nothing_changed_nothing_is_written(conn: Connection, evaluated: SmallTrial) -> None:
    assert evaluated_trials(conn) == ["t"]
    lines = len(audit.audit(conn))
    assert again(conn) is None
    assert len(store_trials.evaluations(conn, "t")) == 1
    assert len(audit.audit(conn)) == lines


def test_late_data_make_another_evaluation_that_says_what_changed(
    conn: Connection, evaluated: SmallTrial
) -> None:
    late(conn, evaluated)
    found = again(conn)
    assert found is not None
    assert "observations" in found.reasons
    (change,) = found.evaluation.changed
    assert (change.statistic, change.verdict_before, change.verdict_after) == (
        "effect",
        Verdict.MET,
        Verdict.MET,
    )
    assert change.before != change.after
    newest, first = store_trials.evaluations(conn, "t")
    assert (newest.evaluation_id, newest.evaluated_by, newest.evaluated_at) == (
        found.number,
        "nightly",
        NIGHT,
    )
    assert json.loads(newest.document)["changed"][0]["previous_sha256"] == first.sha256
    assert again(conn) is None, "the next night finds nothing new"


def test_late_data_are_checked_before_they_count(conn: Connection, evaluated: SmallTrial) -> None:
    late(conn, evaluated, value=900.0)
    found = again(conn)
    assert found is not None
    assert found.evaluation.changed == [], "an impossible result changes no number"
    assert found.evaluation.datastreams[0].by_check["gross_range"] == 3


def test_a_window_that_was_declared_afterwards_makes_another_evaluation(
    conn: Connection, evaluated: SmallTrial
) -> None:
    add_window(
        conn,
        kind=WindowKind.MAINTENANCE,
        start=START + 20 * HOUR,
        end=START + 30 * HOUR,
        reason="filter",
        declared_by="operator",
        now=END + DAY,
        trial="t",
    )
    found = again(conn)
    assert found is not None
    assert found.reasons == ["windows", "gaps", "deviations"]
    assert [w.afterwards for w in found.evaluation.windows] == [True]


def test_an_amendment_makes_another_evaluation_under_the_new_version(
    conn: Connection, evaluated: SmallTrial
) -> None:
    document = document_of(plan())
    document["endpoints"][0]["criteria"][0]["target"] = {"high": -9}
    lock_protocol(conn, amended(endpoints=document["endpoints"]), now=END + DAY, login="judge")
    found = again(conn)
    assert found is not None
    assert "protocol" in found.reasons
    assert found.evaluation.protocol["version"] == 2
    (change,) = found.evaluation.changed
    assert (change.verdict_before, change.verdict_after) == (Verdict.MET, Verdict.NOT_MET)


def test_refused_messages_alone_make_no_other_evaluation(conn: Connection, evaluated: SmallTrial) -> None:
    stored = store_trials.latest_evaluation(conn, "t")
    assert stored is not None
    told = Evaluation.model_validate_json(stored.document)
    from trials.evaluation import RejectSummary
    from trials.workflow.again import differences

    more = told.model_copy(
        update={"rejects": [RejectSummary(device="a", reason="unparsable", messages=9, results=0)]}
    )
    assert differences(told, more) == []
    assert differences(told, told.model_copy(update={"inputs_sha256": "0" * 64})) == ["observations"]


def test_no_night_looks_at_a_trial_before_its_reporting_period_has_ended(
    conn: Connection, catalogue: SmallTrial
) -> None:
    """A person asked for an interim look; the following nights make no more looks, until the end."""
    locked(conn, plan())
    receive(conn, catalogue.datastreams["a", "pm25"], list(range(800)), results())
    _, look = evaluate_trial(conn, "t", now=START + 800 * HOUR, login="judge", simulated=False)
    assert look.interim
    receive(conn, catalogue.datastreams["a", "pm25"], list(range(800, 960)), results())
    assert evaluate_again(conn, "t", now=END - HOUR, login="nightly", simulated=False) is None
    found = evaluate_again(conn, "t", now=END, login="nightly", simulated=False)
    assert found is not None
    assert "the reporting period has ended" in found.reasons
    assert not found.evaluation.interim


def test_an_amendment_that_prolongs_the_reporting_period_stops_the_nights_until_its_new_end(
    conn: Connection, evaluated: SmallTrial
) -> None:
    periods = document_of(plan())["periods"]
    periods[1]["end"] = (END + 30 * DAY).isoformat()
    lock_protocol(conn, amended(periods=periods), now=END + DAY, login="judge")
    late(conn, evaluated)
    assert again(conn) is None


def test_after_a_decision_nothing_is_evaluated_unasked(conn: Connection, evaluated: SmallTrial) -> None:
    move_trial(conn, trial="t", to=TrialState.BUY, at=END + DAY, login="host")
    late(conn, evaluated)
    assert evaluated_trials(conn) == []
    assert again(conn) is None


def test_what_is_blinded_stays_blinded_at_night(conn: Connection, catalogue: SmallTrial) -> None:
    document = document_of(plan())
    document["endpoints"][0]["blinded"] = True
    locked(conn, Protocol.model_validate(document))
    receive(conn, catalogue.datastreams["a", "pm25"], list(range(960)), results())
    evaluate_trial(conn, "t", now=END + DAY, login="judge", simulated=False)
    late(conn, catalogue)
    found = again(conn)
    assert found is not None
    assert found.evaluation.blinded
    assert found.evaluation.endpoints[0].estimates == []
    assert found.evaluation.changed == []
