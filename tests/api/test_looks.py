"""The pages and the API show a look before the end: that it is no verdict, and when it says to stop."""

from __future__ import annotations

from datetime import timedelta

import pytest

from insitu.model import Verdict
from store.database import connect
from tests.api.conftest import SignIn
from tests.api.world import World, protocol, text
from trials.evaluation import Evaluation
from trials.plan.protocol import Protocol
from trials.plan.reading import document_of
from trials.workflow.checking import check_quality
from trials.workflow.evaluating import evaluate_trial
from trials.workflow.locking import lock_protocol

TRIAL = "/trials/ward-ventilation"
API = "/api/v1/trials/ward-ventilation"
NO_VERDICT, STOP = "interim look: not a verdict", "stop for harm"


def look(url: str, world: World, *, downwards: bool) -> Evaluation:
    """Amends the protocol so that the reporting period has not ended; the treated ward's CO2 has fallen,
    which is the wanted direction or not.
    """
    document = document_of(protocol(world.now)) | {"version": 2, "reason": text("Ten more days.")}
    made = Protocol.model_validate(document)
    periods = [
        p if p.name == "baseline" else p.model_copy(update={"end": p.end + timedelta(days=10)})
        for p in made.periods
    ]
    target = {"high": -50.0} if downwards else {"low": 50.0}
    document = document_of(made.model_copy(update={"periods": periods}))
    document["endpoints"][0]["criteria"][0]["target"] = target
    with connect(url, application="tests") as conn:
        lock_protocol(conn, Protocol.model_validate(document), now=world.now, login="judge")
        check_quality(conn, "ward-ventilation", now=world.now)
        _, evaluation = evaluate_trial(
            conn, "ward-ventilation", now=world.now, login="judge", simulated=False
        )
        conn.commit()
    return evaluation


@pytest.mark.parametrize("downwards", [True, False], ids=["as wanted", "the other way"])
def test_a_look_is_shown_as_no_verdict_whatever_it_found(
    own_client: SignIn, own_world_url: str, world: World, downwards: bool
) -> None:
    evaluation = look(own_world_url, world, downwards=downwards)
    assert evaluation.interim
    assert evaluation.verdict is (Verdict.INCONCLUSIVE if downwards else Verdict.NOT_MET)
    for path in (TRIAL, "/trials"):
        page = own_client("judge").get(path).text
        assert NO_VERDICT in page
        assert (STOP in page) is not downwards
    newest = own_client("judge").get(TRIAL).text.split('class="evaluation newest"')[1].split("</li>")[0]
    for word in ("state-met", "state-inconclusive", ">met<", "inconclusive"):
        assert word not in newest
    head = own_client("judge").get(f"{API}/evaluations").json()["items"][0]
    assert (head["interim"], head["verdict"]) == (True, str(evaluation.verdict))
