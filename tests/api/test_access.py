"""Who sees what: tests every page and route for every role, with canaries that must never turn up."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache
from pathlib import Path

import httpx
import pytest

from store.database import connect
from tests.api.conftest import SignIn, form_token, serving
from tests.api.world import AIR_CANARY, AIR_NUMBER, PASSWORD, PEOPLE, WARD_CANARY, WARD_NUMBER, World

Read = Callable[[str, str], httpx.Response]
TRIALS = {"platform-air": ["p1-north", "n1-battery"], "ward-ventilation": ["ward-a"]}
SEES = {
    "lab": set(TRIALS),
    "judge": set(TRIALS),
    "metro": {"platform-air"},
    "hospital": {"ward-ventilation"},
    "aurore": {"platform-air"},
    "boreal": {"ward-ventilation"},
    "outsider": set(),
}
MEASUREMENTS = {"lab", "judge", "aurore", "boreal"}
OPEN = (
    "/healthz",
    "/readyz",
    "/sign-in",
    "/keys",
    "/.well-known/insitu-keys.json",
    "/static/insitu.css",
    "/static/insitu.js",
)
EVERYBODY = (
    "/",
    "/fleet",
    "/map",
    "/trials",
    "/rejects",
    "/alerts",
    "/views",
    "/wall",
    "/wall/board",
    "/docs",
)


TRIALS_ROUTE, SERIES_ROUTE = "/api/v1/trials", "/api/v1/datastreams/{datastream_id}/observations"
AUDIT_ROUTE = "/api/v1/audit"
ALERT_ROUTES = {f"/api/v1/alerts{below}" for below in ("", "/rules", "/channels")}
OWN_ROUTES = {"/api/v1/views", "/api/v1/walls", "/api/v1/people/walls"}
PROGRAMME_ROUTES = {
    f"/api/v1/{name}"
    for name in (
        *("organisations", "sites", "sites.geojson", "sites/{site}/windows", "properties", "needs"),
        "catalogue.zip",
        *("sites/{site}/plans", "sites/{site}/plans/{plan}", "sites/{site}/plans/{plan}/image"),
        *("sites/{site}/completeness", "sites/{site}/completeness.csv"),
    )
}
"""With these the only GETs of the API without a trial in their path."""


def pages_of(trial: str) -> list[str]:
    devices = [f"/trials/{trial}/devices/{device}" for device in TRIALS[trial]]
    return [f"/trials/{trial}", f"/trials/{trial}/protocol", f"/trials/{trial}/windows", *devices]


def documented(client: httpx.Client) -> list[str]:
    """Path of every GET of the API."""
    paths = client.get("/openapi.json").json()["paths"]
    return [path for path, methods in paths.items() if "get" in methods]


def routes_of(client: httpx.Client, trial: str) -> list[str]:
    """Every GET of the API about a trial, filled in; not its decision and its draft, which nobody has made,
    nor its life, which is the lab's.
    """
    elsewhere = ("/decision", "/draft", "/life")
    paths = [path for path in documented(client) if "{trial}" in path and not path.endswith(elsewhere)]
    assert len(paths) >= 6
    filled = []
    for path in paths:
        for device in TRIALS[trial] if "{device}" in path else [""]:
            filled.append(path.replace("{trial}", trial).replace("{device}", device))
    streams = client.get(f"/api/v1/trials/{trial}/datastreams").json()["items"]
    assert streams
    filled += [SERIES_ROUTE.format(datastream_id=stream["datastream_id"]) for stream in streams]
    return [path for path in filled if "{" not in path]


@pytest.fixture(scope="module")
def read(client: SignIn) -> Read:
    """The answer for a person to a path; each is asked for once."""
    return cache(lambda login, path: client(login).get(path))


@pytest.mark.parametrize("path", OPEN)
def test_what_is_open_is_open(client: SignIn, path: str) -> None:
    assert client("").get(path).status_code in (200, 503)


@pytest.mark.parametrize(
    "path", [*EVERYBODY, *itertools.chain.from_iterable(pages_of(trial) for trial in TRIALS)]
)
def test_nobody_reads_a_page_without_signing_in(client: SignIn, path: str) -> None:
    answer = client("").get(path)
    assert answer.status_code in (303, 401)
    assert answer.headers.get("location", "/sign-in").startswith("/sign-in")
    assert AIR_CANARY not in answer.text


def test_nobody_reads_the_api_without_signing_in(client: SignIn) -> None:
    for trial in TRIALS:
        for path in routes_of(client("lab"), trial):
            assert client("").get(path).status_code == 401, path
    assert client("").get(TRIALS_ROUTE).status_code == 401


def test_a_route_without_a_trial_in_its_path_is_named_here(client: SignIn) -> None:
    without = {path for path in documented(client("lab")) if "{trial}" not in path}
    assert without == {TRIALS_ROUTE, SERIES_ROUTE, AUDIT_ROUTE, *ALERT_ROUTES, *OWN_ROUTES, *PROGRAMME_ROUTES}


@pytest.mark.parametrize("trial", TRIALS)
@pytest.mark.parametrize("login", PEOPLE)
def test_a_trial_exists_for_those_who_take_part_in_it_and_for_nobody_else(
    client: SignIn, read: Read, login: str, trial: str
) -> None:
    for path in [*pages_of(trial), *routes_of(client("lab"), trial)]:
        status = read(login, path).status_code
        if trial not in SEES[login]:
            assert status == 404, (login, path)
        elif login == "judge" and path.endswith("/credentials"):
            assert status == 404, (login, path)  # for those who connect devices
        elif login in MEASUREMENTS:
            assert status == 200, (login, path)
        else:
            assert status in (200, 403, 404), (login, path)


@pytest.mark.parametrize("login", PEOPLE)
def test_no_canary_of_another_organisation_turns_up_anywhere(client: SignIn, read: Read, login: str) -> None:
    foreign = []
    if "platform-air" not in SEES[login]:
        foreign.append(AIR_CANARY)
    if "ward-ventilation" not in SEES[login]:
        foreign.append(WARD_CANARY)
    numbers = []
    if login not in MEASUREMENTS or "platform-air" not in SEES[login]:
        numbers += [str(AIR_NUMBER), f"{AIR_NUMBER:,}", "4 142,135", "4\u202f142", "4,142.1"]
    if login not in MEASUREMENTS or "ward-ventilation" not in SEES[login]:
        numbers += [str(WARD_NUMBER), f"{WARD_NUMBER:,}", "2,718.2"]
    everybody = [*EVERYBODY, TRIALS_ROUTE, "/openapi.json"]
    own = [path for trial in TRIALS for path in (*pages_of(trial), *routes_of(client("lab"), trial))]
    for path in [*everybody, *own]:
        answer = read(login, path)
        assert path in own or answer.status_code == 200, (login, path)
        for word in [*foreign, *numbers]:
            assert word not in answer.text, (login, path, word)


def test_those_entitled_do_see_the_canaries(client: SignIn) -> None:
    """Without this the test above would prove nothing."""
    assert AIR_CANARY in client("aurore").get("/trials/platform-air").text
    assert str(AIR_NUMBER) in client("aurore").get("/api/v1/trials/platform-air/observations.csv").text
    series = [path for path in routes_of(client("lab"), "platform-air") if "/datastreams/" in path]
    assert any(str(AIR_NUMBER) in client("aurore").get(path).text for path in series)


def test_hostile_text_from_a_device_is_shown_as_text(client: SignIn) -> None:
    page = client("aurore").get("/rejects").text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page


@pytest.mark.parametrize("path", [path for path in EVERYBODY if path != "/docs"])
def test_every_page_carries_a_strict_content_policy(client: SignIn, path: str) -> None:
    headers = client("lab").get(path).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "unsafe-eval" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


def test_a_form_without_its_token_changes_nothing(own_client: SignIn) -> None:
    client = own_client("aurore")
    assert client.post("/rejects/replay", data={"form": "forged"}).status_code in (400, 403)
    assert client.post("/sign-out", data={}).status_code in (400, 403, 422)
    assert client.get("/trials/platform-air").status_code == 200


def test_a_wrong_password_is_refused_and_many_of_them_are_slowed_down(own_client: SignIn) -> None:
    client = own_client("")
    statuses = []
    for _ in range(12):
        token = form_token(client)
        statuses.append(
            client.post(
                "/sign-in", data={"form": token, "login": "lab", "password": "no", "next": "/"}
            ).status_code
        )
    assert statuses == [403] * 8 + [429] * 4


def test_several_processes_count_failed_sign_ins_together_and_the_count_ends(
    own_world_url: str, data_dir: Path
) -> None:
    def attempt(client: httpx.Client, password: str = "no") -> int:
        form = {"form": form_token(client), "login": "lab", "password": password, "next": "/"}
        return client.post("/sign-in", data=form).status_code

    with serving(own_world_url, data_dir) as one, serving(own_world_url, data_dir) as other:
        assert [attempt(one("")) for _ in range(5)] == [403] * 5
        assert [attempt(other("")) for _ in range(5)] == [403] * 3 + [429] * 2
        assert attempt(one(""), PASSWORD) == 429
        with connect(own_world_url, application="tests") as conn:
            conn.execute("UPDATE sign_in_failure SET since = since - interval '15 minutes'")
        assert attempt(one(""), PASSWORD) == 303


def test_a_link_cannot_lead_a_signed_in_reader_elsewhere(own_client: SignIn) -> None:
    client = own_client("lab")
    assert client.get("/sign-in", params={"next": "//evil.example/"}).headers["location"] == "/"


def test_a_device_posts_with_its_own_token_only(own_client: SignIn, world: World) -> None:
    client, path = own_client(""), "/api/v1/trials/platform-air/devices/p1-north/observations"
    body = {"results": {"pm25": 12.3}}
    assert client.post(path, json=body).status_code in (401, 403)
    foreign = {"Authorization": f"Bearer {world.tokens['ward-a']}"}
    assert client.post(path, json=body, headers=foreign).status_code in (401, 403)
    own = {"Authorization": f"Bearer {world.tokens['p1-north']}"}
    answer = client.post(path, json=body, headers=own)
    assert (answer.status_code, answer.json()["stored"]) == (200, 1)
    answer = client.post(path, content=b'{"results": {"pm25": "x", "nonsense": 1}}', headers=own)
    assert set(answer.json()["refused"]) == {"wrong_type", "unknown_property"}


def test_problems_have_a_stable_code_and_say_what_to_do(client: SignIn) -> None:
    answer = client("lab").get("/api/v1/trials/nowhere")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["code"] == "not_found"
    answer = client("lab").get("/api/v1/trials/platform-air/observations.csv?start=yesterday")
    assert answer.status_code == 422
    assert "start" in answer.text
