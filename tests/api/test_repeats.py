"""A request that is sent twice with the same Idempotency-Key does its act once and gets one answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest

from api.acts import ACTS
from api.repeats import BY_ITSELF, HEADER, REPEATED
from api.routes.ingest import DEVICE_PATH
from insitu.clock import SYSTEM
from store.answers import KEPT_FOR, claim
from store.audit import audit
from store.database import connect
from tests.api.conftest import SignIn, new_session

PATH = "/api/v1/organisations"
ONE = {"code": "one", "name": "One", "kind": "host"}


def post(client: httpx.Client, body: Any, key: str, path: str = PATH) -> httpx.Response:
    return client.post(path, json=body, headers={"Idempotency-Key": key})


def entered(url: str) -> int:
    with connect(url, application="tests") as conn:
        return sum(line.action == "enter organisation" for line in audit(conn))


def test_a_repeat_gets_the_first_answer_and_does_nothing(own_client: SignIn, own_world_url: str) -> None:
    lab, before = own_client("lab"), entered(own_world_url)
    first = post(lab, ONE, "k")
    assert (first.status_code, REPEATED in first.headers) == (201, False)
    for _ in range(3):
        again = post(lab, ONE, "k")
        assert (again.status_code, again.content) == (201, first.content)
        assert again.headers[REPEATED] == "true"
        assert again.headers["content-type"] == first.headers["content-type"]
    assert entered(own_world_url) == before + 1
    assert lab.post(PATH, json=ONE).status_code == 409, "without a key it is another request"


def test_another_request_with_the_key_is_refused_and_another_person_has_keys_of_its_own(
    own_client: SignIn, own_world_url: str
) -> None:
    lab = own_client("lab")
    assert post(lab, ONE, "k").status_code == 201
    for other in (post(lab, {**ONE, "code": "two"}, "k"), post(lab, ONE, "k", "/api/v1/organisations?x=1")):
        assert (other.status_code, other.json()["code"]) == (422, "other_request")
        assert "take a new one" in other.json()["detail"]
    window = {"kind": "access", "start": "2099-01-01T00:00:00Z", "reason": "why"}
    at = "/api/v1/trials/ward-ventilation/windows"
    assert post(own_client("boreal"), window, "k", at).status_code == 201
    assert post(own_client("hospital"), {**window, "reason": "other"}, "k", at).status_code == 201


def test_an_act_that_was_refused_is_tried_again(own_client: SignIn) -> None:
    lab = own_client("lab")
    window = {"kind": "access", "start": "2099-01-01T00:00:00Z", "reason": "why"}
    assert post(lab, window, "k", "/api/v1/sites/later/windows").status_code == 404
    site = {"code": "later", "host": "hospital-demo", "name": "Later"}
    assert post(lab, site, "s", "/api/v1/sites").status_code == 201
    assert post(lab, window, "k", "/api/v1/sites/later/windows").status_code == 201


def test_many_at_the_same_moment_do_it_once(own_client: SignIn, own_world_url: str) -> None:
    before = entered(own_world_url)
    lab = own_client("lab")
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: post(lab, ONE, "k"), range(3)))
    said = {one.status_code for one in answers}
    assert 201 in said
    assert said <= {201, 503}, "a repeat that comes between the act and its answer is asked to wait for it"
    assert entered(own_world_url) == before + 1
    assert post(lab, ONE, "k").status_code == 201


@pytest.mark.parametrize("key", ["x" * 201, "a\tb"])
def test_a_key_that_is_none_is_refused_in_words(own_client: SignIn, key: str) -> None:
    answer = post(own_client("lab"), ONE, key)
    assert answer.status_code == 400
    assert "random UUID" in answer.json()["detail"]


def test_a_crash_between_the_act_and_its_answer_is_told_and_keys_end(
    own_client: SignIn, own_world_url: str
) -> None:
    lab = own_client("lab")
    first = post(lab, ONE, "k")
    with connect(own_world_url, application="tests") as conn:
        conn.execute("UPDATE kept_answer SET answer = NULL")
        conn.commit()
        soon = post(lab, ONE, "k")
        assert (soon.status_code, soon.headers["retry-after"]) == (503, "2"), "its answer may still come"
        conn.execute("UPDATE kept_answer SET at = at - interval '2 minutes'")
        conn.commit()
        gone = post(lab, ONE, "k")
        assert (gone.status_code, gone.json()["code"]) == (409, "already_exists")
        assert "look at what is there" in gone.json()["detail"]
        late = SYSTEM.now() + KEPT_FOR + timedelta(days=1)
        assert claim(conn, person_id=1, key_sha256=b"0" * 32, request_sha256=b"1" * 32, at=late) is None
        assert conn.execute("SELECT count(*) FROM kept_answer").fetchone() == (1,)
    assert first.status_code == 201


def test_nobody_without_a_session_claims_a_key(own_client: SignIn, own_world_url: str) -> None:
    assert post(own_client(""), ONE, "k").status_code == 401
    with connect(own_world_url, application="tests") as conn:
        assert conn.execute("SELECT count(*) FROM kept_answer").fetchone() == (0,)
    assert new_session(own_world_url, "lab")


def test_each_post_of_the_api_heeds_a_key_or_says_why_not(own_client: SignIn) -> None:
    """A device's posts have numbers of their own; pages have forms, whose acts say what is there."""
    paths = own_client("lab").get("/openapi.json").json()["paths"]
    posts = {path: methods["post"] for path, methods in paths.items() if "post" in methods}
    heeds = {
        path
        for path, one in posts.items()
        if any(p["name"].lower() == HEADER for p in one.get("parameters", []))
    }
    own = {path for path in posts if DEVICE_PATH.fullmatch(path)}
    reasons = {f"/api/v1{path}" for path in BY_ITSELF}
    assert reasons <= posts.keys()
    assert heeds | own | reasons == posts.keys()
    assert not heeds & own
    assert not heeds & reasons
    acts = {route.split()[1] for route in ACTS if route.startswith("POST /api/")}
    assert acts == heeds | reasons
