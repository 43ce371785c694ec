"""Walls: what a screen shows, with whose rights, for how long; and that it shows nothing else."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from insitu.readiness import Readiness, Stage
from store.audit import audit
from store.database import connect
from store.erasures import erase_person
from store.people import disable, enable, get_member
from store.walls import MOST_WALLS
from tests.api.conftest import SignIn, form_token, serving
from tests.api.world import AIR_CANARY, AIR_NUMBER, PASSWORD, WARD_CANARY, WARD_NUMBER, World

V1 = "/api/v1/walls"


def make(client: httpx.Client, **more: object) -> tuple[int, str]:
    """(its number, the path of its link)"""
    answer = client.post(V1, json={"name": "Hall", **more})
    assert answer.status_code == 201, answer.text
    return answer.json()["wall"], httpx.URL(answer.json()["link"]).path


def devices_on(client: httpx.Client, path: str) -> set[str]:
    """Names on the tiles; the world has no device in order."""
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return set(re.findall(r"</svg>\s*<b>([\w-]+)</b>", answer.text))


def number_of_devices(client: httpx.Client, path: str) -> int:
    return sum(map(int, re.findall(r"</svg>\s*<b>(\d+)</b>", client.get(path).text)))


@pytest.mark.parametrize("login", ["lab", "aurore", "boreal", "metro", "hospital", "judge", "auditor"])
def test_a_link_shows_the_devices_of_its_maker_and_no_measurement(own_client: SignIn, login: str) -> None:
    """The oracle is the list of devices of the API, asked for one trial after the other."""
    maker = own_client(login)
    active = 0
    for trial in maker.get("/api/v1/trials").json()["items"]:
        items = maker.get(f"/api/v1/trials/{trial['code']}/devices").json()["items"]
        active += sum(one["state"] != "retired" for one in items)
    _, path = make(maker)
    nobody = own_client("")
    assert number_of_devices(nobody, path) == number_of_devices(maker, "/wall") == active
    text = nobody.get(path).text + nobody.get(f"{path}/board").text
    for number in (AIR_NUMBER, WARD_NUMBER):
        assert str(number) not in text
    assert "evaluations/" not in text
    assert re.findall(r'<a [^>]*href="([^"]*)"', text) == ["/accessibility"], "nothing to press"
    assert "<form" not in text
    assert "<button" not in text
    if login == "aurore":
        assert WARD_CANARY not in text
    if login == "boreal":
        assert AIR_CANARY not in text


def test_a_wall_shows_the_chosen_trials_and_sites(own_client: SignIn) -> None:
    lab, nobody = own_client("lab"), own_client("")
    whole = number_of_devices(lab, "/wall")
    air = number_of_devices(lab, "/wall?trial=platform-air")
    both = number_of_devices(lab, "/wall?trial=platform-air&trial=ward-ventilation")
    assert 0 < air < both <= whole
    _, path = make(lab, trials=["platform-air"])
    assert number_of_devices(nobody, path) == air
    lab.post("/api/v1/views", json={"name": "Air", "address": "/fleet?trial=platform-air"})
    view = lab.get("/api/v1/views").json()["items"][0]["view"]
    assert number_of_devices(lab, f"/wall?view={view}") == air
    assert own_client("aurore").get(f"/wall?view={view}").status_code == 404
    lab.post("/api/v1/views", json={"name": "Trials", "address": "/trials"})
    other = lab.get("/api/v1/views").json()["items"][1]["view"]
    assert lab.get(f"/wall?view={other}").status_code in (400, 422)
    for number, filters in enumerate(("q=p1-north", "trial=platform-air&state=silent")):
        lab.post("/api/v1/views", json={"name": f"Narrow {number}", "address": f"/fleet?{filters}"})
        narrow = lab.get("/api/v1/views").json()["items"][-1]["view"]
        assert lab.get(f"/wall?view={narrow}").status_code == 400, "a wall would show more"


def test_a_secret_opens_its_wall_alone_and_is_no_sign_in(own_client: SignIn) -> None:
    _, path = make(own_client("lab"))
    nobody, token = own_client(""), path.rpartition("/")[2]
    for other in ("/", "/fleet", "/wall", "/api/v1/trials", "/live/fleet"):
        for headers in ({}, {"Authorization": f"Bearer {token}"}, {"Cookie": f"insitu={token}"}):
            assert nobody.get(other, headers=headers).status_code in (303, 401), other
    for wrong in (f"{path}x", path[:-1], "/walls/nowhere", "/walls/%00"):
        answer = nobody.get(wrong)
        assert answer.status_code == 404
        assert WARD_CANARY not in answer.text


def test_the_secret_is_shown_once_and_stored_as_a_hash(own_client: SignIn, own_world_url: str) -> None:
    lab = own_client("lab")
    data = {"form": form_token(lab, "/views"), "name": "Hall", "days": "30", "trial": "platform-air"}
    shown = lab.post("/walls", data=data)
    (token,) = re.findall(r"/walls/([\w-]{43})<", shown.text)
    assert own_client("").get(f"/walls/{token}").status_code == 200
    assert token not in lab.get("/views").text + lab.get(V1).text
    with connect(own_world_url, application="tests") as conn:
        stored = conn.execute("SELECT to_jsonb(w)::text FROM wall_link w").fetchall()
        assert token not in str(stored)


def test_a_wall_ends_by_hand_by_time_and_with_its_maker(
    own_client: SignIn, own_world_url: str, world: World
) -> None:
    lab, nobody = own_client("lab"), own_client("")
    number, path = make(lab)
    assert own_client("aurore").post(f"{V1}/{number}/end").status_code == 404
    assert nobody.get(f"{path}/board").status_code == 200
    assert lab.post(f"{V1}/{number}/end").status_code == 204
    assert lab.post(f"{V1}/{number}/end").status_code == 404
    assert [nobody.get(one).status_code for one in (path, f"{path}/board")] == [404, 404]
    assert "son lien a été arrêté" in nobody.get(path).text
    _, path = make(lab, days=1)
    with connect(own_world_url, application="tests") as conn:
        conn.execute("UPDATE wall_link SET expires_at = clock_timestamp()")
        conn.commit()
    assert nobody.get(path).status_code == 404
    _, path = make(own_client("boreal"))
    assert nobody.get(path).status_code == 200
    with connect(own_world_url, application="tests") as conn:
        disable(conn, get_member(conn, "boreal"), by="lab", now=world.now)
        conn.commit()
        assert nobody.get(path).status_code == 404
        enable(conn, get_member(conn, "boreal"), by="lab", now=world.now)
        conn.commit()
    assert nobody.get(path).status_code == 404, "it does not come back with the account"


def ends_with_password(client: httpx.Client, ticked: bool) -> httpx.Response:
    """Sets another password, and back again, so that the client can sign in as before."""
    fields = {"form": form_token(client, "/account"), **({"ends_walls": "true"} if ticked else {})}
    other = "four words that nobody joins"
    client.post("/account/password", data=fields | {"old": PASSWORD, "new": other})
    fields["form"] = form_token(client, "/account")
    return client.post("/account/password", data=fields | {"old": other, "new": PASSWORD})


def test_with_a_new_password_walls_end_if_their_maker_wants_it(
    own_client: SignIn, own_world_url: str
) -> None:
    lab, nobody = own_client("lab"), own_client("")
    assert 'name="ends_walls"' not in lab.get("/account").text, "nothing to end"
    _, path = make(lab)
    _, foreign = make(own_client("aurore"))
    assert re.search(r'name="ends_walls" value="true" checked', lab.get("/account").text)
    wrong = {"form": form_token(lab, "/account"), "old": "wrong", "new": "whatever else it is"}
    refused = lab.post("/account/password", data=wrong)
    assert re.search(r'name="ends_walls" value="true">', refused.text), "the form keeps what was chosen"
    assert ends_with_password(lab, ticked=False).status_code == 200
    assert nobody.get(path).status_code == 200
    assert ends_with_password(lab, ticked=True).status_code == 200
    assert nobody.get(path).status_code == 404
    assert nobody.get(foreign).status_code == 200
    with connect(own_world_url, application="tests") as conn:
        details = [line.detail for line in audit(conn) if line.action == "change password"]
    assert {"by": "password", "walls_ended": 1} in details


def test_a_link_for_a_forgotten_password_ends_walls_too(own_client: SignIn) -> None:
    lab, nobody = own_client("lab"), own_client("")
    _, path = make(own_client("aurore"))
    data = {"form": form_token(lab, "/people"), "login": "aurore"}
    (link,) = re.findall(r"/invitations/[\w-]+", lab.post("/people/link", data=data).text)
    form = nobody.get(link).text
    assert re.search(r'name="ends_walls" value="true" checked', form)
    (token,) = re.findall(r'name="form" value="([^"]+)"', form.partition('name="username"')[0])[-1:]
    fields = {"form": token, "name": "Aurore", "language": "fr", "password": PASSWORD, "ends_walls": "true"}
    assert nobody.post(link, data=fields).status_code == 303
    assert nobody.get(path).status_code == 404


@pytest.mark.parametrize("form", [True, False])
def test_who_manages_people_sees_and_ends_their_walls_and_no_others(
    own_client: SignIn, own_world_url: str, form: bool
) -> None:
    """The lab manages all; a manager of a host its own people; nobody else any."""
    lab, nobody = own_client("lab"), own_client("")
    numbers = {login: make(own_client(login), name=f"Hall of {login}") for login in ("metro", "aurore")}
    with connect(own_world_url, application="tests") as conn:
        conn.execute("UPDATE person SET manages_people = true WHERE login = 'metro'")
        conn.commit()

    def seen(login: str) -> set[str]:
        client = own_client(login)
        if form:
            return set(re.findall(r"Hall of (\w+)</th>", client.get("/people").text))
        return {one["login"] for one in client.get("/api/v1/people/walls").json().get("items", [])}

    def end(login: str, number: int) -> int:
        client = own_client(login)
        if form:
            data = {"form": form_token(client, "/views")}
            return client.post(f"/people/walls/{number}/end", data=data).status_code
        return client.post(f"/api/v1/people/walls/{number}/end").status_code

    assert seen("lab") == {"metro", "aurore"}
    assert seen("metro") == {"metro"}
    assert seen("aurore") == seen("judge") == set()
    for login in ("metro", "judge", "auditor", "boreal"):
        assert end(login, numbers["aurore"][0]) == 404, login
    assert nobody.get(numbers["aurore"][1]).status_code == 200
    done = 303 if form else 204
    assert end("lab", numbers["aurore"][0]) == end("metro", numbers["metro"][0]) == done
    assert [nobody.get(path).status_code for _, path in numbers.values()] == [404, 404]
    assert end("lab", numbers["aurore"][0]) == 404
    assert lab.get("/api/v1/people/walls").json()["items"] == []
    with connect(own_world_url, application="tests") as conn:
        ends = [(line.login, line.detail) for line in audit(conn) if line.action == "end wall"]
    assert ends == [("person:lab", {"of": "aurore"}), ("person:metro", {"of": "metro"})]


def test_with_a_person_its_views_and_walls_are_erased(
    own_client: SignIn, own_world_url: str, world: World
) -> None:
    boreal = own_client("boreal")
    _, path = make(boreal)
    boreal.post("/api/v1/views", json={"name": "Mine", "address": "/fleet"})
    with connect(own_world_url, application="tests") as conn:
        erase_person(conn, "boreal", login="lab", reason="left", now=world.now)
        conn.commit()
        counts = conn.execute(
            "SELECT (SELECT count(*) FROM saved_view), (SELECT count(*) FROM wall_link), "
            "(SELECT array_agg(table_name ORDER BY table_name) FROM erased_rows "
            "WHERE table_name IN ('saved_view', 'wall_link'))"
        ).fetchall()
    assert counts == [(0, 0, ["saved_view", "wall_link"])]
    assert own_client("").get(path).status_code == 404


def test_a_wall_follows_the_rights_of_its_maker(own_client: SignIn, own_world_url: str) -> None:
    _, path = make(own_client("aurore"))
    assert number_of_devices(own_client(""), path) > 0
    with connect(own_world_url, application="tests") as conn:
        conn.execute(
            "UPDATE person SET organisation_id = (SELECT organisation_id FROM organisation "
            "WHERE code = 'elsewhere-demo') WHERE login = 'aurore'"
        )
        conn.commit()
    assert number_of_devices(own_client(""), path) == 0


def test_making_opening_and_ending_leave_lines(own_client: SignIn, own_world_url: str) -> None:
    number, path = make(own_client("metro"))
    for _ in range(3):
        own_client("").get(f"{path}/board")
    own_client("metro").post(f"{V1}/{number}/end")
    with connect(own_world_url, application="tests") as conn:
        lines = [line for line in audit(conn) if line.login == "person:metro"]
    lines = lines[-3:]
    assert [(line.action, line.subject) for line in lines] == [
        (action, str(number)) for action in ("make wall", "open wall", "end wall")
    ]
    assert lines[1].detail == {"address": "127.0.0.1"}
    assert path.rpartition("/")[2] not in str(lines)


def test_nobody_makes_a_wall_of_what_is_not_seen_or_beyond_the_limits(own_client: SignIn) -> None:
    aurore = own_client("aurore")
    for body, status in (
        ({"trials": ["ward-ventilation"]}, 404),
        ({"sites": ["hospital-south"]}, 404),
        ({"days": 0}, 422),
        ({"days": 401}, 422),
        ({"name": ""}, 400),
        ({"trials": ["platform-air"] * 21}, 422),
    ):
        answer = aurore.post(V1, json={"name": "Hall", **body})
        assert answer.status_code == status, (body, answer.text)
    for _ in range(MOST_WALLS):
        make(aurore)
    assert "end one first" in aurore.post(V1, json={"name": "Hall"}).json()["detail"]


def test_a_wall_says_when_insitu_takes_nothing_in(own_world_url: str, data_dir: Path) -> None:
    def out() -> Readiness:
        return Readiness(Stage.PUBLISH, "secret detail of the broker", 0.0)

    with serving(own_world_url, data_dir, by_form=False, readiness=out) as client:
        _, path = make(client("lab"))
        text = client("").get(path).text
        assert "Insitu ne reçoit pas de messages" in text or "Insitu is not taking in messages" in text
        assert "secret detail" not in text


def test_last_heard_is_the_newest_sign_of_life(own_client: SignIn, own_world_url: str, world: World) -> None:
    _, path = make(own_client("lab"))
    with connect(own_world_url, application="tests") as conn:
        ((newest,),) = conn.execute(
            "SELECT max(last_seen_at) FROM device_contact JOIN device USING (device_id) "
            "WHERE retired_at IS NULL"
        ).fetchall()
    text = own_client("").get(path).text
    (heard,) = re.findall(r'class="heard">.*?<time datetime="([^"]+)"', text, re.DOTALL)
    assert abs(datetime.fromisoformat(heard) - newest) < timedelta(seconds=1)
