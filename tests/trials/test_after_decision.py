"""After the decision nothing can be locked: by no verb, by no page, and not in the database itself."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest

from insitu.errors import CorrectInput, ProtocolLocked
from insitu.model import TrialState
from store import trials as store_trials
from store.catalogue.trials import move_trial
from store.database import Connection, connect
from tests.fix_catalogue import START, SmallTrial
from tests.trials.test_workflow import END, plan
from tests.trials.world import TEXT
from trials.plan.protocol import Protocol
from trials.plan.reading import canonical, document_of
from trials.workflow.drafts import check_draft
from trials.workflow.locking import lock_protocol

DAY = timedelta(days=1)
WAY = (
    TrialState.SHORTLISTED,
    TrialState.AGREEMENT,
    TrialState.DEPLOYMENT,
    TrialState.RUNNING,
    TrialState.EVALUATED,
)
DECISIONS = [state for state in TrialState if state.is_decision]


def amended() -> Protocol:
    document: dict[str, Any] = document_of(plan()) | {"version": 2, "reason": TEXT}
    return Protocol.model_validate(document)


def move(conn: Connection, *states: TrialState) -> None:
    for state in states:
        move_trial(conn, trial="t", to=state, at=END + DAY, login="lab")


def test_the_three_ends_of_a_trial_are_decisions() -> None:
    assert [state.value for state in DECISIONS] == ["buy", "iterate", "stop"]


@pytest.mark.parametrize("decision", DECISIONS)
def test_nothing_is_locked_after_the_decision_and_the_error_says_what_to_do(
    conn: Connection, catalogue: SmallTrial, decision: TrialState
) -> None:
    lock_protocol(conn, plan(), now=START - DAY, login="judge")
    move(conn, *WAY, decision)
    with pytest.raises(CorrectInput) as refused:
        lock_protocol(conn, amended(), now=END + 2 * DAY, login="judge")
    assert str(refused.value) == (
        f"t was decided on {END + DAY:%Y-%m-%d %H:%M} UTC ({decision.value}): nothing can be locked after "
        "the decision. To ask another question, register a new trial and lock its protocol before its "
        "reporting period begins."
    )
    (stored,) = store_trials.protocols(conn, "t")
    assert stored.version == 1


def test_a_draft_says_so_before_anybody_tries(conn: Connection, catalogue: SmallTrial) -> None:
    move(conn, TrialState.STOP)
    text = canonical(document_of(plan())).decode()
    checked = check_draft(conn, "t", text, now=END, simulated=False)
    assert [one.field for one in checked.problems] == ["trial"]
    assert "nothing can be locked after the decision" in checked.problems[0].message


def test_it_may_be_locked_in_every_state_before_the_decision(conn: Connection, catalogue: SmallTrial) -> None:
    for version, state in enumerate([None, *WAY], 1):
        if state is not None:
            move(conn, state)
        reason = {"reason": TEXT} if version > 1 else {}
        document: dict[str, Any] = document_of(plan()) | {"version": version} | reason
        lock_protocol(conn, Protocol.model_validate(document), now=START - DAY, login="judge")


def test_the_database_refuses_it_too(conn: Connection, catalogue: SmallTrial) -> None:
    number = store_trials.save_protocol(conn, trial="t", version=1, document="{}", sha256="0", now=START)
    move(conn, TrialState.STOP)
    with pytest.raises(ProtocolLocked, match="the trial is decided: no protocol can be locked"):
        store_trials.lock_protocol(conn, protocol_id=number, at=END, login="judge")


def test_a_lock_waits_for_a_decision_that_is_being_made(
    conn: Connection, database_url: str, catalogue: SmallTrial
) -> None:
    number = store_trials.save_protocol(conn, trial="t", version=1, document="{}", sha256="0", now=START)
    conn.commit()
    move(conn, TrialState.STOP)  # not committed yet
    refused: list[Exception] = []

    def lock() -> None:
        with connect(database_url, application="tests") as other:
            try:
                store_trials.lock_protocol(other, protocol_id=number, at=END, login="judge")
                other.commit()
            except ProtocolLocked as error:
                refused.append(error)

    waiting = threading.Thread(target=lock)
    waiting.start()
    waiting.join(0.5)
    assert waiting.is_alive(), "it waits"
    conn.commit()
    waiting.join(20)
    assert len(refused) == 1
