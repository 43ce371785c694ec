"""Evaluations that people ask for: a page never waits, a job makes them, and each ends with a result or a
reason.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from insitu.clock import SYSTEM
from jobs.requests import evaluate_asked
from store import people, requests
from store.audit import audit
from store.database import Connection, connect
from tests.api.conftest import SignIn, form_token, server
from tests.api.test_tokens import bearer, give

CODE = "ward-ventilation"
TRIAL, API = f"/trials/{CODE}", f"/api/v1/trials/{CODE}"
NEVER = threading.Event()


@pytest.fixture
def jobs(own_world_url: str) -> Iterator[Connection]:
    with connect(own_world_url, application="tests") as found:
        yield found


def numbers(client: httpx.Client) -> list[int]:
    return [one["evaluation_id"] for one in client.get(f"{API}/evaluations").json()["items"]]


def progress(client: httpx.Client) -> list[str]:
    return [one["progress"] for one in client.get(f"{API}/evaluation-requests").json()["items"]]


def test_an_evaluation_is_asked_for_with_a_token_and_made_in_the_name_of_its_person(
    own_world_url: str, data_dir: Path, jobs: Connection
) -> None:
    headers = bearer(give(own_world_url, "judge", acts=True))
    with (
        server(own_world_url, data_dir) as address,
        httpx.Client(base_url=address, headers=headers) as judge,
    ):
        before = numbers(judge)
        asked = judge.post(f"{API}/evaluations")
        assert asked.status_code == 202, asked.text
        assert asked.json()["progress"] == "queued"
        assert judge.post(f"{API}/evaluations").json() == asked.json(), "asking twice asks once"
        assert evaluate_asked(jobs, SYSTEM, NEVER) == 1
        assert evaluate_asked(jobs, SYSTEM, NEVER) == 0
        assert progress(judge) == ["done"]
        made = judge.get(f"{API}/evaluation-requests").json()["items"][0]["evaluation_id"]
        assert numbers(judge) == [made, *before]
        heads = judge.get(f"{API}/evaluations").json()["items"]
        assert heads[0]["evaluated_by"] == "judge"
    actions = [(line.action, line.login) for line in audit(jobs)]
    assert ("ask for evaluation", "person:judge") in actions
    assert ("evaluate", "person:judge") in actions


def test_the_page_says_how_far_it_is(own_client: SignIn, jobs: Connection) -> None:
    judge = own_client("judge")
    assert judge.post(f"{TRIAL}/evaluate", data={"form": form_token(judge, TRIAL)}).status_code == 303
    page = judge.get(TRIAL).text
    assert "queued" in page
    assert f'action="{TRIAL}/evaluate"' not in page, "one waits already"
    (request,) = requests.list_open_requests(jobs)
    assert requests.start(jobs, request, SYSTEM.now())
    jobs.commit()
    assert "being computed" in own_client("boreal").get(TRIAL).text
    requests.end(jobs, request, SYSTEM.now(), problem="The <b>reason</b>.")
    jobs.commit()
    assert "The &lt;b&gt;reason&lt;/b&gt;." in judge.get("/").text, "it waits for who may evaluate"
    assert "The evaluation failed" not in own_client("boreal").get("/").text
    page = judge.get(TRIAL).text
    assert "The &lt;b&gt;reason&lt;/b&gt;." in page
    assert f'action="{TRIAL}/evaluate"' in page
    assert "reason" not in own_client("boreal").get(TRIAL).text.split("failed")[1][:200]


def test_those_who_may_not_evaluate_ask_in_vain(own_client: SignIn) -> None:
    for login in ("hospital", "hospital-buyer", "boreal", "auditor", "other-judge", "metro"):
        assert own_client(login).post(f"{API}/evaluations").status_code == 404, login
    assert own_client("lab").post("/api/v1/trials/platform-air/evaluations").status_code == 400
    assert progress(own_client("lab")) == []


def test_a_request_of_a_process_that_died_is_begun_again_and_that_of_a_living_one_is_not(
    own_client: SignIn, own_world_url: str, jobs: Connection
) -> None:
    assert own_client("lab").post(f"{API}/evaluations").status_code == 202
    (request,) = requests.list_open_requests(jobs)
    with psycopg.connect(own_world_url) as dying:
        dying.execute(
            "SELECT pg_advisory_lock(7031871, %s)", (request.request_id,)
        )  # as a process that works at it holds it
        dying.execute("UPDATE evaluation_request SET started_at = now()")
        dying.commit()
        assert evaluate_asked(jobs, SYSTEM, NEVER) == 0
        assert progress(own_client("lab")) == ["running"]
    assert evaluate_asked(jobs, SYSTEM, NEVER) == 1
    assert progress(own_client("lab")) == ["done"]


def test_a_failed_one_says_why_and_another_may_follow(own_client: SignIn, jobs: Connection) -> None:
    """The person who asked was disabled meanwhile."""
    assert own_client("judge").post(f"{API}/evaluations").status_code == 202
    people.disable(jobs, people.get_member(jobs, "judge"), by="lab", now=SYSTEM.now())
    jobs.commit()
    assert evaluate_asked(jobs, SYSTEM, NEVER) == 1
    lab = own_client("lab")
    assert progress(lab) == ["failed"]
    assert "judge" in lab.get(f"{API}/evaluation-requests").json()["items"][0]["problem"]
    assert lab.post(f"{API}/evaluations").status_code == 202
    assert evaluate_asked(jobs, SYSTEM, NEVER) == 1
    assert progress(lab) == ["done", "failed"]


def test_a_protocol_is_locked_over_the_api(own_client: SignIn) -> None:
    judge = own_client("judge")
    document = judge.get(f"{TRIAL}/protocols/1.json").json()
    assert judge.post(f"{API}/protocol/lock", json=document).status_code == 409
    amended = document | {"version": 2, "reason": {"en": "Another plan.", "fr": "Un autre plan."}}
    for login in ("boreal", "hospital", "auditor"):
        assert own_client(login).post(f"{API}/protocol/lock", json=amended).status_code == 404, login
    assert judge.post(f"{API}/protocol/lock", json=amended | {"trial": "street-noise"}).status_code == 400
    assert judge.post(f"{API}/protocol/lock", json={"trial": CODE}).status_code == 400
    locked = judge.post(f"{API}/protocol/lock", json=amended)
    assert locked.status_code == 201, locked.text
    assert (locked.json()["version"], locked.json()["locked_by"]) == (2, "judge")
