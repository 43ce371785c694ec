"""A trial from its organisations to its decision over the HTTP API, each act with the token of the person who
does it. Only an invitation is accepted, and a token made, on a page: both are a person's own.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from html import unescape
from typing import Any

import httpx
import pytest

from tests.end_to_end.test_story import DAYS, PASSWORD, Story, hourly_results, midnight, story

__all__ = ["story"]
pytestmark = [pytest.mark.timeout(900), pytest.mark.long]
TRIAL = "/trials/api-ward"


class Clients:
    """Makes clients of the installation, and closes them."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._open = ExitStack()

    def client(self, path: str = "", **headers: str) -> httpx.Client:
        made = httpx.Client(base_url=self.address + path, headers=headers, follow_redirects=True, timeout=60)
        return self._open.enter_context(made)

    def close(self) -> None:
        self._open.close()


@pytest.fixture
def clients(story: Story) -> Iterator[Clients]:
    made = Clients(story.address)
    yield made
    made.close()


class Person:
    """Somebody's program: sends the token, and a key with every act."""

    def __init__(self, clients: Clients, token: str) -> None:
        self._http = clients.client("/api/v1", Authorization=f"Bearer {token}")

    def get(self, path: str) -> Any:
        answer = self._http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None, **more: Any) -> Any:
        key = {"Idempotency-Key": str(uuid.uuid4()), **more.pop("headers", {})}
        answer = self._http.post(path, headers=key, **({"json": body} if body is not None else {}), **more)
        assert answer.status_code in (200, 201, 202), answer.text
        return answer.json()

    def put(self, path: str, text: str, etag: str | None = None) -> Any:
        answer = self._http.put(path, content=text, headers={} if etag is None else {"If-Match": etag})
        assert answer.status_code == 200, answer.text
        return answer.json()


def browser(clients: Clients, login: str, password: str) -> httpx.Client:
    client = clients.client()
    token = form_of(client.get("/sign-in").text)
    client.post("/sign-in", data={"form": token, "login": login, "password": password, "next": "/"})
    return client


def form_of(page: str) -> str:
    found = re.search(r'name="form" value="([^"]+)"', page)
    assert found, page[:2000]
    return found[1]


def token_of(clients: Clients, client: httpx.Client) -> Person:
    """The token that a person makes on the page of the own account."""
    form = form_of(client.get("/account").text)
    page = client.post("/account/tokens", data={"form": form, "name": "story", "days": "1", "acts": "true"})
    found = re.search(r"insitu_[\w-]+", page.text)
    assert found, page.text[:2000]
    return Person(clients, found[0])


def invited(clients: Clients, lab: httpx.Client, login: str, organisation: str, role: str) -> Person:
    """Somebody new, who accepts the lab's invitation."""
    form = form_of(lab.get("/people").text)
    asked = {"login": login, "organisation": organisation, "role": role, "language": "en"}
    page = lab.post("/people/invite", data={"form": form, **asked})
    link = re.search(r"https?://[^\s<\"]+/invitations/[\w-]+", unescape(page.text))
    assert link, page.text[:3000]
    client = clients.client()
    path = link[0].removeprefix(clients.address)
    accepted = {"form": form_of(client.get(path).text), "name": login, "password": PASSWORD}
    accepted |= {"username": login, "language": "en"}
    assert client.post(path, data=accepted).status_code == 200
    return token_of(clients, client)


def lab_enters_everything(lab: Person) -> None:
    for code, kind in (("api-clinic", "host"), ("api-maker", "company"), ("api-judges", "evaluator")):
        lab.post("/organisations", {"code": code, "name": code.title(), "kind": kind})
    lab.post("/properties", {"code": "api-co2", "name": {"en": "CO2"}, "unit": "[ppm]"})
    lab.post("/needs", {"code": "api-air", "host": "api-clinic", "title": {"en": "Fresh air"}})
    need = next(one for one in lab.get("/needs")["items"] if one["code"] == "api-air")
    lab.post("/needs/api-air", {"title": {"en": "Fresher air"}}, headers={"If-Match": need["etag"]})
    lab.post("/properties/api-co2", {"name": {"en": "CO₂", "fr": "CO₂"}})
    lab.post("/sites", {"code": "api-south", "host": "api-clinic", "name": "South"})
    title = {"en": "Ventilation", "fr": "Ventilation"}
    parties = {"host": "api-clinic", "company": "api-maker", "evaluator": "api-judges", "need": "api-air"}
    lab.post("/trials", {"code": "api-ward", "title": title, "time_zone": "UTC", **parties})
    for state in ("shortlisted", "agreement", "deployment"):
        lab.post(f"{TRIAL}/life", {"to": state, "note": "as agreed"})


def company_brings_its_data(company: Person) -> None:
    since = f"{midnight() - timedelta(days=DAYS + 1):%Y-%m-%dT%H:%M:%SZ}"
    for code in ("treated", "control"):
        device = {"code": code, "measure": ["co2=api-co2"], "site": "api-south", "every": "PT1H"}
        assert company.post(f"{TRIAL}/devices", {**device, "since": since})["token"]
        company.post(
            f"{TRIAL}/imports",
            files={"file": (f"{code}.csv", hourly_results(code).encode(), "text/csv")},
            data={"description": json.dumps({"device": code})},
        )
    mapping = {"trial": "api-ward", "field": "CO2_ppm", "property": "api-co2"}
    company.post(f"{TRIAL}/mappings", {"mappings": [mapping]})


def protocol() -> dict[str, Any]:
    def text(words: str) -> dict[str, str]:
        return {"en": words, "fr": words}

    first, middle, last = (
        (midnight() - timedelta(days=days)).isoformat() for days in (DAYS - 1, DAYS // 2, 0)
    )
    arms = {"treated": "candidate", "control": "control"}
    criterion = {"statistic": "effect", "target": {"high": -50}, "justification": text("People notice.")}
    return {
        "trial": "api-ward",
        "title": text("Ventilation of a ward"),
        "question": text("Does it lower CO2 by 50 ppm?"),
        "hypothesis": text("CO2 falls by at least 50 ppm."),
        "time_zone": "UTC",
        "periods": [
            {"name": "baseline", "start": first, "end": middle},
            {"name": "reporting", "start": middle, "end": last},
        ],
        "arms": [
            {"name": arm, "role": role, "site": "api-south", "devices": [arm]} for arm, role in arms.items()
        ],
        "measurements": [{"property": "api-co2", "arms": list(arms), "interval": "PT1H"}],
        "endpoints": [
            {
                "name": "co2",
                "title": text("CO2 in the ward"),
                "property": "api-co2",
                "unit": "[ppm]",
                "design": "control_sites",
                "arms": {role: arm for arm, role in arms.items()},
                "criteria": [criterion],
            }
        ],
        "missing_data": text("Left out."),
        "decisions": {
            verdict: text(f"Then {verdict}")
            for verdict in ("met", "not_met", "inconclusive", "not_evaluable")
        },
    }


def evaluator_locks(evaluator: Person, lab: Person) -> None:
    draft = f"{TRIAL}/protocol/draft"
    begun = evaluator.put(draft, json.dumps({"trial": "api-ward"}))
    assert lab.get(draft)["changed_by"] == "api-eve"
    text = json.dumps(protocol(), indent=2)
    evaluator.put(draft, text, begun["etag"])
    checked = evaluator.post(f"{TRIAL}/protocol/check", protocol())
    assert checked["lockable"], checked
    assert evaluator.post(f"{TRIAL}/protocol/lock", protocol())["version"] == 1


def evaluated(evaluator: Person) -> int:
    evaluator.post(f"{TRIAL}/evaluations")
    limit = time.monotonic() + 240
    while time.monotonic() < limit:
        newest = evaluator.get(f"{TRIAL}/evaluation-requests")["items"][0]
        if newest["ended_at"] is not None:
            assert newest["evaluation_id"] is not None, newest
            return int(newest["evaluation_id"])
        time.sleep(1)
    raise AssertionError("no evaluation in four minutes")


def test_from_its_organisations_to_its_decision_over_the_api(story: Story, clients: Clients) -> None:
    found = re.search(r"with the password (\S+)", story.up.said)
    assert found, story.up.said
    at_the_screen = browser(clients, "lab", found[1])
    lab = token_of(clients, at_the_screen)
    lab_enters_everything(lab)
    company, evaluator, operator, buyer = (
        invited(clients, at_the_screen, login, organisation, role)
        for login, organisation, role in (
            ("api-cora", "api-maker", "company"),
            ("api-eve", "api-judges", "evaluator"),
            ("api-olga", "api-clinic", "operator"),
            ("api-basil", "api-clinic", "buyer"),
        )
    )
    company_brings_its_data(company)
    evaluator_locks(evaluator, lab)
    lab.post(f"{TRIAL}/life", {"to": "running"})
    day = midnight() - timedelta(days=3)
    window = {"kind": "access", "start": f"{day:%Y-%m-%d}T10:00:00Z", "end": f"{day:%Y-%m-%d}T12:00:00Z"}
    made = operator.post("/sites/api-south/windows", {**window, "reason": "Painters"})
    assert made["is_afterwards"]
    number = evaluated(evaluator)
    decision = {"outcome": "buy", "evaluation_id": number, "reason": "It does what we asked for."}
    assert buyer.post(f"{TRIAL}/decision", decision)["outcome"] == "buy"
    assert lab.get(f"{TRIAL}/life")["state"] == "buy"
    who = {(one["action"], one["login"]) for one in lab.get("/audit?limit=1000")["items"]}
    assert {
        ("lock", "person:api-eve"),
        ("keep draft", "person:api-eve"),
        ("enter device", "person:api-cora"),
        ("decide", "person:api-basil"),
    } <= who
