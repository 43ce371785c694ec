"""Every route for every role and relation to the trial: expected answers come from the table of rights."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from api.acts import ACTS, OPEN
from api.app import create_app
from api.repeats import BY_ITSELF, REPEATED
from insitu.clock import SYSTEM
from insitu.model import OrganisationKind, Role, TrialState, WindowKind
from insitu.settings import Settings
from store.access import add_person, viewer_of
from store.catalogue.deployments import deploy
from store.catalogue.devices import add_device
from store.catalogue.organisations import add_need
from store.catalogue.plans import Picture
from store.catalogue.trials import get_trial
from store.catalogue.windows import add_window, get_window, withdraw_window
from store.database import Connection, connect
from store.imports import Origin, add_parts, begin_import
from store.rights import RIGHTS, Act, Reach
from tests.api.access_page import access_page
from tests.api.conftest import PUBLIC, SignIn, form_token, serving
from tests.api.world import AIR_CANARY, PEOPLE, SEATS, WARD_CANARY, WARD_NUMBER, World, protocol, text
from tests.fix_database import clone
from trials.plan.protocol import Protocol
from trials.plan.reading import document_of
from trials.workflow.deciding import decide
from trials.workflow.keeping import keep_draft
from trials.workflow.locking import lock_protocol
from trials.workflow.plans import PlanEntry, add_plan

ACCESS = Path(__file__).parents[2] / "docs" / "access.md"
TRIAL = "ward-ventilation"
RELATIONS = {
    "lab": Reach.ANY,
    "auditor": Reach.ANY,
    "lab-auditor": Reach.ANY,
    "hospital": Reach.OWN,
    "hospital-buyer": Reach.OWN,
    "boreal": Reach.OWN,
    "judge": Reach.OWN,
    "metro": Reach.SITES,
    "metro-buyer": Reach.ANY,
    "city": Reach.ANY,
    "aurore": Reach.ANY,
    "other-judge": Reach.ANY,
    "outsider": Reach.ANY,
}
"""Login → how far a right must reach to extend to the ward's trial for this person. One of its devices is at
a site of `metro`, so its operator is a neighbour; its buyer is not.
"""
STREAMS = re.compile(r"^/live/")
BODIES: dict[str, dict[str, Any]] = {
    "/devices": {"code": "new-1", "measure": ["co2"], "site": "hospital-south"},
    "/credentials": {},
    "/revocation": {},
    "/datastreams": {"measure": ["humidity"]},
    "/sensors": {"make": "Make", "model": "1", "reason": "why"},
    "/swap": {"new": "nobody", "reason": "why"},
    "/plans/{plan}": {"rank": 2},
    "/places": {"device": f"{TRIAL}/ward-a", "x": 10, "y": 20},
    "/removal": {"is_sure": False},
    "/mappings": {"mappings": [{"trial": TRIAL, "field": "x", "property": "co2"}]},
}
"""End of a route of the API → what it is sent."""


@dataclass(frozen=True)
class Ward:
    """Numbers of things of the ward's trial, and the address of the database."""

    url: str
    evaluation: int
    import_id: int
    datastream: int
    reject: int
    windows: dict[str, int]
    """Device → a window of it."""
    plans: dict[str, int]
    """Site → a plan of it."""


@pytest.fixture(scope="module")
def ward(database_server: str, filled: tuple[str, World]) -> Iterator[Ward]:
    with clone(database_server, filled[0]) as url:
        with connect(url, application="tests") as conn:
            found = _prepare(conn, url, filled[1])
            conn.commit()
        yield found


def _prepare(conn: Connection, url: str, world: World) -> Ward:
    """A neighbour's device, an import, a decision, and an amendment that blinds the endpoint."""
    stays = world.devices["ward-a"]
    device = add_device(conn, trial=TRIAL, code="ward-c", now=world.now)
    deploy(conn, device_id=device, site="depot-east", position="hall-c", start=world.now)
    ((stream,),) = conn.execute(
        "SELECT min(datastream_id) FROM datastream WHERE device_id = %s", (world.devices["ward-a"],)
    ).fetchall()
    number = begin_import(conn, Origin("card.csv", "boreal", TRIAL), now=world.now)
    add_parts(conn, number, [stream], [world.now])
    blinded = document_of(protocol(world.now)) | {"version": 2, "reason": text("Blinded.")}
    blinded["endpoints"][0] |= {"blinded": True}
    lock_protocol(conn, Protocol.model_validate(blinded), now=world.now, login="judge")
    buyer = viewer_of(conn, "hospital-buyer")
    why = f"It works {WARD_CANARY}."
    number_of = world.evaluation_id
    add_need(conn, code="quiet", host="hospital-demo", title={"en": "Quiet"}, description={}, now=world.now)
    own, keeper = get_trial(conn, TRIAL), viewer_of(conn, "judge")
    keep_draft(conn, own, f'{{"{WARD_CANARY}": 1}}', expected=None, viewer=keeper, now=world.now)
    decide(conn, TRIAL, TrialState.BUY, evaluation_id=number_of, reason=why, viewer=buyer, now=world.now)
    ((reject,),) = conn.execute("SELECT min(reject_id) FROM reject WHERE trial = %s", (TRIAL,)).fetchall()
    windows = {code: _window(conn, number, world) for code, number in (("ward-c", device), ("ward-a", stays))}
    plans = {site: _plan(conn, site, world) for site in ("hospital-south", "depot-east")}
    return Ward(url, number_of, number, stream, reject, windows, plans)


def _plan(conn: Connection, site: str, world: World) -> int:
    name = WARD_CANARY if site == "hospital-south" else "Hall"
    entry, picture = PlanEntry(name=name), Picture(b"not a picture", 1, 1)
    return add_plan(conn, site, entry, picture, viewer=None, by="lab", now=world.now)


def _window(conn: Connection, device: int, world: World) -> int:
    """A withdrawn one, so that the package of the evaluation can still be made."""
    number = add_window(
        conn,
        kind=WindowKind.ACCESS,
        device_id=device,
        start=world.now,
        end=None,
        reason="why",
        declared_by="lab",
        now=world.now,
    )
    withdraw_window(conn, get_window(conn, number), at=world.now, login="lab", reason="why")
    return number


@pytest.fixture(scope="module")
def ask(ward: Ward, data_dir: Path) -> Iterator[SignIn]:
    with serving(ward.url, data_dir, by_form=False) as client:
        yield client


@cache
def routes(url: str, folder: Path) -> list[str]:
    """'METHOD /path' of every route of the application."""
    app = create_app(Settings(data_dir=folder), database_url=url, clock=SYSTEM, mqtt_public=PUBLIC)
    found = list(iter_route_contexts(app.routes))
    mounts = {route.path for route in found if not route.methods}
    assert mounts == {"/static", "/static-offline-docs"}, "Name what a mount serves, and to whom"
    return [f"{method} {one.path}" for one in found for method in sorted(set(one.methods or ()) - {"HEAD"})]


def test_each_route_has_an_act_and_each_act_of_a_route_a_route(ward: Ward, data_dir: Path) -> None:
    found = set(routes(ward.url, data_dir))
    missing = sorted(found - set(ACTS) - OPEN)
    assert not missing, (
        "Add to ACTS in api/acts.py the act that a person must be allowed, or to OPEN if it needs no "
        f"session: {missing}"
    )
    assert sorted((set(ACTS) | OPEN) - found) == [], "These are no routes: take them out of api/acts.py"


def test_the_page_about_access_is_made_from_the_table(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--write-access"):
        ACCESS.write_text(access_page(), "utf-8")
    assert ACCESS.read_text("utf-8") == access_page(), "run: pytest tests/api/test_rights.py --write-access"


def test_a_route_that_asks_for_nothing_is_open_on_purpose() -> None:
    assert all(
        route.split()[1].startswith(
            (
                "/accessibility",
                "/api",
                "/sign-in",
                "/language",
                "/charts",
                "/metrics",
                "/keys",
                "/.well-known",
                "/invitations",
                "/walls",
            )
        )
        for route in OPEN
    )
    assert not set(ACTS) & OPEN


def test_an_auditor_changes_nothing() -> None:
    changes = {act for route, act in ACTS.items() if not route.startswith("GET")} - {Act.SIGN_IN}
    assert changes
    assert {act for act in changes if RIGHTS[act].reach[Role.AUDITOR] > Reach.NONE} == set()


def filled_in(route: str, ward: Ward, login: str) -> str:
    """The path of a route about the ward's trial."""
    device = "ward-c" if RELATIONS.get(login) is Reach.SITES else "ward-a"
    nobodys = 2**31 - 1  # of a session or a token
    is_read = route.startswith("GET") and "/plans" in route
    site = "depot-east" if is_read and RELATIONS.get(login) is Reach.SITES else "hospital-south"
    parts = {
        "trial": TRIAL,
        "device": device,
        "site": site,
        "plan": ward.plans[site],
        "organisation": "hospital-demo",
        "property": "co2",
        "need": "quiet",
        "kind": "needs",
        "code": "nothing",
        "evaluation_id": ward.evaluation,
        "file": "report.json",
        "version": 1,
        "endpoint": "co2",
        "number": ward.import_id
        if "/imports/" in route
        else (ward.windows[device] if "/windows/" in route else nobodys),
        "import_id": ward.import_id,
        "datastream_id": ward.datastream,
        "reject_id": ward.reject,
        "token": "nowhere",
    }
    return route.split()[1].format(**parts)


def body_of(route: str, ward: Ward, login: str) -> dict[str, Any]:
    """A body that the route accepts."""
    if route.endswith("/windows"):  # it ends too early, so that nothing is declared
        window = {"kind": "access", "start": "2026-01-02T00:00Z", "end": "2026-01-01T00:00Z", "reason": "why"}
        device = "ward-c" if RELATIONS.get(login) is Reach.SITES else "ward-a"
        return window | ({"device": device} if "{trial}" in route else {})
    if route.endswith("/views"):
        return {"name": "Silent", "address": "/fleet?state=silent"}
    if route.endswith("/walls"):
        return {"name": "Hall"}
    if "/views/" in route:
        return {"place": 1}
    if route.endswith("/correction"):
        return {"kind": "access", "start": "2026-01-01T00:00:00Z", "reason": "why"}
    if route.endswith(("/trials/{trial}", "/properties/{property}", "/needs/{need}")):
        return {}
    if route.endswith("/sites/{site}"):
        return {"kind": "ward"}
    for end, body in BODIES.items():
        if route.endswith(end):
            return body
    return (
        {"reason": "why", "outcome": "buy", "evaluation_id": ward.evaluation}
        if "decision" in route
        else ({"mappings": []} if route.endswith("/try") else {"reason": "why"})
    )


def send(client: httpx.Client, login: str, route: str, ward: Ward) -> httpx.Response:
    """The answer; asks again while the server says that it is busy."""
    for _ in range(9):
        answer = send_once(client, login, route, ward)
        if answer.status_code != 503:
            break
        time.sleep(1)
    return answer


def send_once(client: httpx.Client, login: str, route: str, ward: Ward) -> httpx.Response:
    path = filled_in(route, ward, login)
    if STREAMS.match(path):  # it never ends
        with client.stream("GET", path) as answer:
            return httpx.Response(answer.status_code, headers=answer.headers, text="")
    if route.startswith("GET"):
        return client.get(path)
    if path.startswith("/api"):
        return client.request(route.split()[0], path, json=body_of(route, ward, login))
    form = {"form": form_token(client, "/trials" if login else "/sign-in"), "action": "review"}
    content = {"reason": "why", "outcome": "buy", "evaluation": str(ward.evaluation)}
    wanted = content if "decision" in path else {} if "replay" in path else {"reason": "why"}
    if "/windows" in path:
        device = "ward-c" if RELATIONS.get(login) is Reach.SITES else "ward-a"
        wanted |= {"target": f"device:{device}", "start": "2026-01-02T00:00", "end": "2026-01-01T00:00"}
    return client.post(path, data={**form, **wanted})


def is_allowed(route: str, login: str) -> bool:
    """By the table alone."""
    role = SEATS[login][1] if login in SEATS else _usual(PEOPLE[login])
    act = Act.MANAGE_PEOPLE if "/people" in route else ACTS[route]  # managers are asked in test_people.py
    reach = RIGHTS[act].reach[role]
    if " /account" in route or "/people" in route:  # not about a trial
        return reach > Reach.NONE
    return reach >= RELATIONS[login] if "{" in route else reach > Reach.NONE


def _usual(organisation: str) -> Role:
    hosts = ("metro-demo", "hospital-demo")
    kinds = {"lab": OrganisationKind.LAB, "evaluation-demo": OrganisationKind.EVALUATOR}
    kind = (
        OrganisationKind.HOST if organisation in hosts else kinds.get(organisation, OrganisationKind.COMPANY)
    )
    return kind.roles[0]


@pytest.mark.parametrize(
    "login", ["", *sorted(RELATIONS, key=lambda one: (one == "judge", one == "boreal", one))]
)
def test_every_route_answers_as_the_table_says(ask: SignIn, ward: Ward, data_dir: Path, login: str) -> None:
    """Those who may unblind and withdraw come last, because others are refused before."""
    wrong = []
    for route in routes(ward.url, data_dir):
        if route in OPEN or route == "POST /sign-out":
            continue
        status = send(ask(login), login, route, ward).status_code
        if not login:
            right = status in (401, 303)
        elif is_allowed(route, login):
            right = status in (200, 201, 202, 303) or (route.startswith("POST") and status in (400, 409, 422))
            right |= "/draft" in route and status == 412  # there is one, and nobody says which was read
            right |= route.endswith("{number}/end") and status == 404  # a token of nobody
            right |= "/views/{number}" in route and status == 404  # a view of nobody
        else:
            right = status == 404 or ("/people" in route and status == 422)  # a field is missing as well
        if not right:
            wrong.append(f"{route}: {status}")
    assert wrong == []


def test_somebody_is_allowed_and_somebody_refused_on_each_kind_of_route() -> None:
    for route in ACTS:
        allowed = {is_allowed(route, login) for login in RELATIONS}
        assert True in allowed, route
        assert (ACTS[route] is Act.SIGN_IN and "/people" not in route) or False in allowed, route


def test_every_post_of_the_api_that_is_repeated_with_its_key_gets_its_first_answer(
    ask: SignIn, ward: Ward
) -> None:
    """As the lab, which may do nearly everything; an act that is refused is refused again."""
    lab, wrong, done = ask("lab"), [], 0
    for number, route in enumerate(sorted(one for one in ACTS if one.startswith("POST /api/"))):
        key = {"Idempotency-Key": f"walk {number}"}
        path, body = filled_in(route, ward, "lab"), body_of(route, ward, "lab")
        first, again = (lab.post(path, json=body, headers=key) for _ in range(2))
        by_itself = route.removeprefix("POST /api/v1") in BY_ITSELF
        same = first.status_code == again.status_code
        if first.status_code < 300 and not by_itself:
            done += 1
            same = same and first.content == again.content and again.headers.get(REPEATED) == "true"
        if not same:
            wrong.append((route, first.status_code, again.status_code, again.text[:200]))
    assert wrong == []
    assert done >= 5


FOREIGN = {
    login: [
        word for word in (WARD_CANARY, "Hospital group", "South hospital") if RELATIONS[login] is Reach.ANY
    ]
    for login in ("metro-buyer", "city", "aurore", "other-judge", "outsider")
} | {
    "hospital-buyer": [AIR_CANARY, "North station (demo)", "Central station (demo)"],
    "": [AIR_CANARY, WARD_CANARY, "Hospital"],
}


@pytest.mark.parametrize("login", FOREIGN)
def test_nothing_of_another_organisation_is_in_any_answer(
    ask: SignIn, ward: Ward, data_dir: Path, login: str
) -> None:
    for route in [*routes(ward.url, data_dir), "GET /nowhere", "GET /trials/nowhere"]:
        if route == "POST /sign-out" or (route.startswith("POST") and login not in ("", "outsider")):
            continue
        answer = send(ask(login), login, route, ward)
        shown = answer.text + str(answer.headers)
        assert not [word for word in FOREIGN[login] if word in shown], (login, route)


def test_a_buyer_reads_the_verdict_and_no_single_result(ask: SignIn, ward: Ward, data_dir: Path) -> None:
    buyer = ask("hospital-buyer")
    pages = [route for route in ACTS if route.startswith("GET") and is_allowed(route, "hospital-buyer")]
    shown = "\n".join(send(buyer, "hospital-buyer", r, ward).text for r in pages if "package" not in r)
    assert str(WARD_NUMBER) not in shown
    assert f"{WARD_NUMBER:,}" not in shown
    assert buyer.get(f"/api/v1/trials/{TRIAL}").json()["verdict"]
    page = buyer.get(f"/trials/{TRIAL}").text
    assert f"It works {WARD_CANARY}." in page
    assert "/report.en.html" in page
    assert 'value="keep"' not in buyer.get(f"/trials/{TRIAL}/protocol").text, "a draft is there to be read"
    assert '<form method="post" action="/trials' not in page


def test_an_auditor_lists_rejects_without_their_content(ask: SignIn) -> None:
    items = ask("auditor").get("/api/v1/trials/platform-air/rejects").json()["items"]
    assert items
    assert {(one["excerpt"], one["detail"]) for one in items} == {("", "")}
    assert AIR_CANARY + "&lt;script" not in ask("auditor").get("/rejects").text
    assert ask("auditor").get("/audit").text.count("<tr>") > 3


def test_the_database_gives_a_person_the_usual_role_and_refuses_one_that_does_not_fit(ward: Ward) -> None:
    """The trigger says the same as `OrganisationKind.roles`."""
    with connect(ward.url, application="tests") as conn:
        for kind in OrganisationKind:
            code = f"kind-{kind}"
            conn.execute(
                "INSERT INTO organisation (code, name, kind, created_at) VALUES (%s, 'x', %s, now())",
                (code, kind),
            )
            for role in (None, *Role):
                known = _insert(conn, code, role)
                expected = kind.roles[0] if role is None else role if role in kind.roles else None
                assert known == expected, (kind, role)
        conn.rollback()


def _insert(conn: Connection, organisation: str, role: Role | None) -> str | None:
    """The role of a person whom somebody enters without `add_person`; None if refused."""
    from insitu.errors import CorrectInput, RowRefused

    try:
        with conn.transaction():
            found = conn.execute(
                "INSERT INTO person (login, name, organisation_id, password_hash, role, created_at) "
                "SELECT %s, 'x', organisation_id, '', %s, now() FROM organisation WHERE code = %s "
                "RETURNING role",
                (f"{organisation}-{role}", role, organisation),
            ).fetchone()
    except (RowRefused, CorrectInput):
        return None
    return str(found[0]) if found else None


def test_a_role_that_the_organisation_has_not_is_explained(ward: Ward) -> None:
    from insitu.errors import CorrectInput

    with (
        connect(ward.url, application="tests") as conn,
        pytest.raises(CorrectInput, match="operator or buyer"),
    ):
        add_person(
            conn,
            login="x",
            name="x",
            organisation="metro-demo",
            password_hash="",
            now=SYSTEM.now(),
            role=Role.AUDITOR,
        )
