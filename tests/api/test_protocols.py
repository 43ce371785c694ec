"""A protocol that is being written: checked with line numbers, forecast from the days so far, locked by those
who may.
"""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import httpx
import pytest

from store.database import connect
from tests.api.conftest import SignIn, form_token
from tests.api.test_access import MEASUREMENTS, SEES
from tests.api.world import PEOPLE, World, protocol
from trials.plan.reading import document_of

API, PAGE = "/api/v1/trials/ward-ventilation", "/trials/ward-ventilation"


def amended(world: World, **changes: Any) -> dict[str, Any]:
    """The ward's protocol as its second version."""
    reason = {"en": "Better words.", "fr": "De meilleurs mots."}
    return document_of(protocol(world.now)) | {"version": 2, "reason": reason} | changes


def text_of(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)


def send(
    client: httpx.Client, text: str, action: str, path: str = f"{PAGE}/protocol", token: str | None = None
) -> httpx.Response:
    form = form_token(client, "/trials") if token is None else token
    return client.post(path, data={"form": form, "text": text, "action": action})


# -- who may what


def posts_of(client: httpx.Client) -> list[str]:
    """Every documented POST about the protocol of a trial; test_asking.py looks at the one that locks."""
    documented = client.get("/openapi.json").json()["paths"]
    return [
        path
        for path, methods in documented.items()
        if "post" in methods and re.match(r"/api/v1/trials/{trial}/protocol(?!/lock)", path)
    ]


@pytest.mark.parametrize("trial", ["platform-air", "ward-ventilation"])
@pytest.mark.parametrize("login", ["", *PEOPLE])
def test_drafts_are_checked_and_power_is_told_for_those_who_see_measurements(
    client: SignIn, login: str, trial: str
) -> None:
    posts = posts_of(client("lab"))
    assert posts == ["/api/v1/trials/{trial}/protocol/check"]
    allowed = login in MEASUREMENTS and trial in SEES[login]
    wanted = 401 if not login else (200 if allowed else 404)
    for path in posts:
        assert client(login).post(path.replace("{trial}", trial), content="{}").status_code == wanted
    assert client(login).get(f"/api/v1/trials/{trial}/power").status_code == wanted
    reads = login != "" and trial in SEES[login]  # the host's operator too: a draft is written together
    assert client(login).get(f"/trials/{trial}/protocol").status_code == (
        303 if not login else 200 if reads else 404
    )
    page = client(login).get(f"/trials/{trial}").text
    assert (f'href="/trials/{trial}/protocol"' in page) == allowed
    assert ("What to expect" in page) == (allowed and trial == "ward-ventilation")


@pytest.mark.parametrize("login", ["", *PEOPLE])
def test_a_protocol_is_locked_by_the_evaluator_and_the_lab_and_by_nobody_else(
    own_client: SignIn, world: World, own_world_url: str, login: str
) -> None:
    client = own_client(login)
    page = client.get(f"{PAGE}/protocol").text
    may = login in ("lab", "judge")
    assert ('value="lock"' in page) == may
    token = form_token(client, "/trials" if login else "/sign-in")
    answer = send(client, text_of(amended(world)), "lock", token=token)
    assert answer.status_code == {"": 401, "lab": 303, "judge": 303}.get(login, 404)
    with connect(own_world_url, application="tests") as conn:
        newest = conn.execute("SELECT max(version), max(locked_by) FROM protocol").fetchone()
    assert newest == ((2, max(login, "judge")) if may else (1, "judge"))


def test_a_forged_form_locks_nothing(own_client: SignIn, world: World, own_world_url: str) -> None:
    assert send(own_client("judge"), text_of(amended(world)), "lock", token="forged").status_code == 400
    assert (
        own_client("judge").post(f"{PAGE}/protocol", data={"text": "{}", "action": "lock"}).status_code == 400
    )
    with connect(own_world_url, application="tests") as conn:
        assert conn.execute("SELECT count(*) FROM protocol").fetchone() == (1,)


# -- what is wrong


def test_what_is_wrong_is_named_with_its_field_and_line(client: SignIn, world: World) -> None:
    document = amended(world)
    document["endpoints"][0]["criteria"][0]["target"] = {"high": "fifty"}
    document["arms"][0]["site"] = "nowhere"
    text = text_of(document)
    answer = client("judge").post(f"{API}/protocol/check", content=text)
    assert answer.status_code == 200
    found = answer.json()
    assert (found["lockable"], found["outlook"]) == (False, None)
    (problem,) = found["problems"]
    assert problem["field"] == "endpoints.0.criteria.0.target.high"
    assert '"high": "fifty"' in text.splitlines()[problem["line"] - 1]
    document["endpoints"][0]["criteria"][0]["target"] = {"high": -50}
    text = text_of(document)
    found = client("judge").post(f"{API}/protocol/check", content=text).json()
    (problem,) = found["problems"]
    assert problem["message"] == "the trial has nothing at site 'nowhere'"
    assert problem["field"] == "arms.treated"
    assert text.splitlines()[problem["line"] - 1].strip() == "{"
    assert '"name": "treated"' in text.splitlines()[problem["line"]]


@pytest.mark.parametrize(
    ("content", "field", "line"),
    [
        ("", "protocol", 1),
        ('{\n "trial": }', "protocol", 2),
        ("[]", "protocol", 1),
        ("[" * 5000, "protocol", None),
    ],
)
def test_a_text_that_is_no_protocol_is_told_so(
    client: SignIn, content: str, field: str, line: int | None
) -> None:
    found = client("judge").post(f"{API}/protocol/check", content=content).json()
    assert (found["problems"][0]["field"], found["problems"][0]["line"]) == (field, line)


def test_the_protocol_of_another_trial_and_an_old_version_cannot_be_locked(
    client: SignIn, world: World
) -> None:
    found = (
        client("judge")
        .post("/api/v1/trials/platform-air/protocol/check", content=text_of(amended(world)))
        .json()
    )
    assert [one["field"] for one in found["problems"]] == ["trial"]
    found = (
        client("judge")
        .post(f"{API}/protocol/check", content=text_of(document_of(protocol(world.now))))
        .json()
    )
    assert [one["field"] for one in found["problems"]] == ["version"]


def test_bytes_that_are_no_text_and_lengths_that_are_no_days_are_refused(client: SignIn) -> None:
    assert client("judge").post(f"{API}/protocol/check", content=b"\xff\xfe").status_code == 400
    for days in ("", "0", "-3", "x", "14,,30", "99999", "1e3", ",".join(map(str, range(14, 30)))):
        assert client("judge").get(f"{API}/power", params={"days": days}).status_code == 400, days
    for power in ("1", "0.2", "nan", "x"):
        assert client("judge").get(f"{API}/power", params={"power": power}).status_code == 422, power


@pytest.mark.parametrize(
    ("start", "interval", "covariates"),
    [("1900-01-01T00:00:00Z", "PT1H", []), (None, "PT1S", []), (None, "PT1H", ["co2"] * 20_000)],
    ids=["centuries", "seconds", "covariates"],
)
def test_a_plan_too_large_to_look_at_is_checked_all_the_same(
    client: SignIn, world: World, start: str | None, interval: str, covariates: list[str]
) -> None:
    document = amended(world)
    document["periods"][0]["start"] = start or document["periods"][0]["start"]
    document["measurements"][0]["interval"] = interval
    document["endpoints"][0]["parameters"] = {"covariates": covariates}
    answer = client("judge").post(f"{API}/protocol/check", content=text_of(document))
    assert (answer.status_code, answer.json()["lockable"], answer.json()["outlook"]) == (200, True, None)


# -- what to expect


def test_power_comes_from_the_baseline_for_every_length_asked_for(client: SignIn) -> None:
    found = client("boreal").get(f"{API}/power", params={"days": "14, 45"}).json()
    assert (found["version"], found["locked"]) == (1, True)
    outlook = found["outlook"]
    (criterion,) = outlook["endpoints"][0]["criteria"]
    assert [row["days"] for row in criterion["lengths"]] == [14, 45]
    assert 0 < criterion["lengths"][1]["half_width"] < criterion["lengths"][0]["half_width"] < 50
    assert criterion["lengths"][1]["met_high"] < -50
    stronger = client("boreal").get(f"{API}/power", params={"days": "14,45", "power": 0.95}).json()["outlook"]
    assert (
        stronger["endpoints"][0]["criteria"][0]["lengths"][1]["met_high"]
        < criterion["lengths"][1]["met_high"]
    )


def test_a_trial_without_a_protocol_has_no_power(client: SignIn) -> None:
    found = client("aurore").get("/api/v1/trials/platform-air/power").json()
    assert found == {"trial": "platform-air", "version": None, "locked": False, "outlook": None}


def test_a_margin_too_fine_for_its_days_is_told_before_it_is_locked(client: SignIn, world: World) -> None:
    document = amended(world)
    document["endpoints"][0]["criteria"][0]["target"] = {"high": -0.1}
    found = client("judge").post(f"{API}/protocol/check", content=text_of(document)).json()
    assert found["lockable"]
    assert [note["code"] for note in found["outlook"]["endpoints"][0]["criteria"][0]["notes"]] == [
        "inconclusive"
    ]
    page = send(client("judge"), text_of(document), "check")
    assert page.status_code == 200
    assert "the verdict will probably be inconclusive" in page.text
    assert "Nothing is wrong: it can be locked." in page.text


# -- the page


def test_the_form_gives_the_text_back_as_it_was_with_the_lines_of_what_is_wrong(
    client: SignIn, world: World
) -> None:
    document = amended(world, title={"en": "</textarea><script>alert(1)</script>", "fr": "é"}, confidence=3)
    text = text_of(document)
    page = send(client("judge"), text.replace("\n", "\r\n"), "lock")
    assert page.status_code == 422
    shown = re.findall(r"<textarea[^>]*>\n(.*?)</textarea>", page.text, re.DOTALL)
    assert [unescape(one) for one in shown] == [text]
    assert "<script>alert(1)" not in page.text
    line = next(n for n, one in enumerate(text.splitlines(), 1) if '"confidence"' in one)
    assert f"Line {line}" in page.text
    assert "Input should be less than 1" in page.text


def test_the_form_begins_with_the_newest_version_or_with_a_template_of_the_trials_devices(
    client: SignIn,
) -> None:
    def draft(path: str) -> Any:
        (text,) = re.findall(r"<textarea[^>]*>\n(.*?)</textarea>", client("boreal").get(path).text, re.DOTALL)
        return json.loads(unescape(text))

    assert draft(f"{PAGE}/protocol?view=text")["endpoints"][0]["name"] == "co2"
    made = draft(f"{PAGE}/protocol?template=retrofit&view=text")
    assert [arm["devices"] for arm in made["arms"]] == [["ward-a"], ["ward-b"]]
    assert client("boreal").get(f"{PAGE}/protocol?template=nothing").status_code == 400
    checked = (
        client("boreal")
        .post(f"{API}/protocol/check", content=text_of(made | {"version": 2, "reason": made["title"]}))
        .json()
    )
    assert any("still to be written" in one["message"] and one["line"] for one in checked["problems"])


def test_the_page_of_a_trial_shows_plan_capture_and_what_to_expect_in_both_languages(
    own_client: SignIn,
) -> None:
    client = own_client("judge")
    page = client.get(PAGE).text
    assert "Planned: 75 % of the intervals on 75 % of the days" in page
    # In the first hour of a day no slot of it is planned yet: then 13 days count.
    assert re.search(r"treated: [\d.]+ % since the start; enough on \d+ of the last 1[34] days", page)
    assert "Decided at 0" in page
    assert "as planned" in page
    assert (
        client.post(
            "/language", data={"form": form_token(client, "/trials"), "language": "fr", "next": PAGE}
        ).status_code
        == 303
    )
    page = client.get(PAGE).text
    assert "À quoi s’attendre" in page
    assert "Tranché à 0" in page
    assert "Prévu\u00a0: 75\u00a0% des intervalles sur 75\u00a0% des jours" in page


def test_of_a_blinded_endpoint_no_value_of_its_own_is_foretold(own_client: SignIn, world: World) -> None:
    """With a limit, the level of the days so far would reveal on which side of it the result will be."""
    document = amended(world)
    document["endpoints"] = [
        {
            **document["endpoints"][0],
            "design": "limit_compliance",
            "blinded": True,
            "parameters": {"u_meas": 5.0},
            "criteria": [
                {**document["endpoints"][0]["criteria"][0], "statistic": "mean", "target": {"high": 800.0}}
            ],
        }
    ]
    open_ = own_client("judge").post(f"{API}/protocol/check", content=text_of(document)).json()
    assert open_["lockable"]
    told = open_["outlook"]["endpoints"][0]["criteria"][0]
    assert (told["assumed"], told["days_needed"], told["planned"]["decided"]) == (None, None, None)
    assert told["planned"]["half_width"] > 10
    assert send(own_client("judge"), text_of(document), "lock").status_code == 303
    assert "what the days so far say of its value is withheld" in own_client("boreal").get(PAGE).text
