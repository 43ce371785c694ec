"""A blinded endpoint: nobody sees its result, everybody sees its data capture, and only its evaluator may
unblind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from psycopg.conninfo import conninfo_to_dict

from store import trials as store_trials
from store.database import connect
from tests.api.conftest import SignIn, form_token
from tests.api.world import PEOPLE, World, protocol, text
from tests.fix_database import clone
from trials.judge.compute import compute
from trials.plan.protocol import Protocol
from trials.plan.reading import document_of
from trials.workflow.checking import check_quality
from trials.workflow.evaluating import evaluate_trial
from trials.workflow.loading import load_inputs
from trials.workflow.locking import lock_protocol

TRIAL = "/trials/ward-ventilation"
API = f"/api/v1{TRIAL}"
DOOR = f"{API}/endpoints/co2/unblinding"
READERS = ("lab", "judge", "boreal")
REASON = {"reason": "The reporting period has ended."}


@dataclass(frozen=True)
class Blinded:
    """`number` of an evaluation of the blinded endpoint; the first `digits` of the effect that nobody may
    see.
    """

    database: str
    number: int
    digits: str


@pytest.fixture(scope="module")
def template(database_server: str, filled: tuple[str, World]) -> Iterator[Blinded]:
    """A world whose ward is blinded, to be copied for each test."""
    with clone(database_server, filled[0]) as url:
        number, digits = blind(url, filled[1])
        yield Blinded(str(conninfo_to_dict(url)["dbname"]), number, digits)


@pytest.fixture
def own_world_url(
    request: pytest.FixtureRequest, database_server: str, filled: tuple[str, World]
) -> Iterator[str]:
    """A copy of the blinded world for the tests that ask for it, of the plain one for the others."""
    blinded = "blinded" in request.fixturenames
    name = request.getfixturevalue("template").database if blinded else filled[0]
    with clone(database_server, name) as url:
        yield url


@pytest.fixture
def blinded(template: Blinded) -> tuple[int, str]:
    return template.number, template.digits


def blind(url: str, world: World) -> tuple[int, str]:
    """Blinds the ward's endpoint by an amendment. Returns the number of an evaluation under it, and the first
    digits of the effect.
    """
    document = document_of(protocol(world.now)) | {
        "version": 2,
        "reason": text("Blinded, and by the maximum of a day."),
    }
    document["endpoints"][0] |= {"blinded": True, "aggregation": "max"}
    with connect(url, application="tests") as conn:
        lock_protocol(conn, Protocol.model_validate(document), now=world.now, login="judge")
        check_quality(conn, "ward-ventilation", now=world.now)
        stored = store_trials.locked_protocol(conn, "ward-ventilation")
        assert stored is not None
        given = load_inputs(conn, "ward-ventilation", stored, now=world.now, simulated=False)
        open_protocol = given.protocol.model_copy(
            update={"endpoints": [e.model_copy(update={"blinded": None}) for e in given.protocol.endpoints]}
        )
        told = compute(
            type(given)(**{n: getattr(given, n) for n in given.__slots__} | {"protocol": open_protocol})
        )
        effect = told.endpoints[0].estimates[0]
        number, _ = evaluate_trial(conn, "ward-ventilation", now=world.now, login="judge", simulated=False)
        conn.commit()
    return number, f"{abs(effect.value):.9g}"[:7]


def everything(client: SignIn, login: str, number: int) -> str:
    """Everything that shows the trial's newest evaluation, as one text; 404s are left out."""
    base = f"{TRIAL}/evaluations/{number}"
    paths = [
        "/",
        "/trials",
        TRIAL,
        API,
        "/api/v1/trials",
        f"{API}/evaluations",
        f"{API}/evaluations/{number}",
        f"{base}/report.html",
        f"{base}/report.en.html",
        f"{base}/report.json",
    ]
    answers = [client(login).get(path) for path in paths]
    assert {answer.status_code for answer in answers} <= {200, 403, 404}
    return "\n".join(answer.text for answer in answers if answer.status_code == 200)


@pytest.mark.parametrize("login", PEOPLE)
def test_nobody_sees_the_result_of_a_blinded_endpoint(
    own_client: SignIn, blinded: tuple[int, str], login: str
) -> None:
    number, digits = blinded
    shown = everything(own_client, login, number)
    assert digits not in shown
    status = own_client(login).get(f"{TRIAL}/evaluations/{number}/package.zip").status_code
    assert status == (400 if login in READERS else 404)
    if login in READERS:
        document = own_client(login).get(f"{API}/evaluations/{number}").json()
        assert (document["blinded"], document["endpoints"][0]["estimates"]) == (True, [])
        assert document["gate"][0]["share"] > 0.9
        assert own_client(login).get(API).json()["verdict"] is None
        head = own_client(login).get(f"{API}/evaluations").json()["items"][0]
        assert (head["evaluation_id"], head["verdict"], head["blinded"]) == (number, None, True)
        page = own_client(login).get(TRIAL).text
        assert "blinded" in page
        assert f"/evaluations/{number}/package.zip" not in page
        assert (f'action="{TRIAL}/endpoints/co2/unblind"' in page) == (login == "judge")


@pytest.mark.parametrize("login", ["", *PEOPLE])
def test_only_the_evaluator_of_the_trial_may_unblind(
    own_client: SignIn, blinded: tuple[int, str], login: str
) -> None:
    number, digits = blinded
    answer = own_client(login).post(DOOR, json=REASON)
    assert answer.status_code == {"": 401, "judge": 201}.get(login, 404)
    form = {"form": form_token(own_client(login), "/trials" if login else "/sign-in"), "reason": "Me too."}
    again = own_client(login).post(f"{TRIAL}/endpoints/co2/unblind", data=form)
    assert again.status_code == {"": 401, "judge": 409}.get(login, 404)
    shown = everything(own_client, "boreal", number + 1 if login == "judge" else number)
    assert (digits in shown) == (login == "judge")


def test_an_unblinded_endpoint_is_told_to_those_who_may_see_results(
    own_client: SignIn, blinded: tuple[int, str]
) -> None:
    number, digits = blinded
    page = own_client("judge").get(TRIAL).text
    token = re.findall(r'name="form" value="([^"]+)"', page)[-1]
    door = f"{TRIAL}/endpoints/co2/unblind"
    assert own_client("judge").post(door, data={"form": "forged", "reason": "x"}).status_code == 400
    assert own_client("judge").post(door, data={"form": token, "reason": " "}).status_code == 400
    assert (
        own_client("judge").post(door, data={"form": token, "reason": "All <b>data</b> are in."}).status_code
        == 303
    )
    for login in PEOPLE:
        assert (digits in everything(own_client, login, number + 1)) == (login in READERS), login
    page = own_client("boreal").get(TRIAL).text
    assert "All &lt;b&gt;data&lt;/b&gt; are in." in page
    assert own_client("boreal").get(API).json()["verdict"] in ("met", "not_met", "inconclusive")
    assert own_client("boreal").get(f"{TRIAL}/evaluations/{number + 1}/package.zip").status_code == 200
    assert digits not in own_client("boreal").get(f"{API}/evaluations/{number}").text, (
        "what was made blinded stays blinded"
    )


@pytest.mark.parametrize(
    "body", [{}, {"reason": ""}, {"reason": "x", "verdict": "met"}, {"reason": "x" * 3000}]
)
def test_an_unblinding_needs_a_reason_and_nothing_else(
    own_client: SignIn, blinded: tuple[int, str], body: dict[str, str]
) -> None:
    assert own_client("judge").post(DOOR, json=body).status_code == 422
    assert own_client("judge").get(API).json()["verdict"] is None


def test_an_endpoint_that_is_not_blinded_cannot_be_unblinded(own_client: SignIn) -> None:
    assert own_client("judge").post(DOOR, json=REASON).status_code == 404
    assert own_client("judge").post(f"{API}/endpoints/nothing/unblinding", json=REASON).status_code == 404
