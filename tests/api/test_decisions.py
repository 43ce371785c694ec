"""The decision: made once, by a buyer of the host or the lab on its behalf, on what can be read."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest

from insitu.errors import AlreadyExists, CorrectInput, NotFound, ProtocolLocked
from insitu.model import TrialState
from store.access import viewer_of
from store.audit import audit, audit_problem
from store.catalogue.trials import get_trial
from store.database import connect
from store.decisions import find_decision
from store.trials import latest_evaluation, locked_protocol
from tests.api.conftest import SignIn, form_token, serving
from tests.api.test_blinding import blind
from tests.api.world import World
from trials.workflow.deciding import decide

CODE = "ward-ventilation"
TRIAL = f"/trials/{CODE}"
DOOR = f"/api/v1{TRIAL}/decision"


def body(world: World, **changes: object) -> dict[str, object]:
    return {"outcome": "buy", "evaluation_id": world.evaluation_id, "reason": "It works <b>."} | changes


def test_a_buyer_decides_on_the_page_after_a_second_look(
    own_client: SignIn, own_world_url: str, world: World
) -> None:
    buyer = own_client("hospital-buyer")
    assert f'href="{TRIAL}/decision"' in buyer.get("/").text
    assert f'href="{TRIAL}/decision"' in buyer.get(TRIAL).text
    assert "met" in buyer.get(f"{TRIAL}/decision").text
    form = {
        "form": form_token(buyer, f"{TRIAL}/decision"),
        "outcome": "iterate",
        "reason": "Once <b>more</b>.",
    }
    form["evaluation"] = str(world.evaluation_id)
    assert buyer.post(f"{TRIAL}/decision", data={**form, "form": "forged"}).status_code == 400
    assert buyer.post(f"{TRIAL}/decision", data={**form, "reason": " "}).status_code == 400
    assert buyer.post(f"{TRIAL}/decision", data={**form, "outcome": "evaluated"}).status_code == 422
    review = buyer.post(f"{TRIAL}/decision", data={**form, "action": "review"})
    assert "Once &lt;b&gt;more&lt;/b&gt;." in review.text
    assert buyer.get(DOOR).status_code == 404, "a second look records nothing"
    assert buyer.post(f"{TRIAL}/decision", data={**form, "action": "confirm"}).status_code == 303
    page = buyer.get(TRIAL).text
    assert "Once &lt;b&gt;more&lt;/b&gt;." in page
    assert f'href="{TRIAL}/decision"' not in page
    assert buyer.get(f"{TRIAL}/decision").status_code == 303
    assert "Once" not in own_client("hospital").get(TRIAL).text, "the reason may tell of results"
    with connect(own_world_url, application="tests") as conn:
        made, kept = find_decision(conn, CODE), latest_evaluation(conn, CODE)
        locked = locked_protocol(conn, CODE)
        assert made is not None
        assert kept is not None
        assert locked is not None
        assert made.evaluation_sha256 == hashlib.sha256(kept.document.encode()).hexdigest()
        assert made.protocol_sha256 == hashlib.sha256(locked.document.encode()).hexdigest()
        assert (made.outcome, made.decided_by, made.on_behalf) == (
            TrialState.ITERATE,
            "hospital-buyer",
            False,
        )
        assert get_trial(conn, CODE).state is TrialState.ITERATE
        line = audit(conn)[-1]
        assert (line.login, line.action, line.subject) == ("person:hospital-buyer", "decide", CODE)
        assert line.detail["evaluation_sha256"] == made.evaluation_sha256
        assert audit_problem(conn) is None


def test_the_lab_decides_on_behalf_of_the_host_and_is_named(own_client: SignIn, world: World) -> None:
    answer = own_client("lab").post(DOOR, json=body(world))
    assert answer.status_code == 201
    assert answer.json()["decided_by"] == "lab"
    assert answer.json()["on_behalf_of"] == "Hospital group (demo)"
    assert own_client("hospital-buyer").get(DOOR).json() == answer.json()
    assert own_client("hospital-buyer").post(DOOR, json=body(world, outcome="stop")).status_code == 409
    assert "on behalf of Hospital group" in own_client("boreal").get(TRIAL).text


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"reason": "  "}, 400),
        ({"reason": ""}, 422),
        ({"reason": "x" * 2001}, 422),
        ({"outcome": "running"}, 422),
        ({"evaluation_id": 99}, 400),
        ({"evaluation_id": 0}, 422),
        ({"decided_by": "lab"}, 422),
    ],
)
def test_a_decision_that_is_not_complete_is_refused(
    own_client: SignIn, world: World, changes: dict[str, object], status: int
) -> None:
    assert own_client("hospital-buyer").post(DOOR, json=body(world, **changes)).status_code == status
    assert own_client("hospital-buyer").get(DOOR).status_code == 404


def test_on_a_blinded_verdict_nobody_decides(own_world_url: str, world: World, data_dir: Path) -> None:
    number, digits = blind(own_world_url, world)
    with serving(own_world_url, data_dir, by_form=False) as client:
        buyer = client("hospital-buyer")
        for outcome in ("buy", "iterate", "stop"):
            wanted = body(world, evaluation_id=number, outcome=outcome)
            assert buyer.post(DOOR, json=wanted).status_code == 400
        assert buyer.get(f"{TRIAL}/decision").status_code == 400
        base = f"{TRIAL}/evaluations/{number}"
        assert buyer.get(f"{base}/package.zip").status_code == 400
        paths = ("/", "/trials", TRIAL, f"{base}/report.html", f"{base}/report.json", f"/api/v1{base}")
        assert [path for path in paths if digits in buyer.get(path).text] == []


def test_of_two_that_decide_at_once_one_is_told_that_it_is_decided(own_world_url: str, world: World) -> None:
    outcomes: list[str] = []
    meet = threading.Barrier(2)

    def attempt(login: str, outcome: TrialState) -> None:
        with connect(own_world_url, application="tests") as conn:
            viewer = viewer_of(conn, login)
            meet.wait(20)
            try:
                decide(
                    conn,
                    CODE,
                    outcome,
                    evaluation_id=world.evaluation_id,
                    reason="why",
                    viewer=viewer,
                    now=world.now,
                )
                conn.commit()
                outcomes.append("made")
            except AlreadyExists:
                outcomes.append("decided")

    both = [
        threading.Thread(target=attempt, args=given)
        for given in (("hospital-buyer", TrialState.BUY), ("lab", TrialState.STOP))
    ]
    for one in both:
        one.start()
    for one in both:
        one.join(30)
    assert sorted(outcomes) == ["decided", "made"]


def test_a_decision_is_immutable_and_only_people_with_the_right_make_it(
    own_world_url: str, world: World
) -> None:
    with connect(own_world_url, application="tests") as conn:
        for login in ("hospital", "metro-buyer", "judge", "boreal", "auditor"):
            viewer = viewer_of(conn, login)
            with pytest.raises(NotFound):
                decide(
                    conn,
                    CODE,
                    TrialState.BUY,
                    evaluation_id=world.evaluation_id,
                    reason="why",
                    viewer=viewer,
                    now=world.now,
                )
        buyer = viewer_of(conn, "hospital-buyer")
        with pytest.raises(CorrectInput):
            decide(
                conn,
                CODE,
                TrialState.RUNNING,
                evaluation_id=world.evaluation_id,
                reason="why",
                viewer=buyer,
                now=world.now,
            )
        decide(
            conn,
            CODE,
            TrialState.BUY,
            evaluation_id=world.evaluation_id,
            reason="why",
            viewer=buyer,
            now=world.now,
        )
        conn.commit()
        for change in ("UPDATE decision SET reason = 'other'", "DELETE FROM decision"):
            with pytest.raises(ProtocolLocked):
                conn.execute(change)
            conn.rollback()
