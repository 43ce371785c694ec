"""Tokens with which programs read the API: exactly what their person sees, and nothing is changed."""

from __future__ import annotations

import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from api.access import digest, new_token
from api.asgi import NEEDS_PERSON
from insitu.errors import CorrectInput, RowRefused
from store import people, tokens
from store.audit import audit, audit_problem
from store.database import Connection, connect
from tests.api.conftest import SignIn, form_token, new_session, server, serving
from tests.api.test_people import browser, post, shown
from tests.api.world import PEOPLE, World
from tests.examples import some_of


def give(url: str, login: str, *, machine: bool = False, days: int = 30, acts: bool = False) -> str:
    """A new token of a person."""
    secret = new_token()
    with connect(url, application="tests") as conn:
        member = people.get_member(conn, login)
        tokens.add_token(
            conn,
            person_id=member.person_id,
            login=login,
            is_machine=machine,
            acts=acts,
            name="notebook",
            token_sha256=digest(secret),
            lifetime=timedelta(days=days),
            by="lab",
            now=member.created_at,
        )
        conn.commit()
    return secret


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
def address(own_world_url: str, data_dir: Path) -> Iterator[str]:
    with server(own_world_url, data_dir) as found:
        yield found


@pytest.fixture
def conn(own_world_url: str) -> Iterator[Connection]:
    with connect(own_world_url, application="tests") as found:
        yield found


def readable(client: httpx.Client, world: World) -> list[str]:
    """Every GET route of the API, with parameters of both trials where it has some."""
    paths = []
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        if "get" not in methods or not path.startswith("/api/v1"):
            continue
        for trial, device in (("platform-air", "p1-north"), ("ward-ventilation", "ward-a")):
            parts = {"trial": trial, "device": device, "evaluation_id": str(world.evaluation_id)}
            paths.append(re.sub(r"\{(\w+)\}", lambda part: parts.get(part[1], "1"), path))  # noqa: B023
    return sorted(set(paths))


@pytest.mark.parametrize("login", some_of(list(PEOPLE), every=3))
def test_a_token_reads_every_get_route_as_its_person_does(
    own_world_url: str, data_dir: Path, world: World, login: str
) -> None:
    with serving(own_world_url, data_dir, by_form=False) as client:
        token, session = bearer(give(own_world_url, login)), client(login)
        machine = bearer(give(own_world_url, login, machine=True))
        paths = readable(client("lab"), world)
        assert len(paths) > 20
        for path in paths:
            expected = session.get(path)
            for headers in (token, machine):
                answer = client("").get(path, headers=headers)
                assert answer.status_code == expected.status_code, path
                if "now" not in path and answer.headers["content-type"].startswith("text/csv"):
                    assert answer.content == expected.content
            assert client("").get(path).status_code == 401, path


def test_a_token_changes_nothing_and_opens_no_page(own_client: SignIn, own_world_url: str) -> None:
    token = bearer(give(own_world_url, "lab"))
    client = own_client("")
    routes = own_client("lab").get("/openapi.json").json()["paths"]
    tried = 0
    for path, methods in routes.items():
        for method in set(methods) & {"post", "put", "patch", "delete"}:
            filled = re.sub(r"\{\w+\}", "1", path)
            answer = client.request(method, filled, headers=token, json={})
            if "/devices/{device}/" in path and answer.status_code == 401:
                continue  # where devices post, with tokens of their own
            tried += 1
            assert answer.status_code == 403, (method, path, answer.text)
            assert answer.json()["code"] == "not_allowed"
            assert "insufficient_scope" in answer.headers["www-authenticate"]
    assert tried > 3
    for path in ("/", "/fleet", "/account", "/people", "/live/fleet", "/docs"):
        assert client.get(path, headers=token).status_code in (303, 401), path
    for path in ("/sign-out", "/account/tokens", "/people/invite"):
        assert client.post(path, headers=token, data={"form": ""}).status_code in (400, 401), path


def test_a_cookie_does_not_count_beside_a_bearer(own_client: SignIn, own_world_url: str) -> None:
    lab, token = own_client("lab"), give(own_world_url, "aurore")
    assert len(lab.get("/api/v1/trials").json()["items"]) == 3
    assert len(lab.get("/api/v1/trials", headers=bearer(token)).json()["items"]) == 2
    for wrong in ("insitu_wrong", "wrong", token + "x", "INSITU_" + token[7:]):
        answer = lab.get("/api/v1/trials", headers=bearer(wrong))
        assert answer.status_code == 401, wrong
        assert answer.headers["www-authenticate"].startswith("Bearer")
    answer = lab.post("/api/v1/trials/platform-air/protocol/check", headers=bearer(token), json={})
    assert answer.status_code == 403


def test_a_page_of_another_site_posts_nothing_with_the_cookie(own_client: SignIn) -> None:
    lab, path = own_client("lab"), "/api/v1/trials/platform-air/protocol/check"
    own = str(lab.base_url).rstrip("/")
    normal = lab.post(path, json={}).status_code
    assert normal != 403
    for headers in (
        {"Origin": own},
        {"Origin": own, "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "same-origin"},
    ):
        assert lab.post(path, json={}, headers=headers).status_code == normal, headers
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"{own}.evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://[::1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        assert lab.post(path, json={}, headers=headers).status_code == 403, headers
    assert lab.get("/api/v1/trials", headers={"Origin": "https://evil.example"}).status_code == 200


def test_a_token_ends_by_time_by_hand_and_with_its_person(
    address: str, own_world_url: str, conn: Connection
) -> None:
    def works(secret: str) -> bool:
        return httpx.get(f"{address}/api/v1/trials", headers=bearer(secret)).status_code == 200

    short, ended, machine = (give(own_world_url, "aurore", machine=n == 2) for n in range(3))
    assert all(map(works, (short, ended, machine)))
    conn.execute(
        "UPDATE access_token SET created_at = created_at - interval '2 days', expires_at = clock_timestamp()"
        " WHERE token_sha256 = %s",
        (digest(short),),
    )
    conn.commit()
    assert not works(short)
    with (
        browser(address, own_world_url, "boreal") as foreign,
        browser(address, own_world_url, "aurore") as own,
    ):
        paths = re.findall(r'action="(/account/tokens/\d+/end)"', own.get("/account").text)
        assert len(paths) == 2, "the machine's is not among the person's own"
        for path in paths:
            assert post(foreign, path).status_code == 404
        assert works(ended)
        for path in paths:
            assert post(own, path).status_code == 303
        assert not works(ended)
    with browser(address, own_world_url, "lab") as lab:
        assert post(lab, "/people/disable", login="aurore").status_code == 303
        assert not works(machine), "it rests"
        shown_page = lab.get("/people").text
        assert "rests" in shown_page
        link = shown(post(lab, "/people/invite", login="next", organisation="aurore-demo", language="en"))
        with browser(address) as other:
            post(other, link, link, name="Next", language="en", password="une pomme verte trotte")
        (path,) = re.findall(r'action="(/people/tokens/\d+/hand-over)"', shown_page)
        assert post(lab, path, login="boreal").status_code == 400, "of another organisation"
        assert post(lab, path, login="next").status_code == 303
        assert works(machine)
        assert post(lab, path.replace("hand-over", "end")).status_code == 303
        assert not works(machine)


def test_a_machine_s_token_does_not_follow_its_person_to_another_organisation(
    address: str, own_world_url: str, conn: Connection
) -> None:
    secret = give(own_world_url, "outsider", machine=True)
    conn.execute(
        "UPDATE person SET role = NULL, organisation_id = o.organisation_id FROM organisation o "
        "WHERE o.code = 'lab' AND login = 'outsider'"
    )
    conn.commit()
    assert httpx.get(f"{address}/api/v1/trials", headers=bearer(secret)).status_code == 401


def test_a_token_is_made_on_the_page_shown_once_and_stored_as_a_hash(
    address: str, own_world_url: str, conn: Connection
) -> None:
    with browser(address, own_world_url, "metro") as own:
        secret = shown(post(own, "/account/tokens", name="Grafana", days="90"))
        assert re.fullmatch(r"insitu_[\w-]{43}", secret)
        page = own.get("/account").text
        assert "Grafana" in page
        assert secret not in page
        for days in ("0", "401", "-1", "x", ""):
            assert post(own, "/account/tokens", name="Grafana", days=days).status_code == 422
        assert post(own, "/account/tokens", name=" ", days="3").status_code == 400
    (stored,) = conn.execute("SELECT token_sha256, scopes, expires_at - created_at FROM access_token")
    assert (bytes(stored[0]), stored[1]) == (digest(secret), ["read"])
    assert timedelta(days=89) < stored[2] < timedelta(days=91)
    member = people.get_member(conn, "metro")
    with pytest.raises(CorrectInput, match="1 to 400 days"):
        tokens.add_token(
            conn,
            person_id=member.person_id,
            login="metro",
            is_machine=False,
            name="x",
            token_sha256=secrets.token_bytes(32),
            lifetime=timedelta(days=400, seconds=1),
            by="metro",
            now=member.created_at,
        )


def test_uses_leave_a_line_for_each_new_address_and_one_write_a_minute(
    own_world_url: str, data_dir: Path, conn: Connection
) -> None:
    secret = give(own_world_url, "aurore")
    with server(own_world_url, data_dir, trusted_proxies="127.0.0.1") as address:
        for hop in ("203.0.113.1", "203.0.113.1", "2001:db8::1", "2001:db8::2", "203.0.113.1"):
            headers = bearer(secret) | {"X-Forwarded-For": hop}
            assert httpx.get(f"{address}/api/v1/trials", headers=headers).status_code == 200
        path = f"{address}/api/v1/trials/platform-air/observations.csv"
        assert httpx.get(path, headers=bearer(secret)).status_code == 200
    lines = [(line.action, line.detail.get("address")) for line in audit(conn)]
    uses = [found for action, found in lines if action == "use token from"]
    assert uses == ["203.0.113.1", "2001:db8::/64", "127.0.0.1"]
    (download,) = [line for line in audit(conn) if line.action == "download"]
    assert download.detail == {"file": "platform-air-observations.csv", "token": "notebook"}
    assert audit_problem(conn) is None
    ((used,),) = conn.execute(
        "SELECT last_used_at > clock_timestamp() - interval '1 minute' FROM access_token"
    )
    assert used


def test_the_notebook_and_the_query_of_grafana_in_the_docs_work(address: str, own_world_url: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "people.md").read_text("utf-8")
    secret = give(own_world_url, "aurore", machine=True)
    (notebook,) = re.findall(r"```python\n(.+?)```", page, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", notebook],
        capture_output=True,
        text=True,
        env={"INSITU_URL": address, "INSITU_TOKEN": secret},
        timeout=60,
    )
    assert re.fullmatch(r"\d{3,} results; \w+ 20\S+Z \S+\n", done.stdout), done.stderr
    (query,) = re.findall(r"https://insitu\.example\.org(/api/v1/datastreams/1/\S+)`", page)
    now = datetime.now(UTC)
    for name, when in (("from", now - timedelta(days=3)), ("to", now)):
        query = query.replace(f"${{__{name}:date:iso}}", f"{when:%Y-%m-%dT%H:%M:%S}.000Z")
    items = httpx.get(address + query, headers=bearer(secret)).json()["items"]
    assert {"phenomenon_time", "result"} <= set(items[0])


def test_downloads_leave_a_line(
    own_client: SignIn, own_world_url: str, world: World, conn: Connection
) -> None:
    client = own_client("aurore")
    assert client.get("/api/v1/trials/platform-air/observations.csv").status_code == 200
    path = f"/trials/ward-ventilation/evaluations/{world.evaluation_id}/package.zip"
    assert own_client("boreal").get(path).status_code == 200
    assert own_client("outsider").get(path).status_code == 404
    lines = [(one.login, one.subject, one.detail["file"]) for one in audit(conn) if one.action == "download"]
    assert lines == [
        ("person:aurore", "platform-air", "platform-air-observations.csv"),
        ("person:boreal", "ward-ventilation", f"ward-ventilation-{world.evaluation_id}.zip"),
    ]


def test_sessions_say_when_they_were_last_used_at_one_write_a_minute(
    address: str, own_world_url: str, conn: Connection
) -> None:
    token = new_session(own_world_url, "lab")
    conn.execute("UPDATE signed_in SET last_used_at = last_used_at - interval '1 hour'")
    conn.commit()
    with httpx.Client(base_url=address, cookies={"insitu": token}) as client:
        for _ in range(3):
            assert client.get("/fleet").status_code == 200
        form_token(client, "/account")
    ((idle,),) = conn.execute("SELECT clock_timestamp() - last_used_at FROM signed_in")
    assert idle < timedelta(minutes=1)


def test_a_token_that_also_acts_changes_what_its_person_may_change_in_the_persons_name(
    address: str, own_world_url: str, conn: Connection
) -> None:
    with browser(address, own_world_url, "lab") as own:
        acting = shown(post(own, "/account/tokens", name="programme", days="90", acts="true"))
    path, body = f"{address}/api/v1/trials/platform-air/retention", {"rejects_days": 5}
    assert httpx.post(path, json=body, headers=bearer(acting)).status_code == 200
    conn.rollback()
    line = audit(conn)[-1]
    assert (line.action, line.login) == ("set retention", "person:lab")
    with browser(address, own_world_url, "metro") as own:
        other = shown(post(own, "/account/tokens", name="programme", days="90", acts="true"))
    assert httpx.post(path, json=body, headers=bearer(other)).status_code == 404
    assert httpx.get(f"{address}/account", headers=bearer(acting)).status_code in (303, 401)
    channels = f"{address}/api/v1/alerts/channels"
    made = httpx.post(channels, json={"kind": "mqtt"}, headers=bearer(acting))
    assert (made.status_code, made.json()["detail"]) == (403, NEEDS_PERSON)
    assert httpx.get(channels, headers=bearer(acting)).json()["items"] == []


def test_a_machine_only_reads(conn: Connection) -> None:
    member = people.get_member(conn, "lab")
    facts = {
        "person_id": member.person_id,
        "login": "lab",
        "name": "x",
        "by": "lab",
        "now": member.created_at,
    }
    key, lifetime = secrets.token_bytes(32), timedelta(days=1)
    with pytest.raises(CorrectInput, match="a person who answers"):
        tokens.add_token(conn, is_machine=True, acts=True, token_sha256=key, lifetime=lifetime, **facts)
    tokens.add_token(conn, is_machine=True, token_sha256=key, lifetime=lifetime, **facts)
    with pytest.raises(RowRefused, match="machine's reads"):
        conn.execute("UPDATE access_token SET scopes = ARRAY['read', 'act']")
