"""Plans of sites over the API, on the pages and by the command line: who sees and changes what, what is
recorded, and what becomes of hostile files.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from store.audit import audit
from store.catalogue.deployments import deploy, end_deployment
from store.database import connect
from tests.api.conftest import SignIn, form_token, new_session, server
from tests.api.test_tokens import bearer, give
from tests.cli.calling import call
from tests.fix_database import clone
from tests.pictures import DISARMED, REFUSED, SVG, png

SITE = "/api/v1/sites/station-centre"
PAGE = "/sites/station-centre"
DEVICE = "platform-air/p1-north"
HOSTILE = "<img src=x onerror=alert(1)> \u05d0’; DROP TABLE site; --"


def enter(client: httpx.Client, name: str = "Level", content: bytes = SVG, **fields: Any) -> dict[str, Any]:
    answer = client.post(
        f"{SITE}/plans", data={"name": name, **fields}, files={"file": ("plan.svg", content)}
    )
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    assert answer.headers["ETag"] == made["etag"]
    return made


def devices(client: httpx.Client, plan: int) -> dict[str, dict[str, Any]]:
    answer = client.get(f"{SITE}/plans/{plan}")
    assert answer.status_code == 200, answer.text
    return {one["device"]: one for one in answer.json()["devices"]}


def lines(url: str) -> list[tuple[str, str, str, dict[str, Any]]]:
    """(action, who, subject, detail) of the lines about plans."""
    with connect(url, application="tests") as conn:
        return [
            (one.action, one.login, one.subject, one.detail) for one in audit(conn) if "plan" in one.detail
        ]


def test_the_host_enters_a_plan_places_a_device_and_everybody_of_the_trial_sees_it(
    own_client: SignIn, own_world_url: str
) -> None:
    metro = own_client("metro")
    plan = enter(metro, rank="-1")["plan"]
    before = devices(metro, plan)[DEVICE]
    assert (before["plan"], before["x"], before["etag"]) == (None, None, '"unplaced"')
    place = {"device": DEVICE, "x": 34.5, "y": 62}
    answer = metro.post(f"{SITE}/plans/{plan}/places", json=place, headers={"If-Match": before["etag"]})
    assert answer.status_code == 200, answer.text
    for login in ("metro", "lab", "aurore", "judge", "auditor", "metro-buyer"):
        shown = devices(own_client(login), plan)[DEVICE]
        assert (shown["plan"], shown["x"], shown["y"], shown["placed_by"]) == (plan, 34.5, 62, "metro")
        page = own_client(login).get(f"{PAGE}/plans/{plan}")
        assert page.status_code == 200
        assert 'x="34.5%" y="62.0%"' in page.text
        assert (f'action="{PAGE}/plans/{plan}/places"' in page.text) == (login in ("metro", "lab"))
        device = own_client(login).get(f"/trials/{DEVICE.replace('/', '/devices/')}").text
        assert f'href="{PAGE}/plans/{plan}#mark-' in device
        image = own_client(login).get(f"{SITE}/plans/{plan}/image")
        assert image.headers["content-type"] == "image/png"
        assert "sandbox" in image.headers["content-security-policy"]
        assert image.headers["x-content-type-options"] == "nosniff"
        again = own_client(login).get(
            f"{PAGE}/plans/{plan}/image", headers={"If-None-Match": image.headers["etag"]}
        )
        assert (again.status_code, again.content) == (304, b"")
    for login in ("hospital", "boreal", "outsider", "city", "hospital-buyer"):
        for path in (f"{SITE}/plans", f"{SITE}/plans/{plan}", f"{SITE}/plans/{plan}/image"):
            assert own_client(login).get(path).status_code == 404, (login, path)
        assert own_client(login).get(f"{PAGE}/plans/{plan}").status_code == 404
        assert own_client(login).get(f"/live{PAGE}/plans/{plan}").status_code == 404
    for login in ("aurore", "judge", "auditor", "hospital", "metro-buyer"):
        assert own_client(login).post(f"{SITE}/plans/{plan}/places", json=place).status_code == 404, login
        sent = own_client(login).post(f"{SITE}/plans", data={"name": "x"}, files={"file": ("a", SVG)})
        assert sent.status_code == 404, login
    actions = [(action, who, subject) for action, who, subject, _ in lines(own_world_url)]
    assert actions == [
        ("enter site plan", "person:metro", "station-centre"),
        ("place device", "person:metro", "station-centre"),
    ]


def test_a_company_sees_its_own_devices_alone(own_client: SignIn, own_world_url: str) -> None:
    """A device of another company at the same site is on the plan for the host, and not for this one."""
    with connect(own_world_url, application="tests") as conn:
        ((device,),) = conn.execute("SELECT device_id FROM device WHERE code = 'ward-a'").fetchall()
        now = datetime.now(UTC)
        end_deployment(conn, device_id=device, at=now - timedelta(seconds=2))
        deploy(conn, device_id=device, site="station-centre", position="hall", start=now)
        conn.commit()
    metro = own_client("metro")
    plan = enter(metro)["plan"]
    for code in (DEVICE, "ward-ventilation/ward-a"):
        answer = metro.post(f"{SITE}/plans/{plan}/places", json={"device": code, "x": 1, "y": 2})
        assert answer.status_code == 200, answer.text
    assert {DEVICE, "ward-ventilation/ward-a"} <= set(devices(metro, plan))
    assert "ward-ventilation/ward-a" not in devices(own_client("aurore"), plan)
    assert set(devices(own_client("boreal"), plan)) == {"ward-ventilation/ward-a"}
    assert "ward-a" not in own_client("aurore").get(f"{PAGE}/plans/{plan}").text
    assert "p1-north" not in own_client("boreal").get(f"{PAGE}/plans/{plan}").text


def test_a_device_that_is_elsewhere_now_has_no_place_and_gets_none(
    own_client: SignIn, own_world_url: str
) -> None:
    metro = own_client("metro")
    plan = enter(metro)["plan"]
    place = {"device": DEVICE, "x": 1, "y": 2}
    assert metro.post(f"{SITE}/plans/{plan}/places", json=place).status_code == 200
    with connect(own_world_url, application="tests") as conn:
        ((device,),) = conn.execute("SELECT device_id FROM device WHERE code = 'p1-north'").fetchall()
        now = datetime.now(UTC) - timedelta(seconds=2)
        end_deployment(conn, device_id=device, at=now)
        deploy(conn, device_id=device, site="depot-east", position="gate", start=now)
        conn.commit()
    assert DEVICE not in devices(metro, plan)
    refused = metro.post(f"{SITE}/plans/{plan}/places", json=place)
    assert (refused.status_code, refused.json()["code"]) == (400, "correct_input")
    for wrong in ("", "p1-north", "platform-air/nobody", "ward-ventilation/ward-a", HOSTILE):
        answer = metro.post(f"{SITE}/plans/{plan}/places", json={**place, "device": wrong})
        assert answer.status_code == 400, wrong


def test_who_moves_what_somebody_moved_meanwhile_hears_by_whom(own_client: SignIn) -> None:
    metro, lab = own_client("metro"), own_client("lab")
    plan = enter(metro)["plan"]
    first = devices(metro, plan)[DEVICE]["etag"]
    path, place = f"{SITE}/plans/{plan}/places", {"device": DEVICE, "x": 10, "y": 20}
    made = lab.post(path, json=place, headers={"If-Match": first})
    assert made.status_code == 200
    late = metro.post(path, json={**place, "x": 50}, headers={"If-Match": first})
    assert (late.status_code, late.json()["code"]) == (412, "changed_meanwhile")
    assert "lab" in late.json()["detail"]
    assert devices(metro, plan)[DEVICE]["x"] == 10
    page = metro.post(
        f"{PAGE}/plans/{plan}/places",
        data={
            "form": form_token(metro, PAGE),
            "device": DEVICE,
            "x": "77,5 %",
            "y": "8",
            "etag": first.strip('"'),
        },
    )
    assert page.status_code == 412
    assert "moved by lab meanwhile" in page.text
    assert 'value="77,5 %"' in page.text, "what was typed stays"
    right = metro.post(path, json={**place, "x": 50}, headers={"If-Match": made.json()["etag"]})
    assert right.status_code == 200


def test_the_form_places_takes_off_and_says_what_is_wrong(own_client: SignIn) -> None:
    metro = own_client("metro")
    plan = enter(metro)["plan"]
    token = form_token(metro, PAGE)

    def send(**fields: str) -> httpx.Response:
        return metro.post(
            f"{PAGE}/plans/{plan}/places", data={"form": token, "device": DEVICE, "action": "put", **fields}
        )

    moved = send(x="12,5", y="80 %")
    assert moved.status_code == 303
    assert "12.5 % from the left and 80 % from the top" in metro.get(moved.headers["location"]).text
    for x, y in (("", ""), ("1", ""), ("a", "1"), ("101", "1"), ("-1", "1"), ("nan", "1"), ("1e400", "1")):
        answer = send(x=x, y=y)
        assert answer.status_code == 400, (x, y)
        assert 'role="alert"' in answer.text
    assert devices(metro, plan)[DEVICE]["x"] == 12.5
    assert send(action="off").status_code == 303
    assert devices(metro, plan)[DEVICE]["plan"] is None


def test_plans_are_listed_by_their_order_and_changed_with_their_version(
    own_client: SignIn, own_world_url: str
) -> None:
    metro = own_client("metro")
    upper, lower = enter(metro, "Upper", rank="1"), enter(metro, "Lower", rank="-2")
    listed = metro.get(f"{SITE}/plans").json()["items"]
    assert [one["name"] for one in listed] == ["Lower", "Upper"]
    twice = metro.post(f"{SITE}/plans", data={"name": "Upper"}, files={"file": ("a", SVG)})
    assert twice.status_code == 409
    path = f"{SITE}/plans/{upper['plan']}"
    changed = metro.post(path, json={"rank": -3}, headers={"If-Match": upper["etag"]})
    assert (changed.status_code, changed.json()["name"], changed.json()["rank"]) == (200, "Upper", -3)
    assert metro.post(path, json={"name": "Else"}, headers={"If-Match": upper["etag"]}).status_code == 412
    assert metro.post(path, json={"name": "Lower"}).status_code == 409
    for wrong in ({"name": ""}, {"name": "a\nb\x00"}, {"name": "x" * 201}, {"rank": 1000}, {"more": 1}):
        assert metro.post(path, json=wrong).status_code in (400, 422), wrong
    place = {"device": DEVICE, "x": 5, "y": 5}
    assert metro.post(f"{path}/places", json=place).status_code == 200
    other = metro.post(f"{path}/image", files={"file": ("b.png", png(50, 40))})
    assert (other.status_code, other.json()["width"]) == (200, 50)
    assert devices(metro, upper["plan"])[DEVICE]["x"] == 5, "the places stay"
    assert [action for action, *_ in lines(own_world_url)] == [
        *["enter site plan"] * 2,
        "change site plan",
        "place device",
        "change site plan",
    ]
    assert lower["rank"] == -2


def test_forms_of_a_plan_that_somebody_changed_meanwhile_keep_both_versions(own_client: SignIn) -> None:
    metro = own_client("metro")
    made = enter(metro, "First")
    path = f"{PAGE}/plans/{made['plan']}"
    form = {"form": form_token(metro, path), "etag": made["etag"].strip('"')}
    assert metro.post(f"{SITE}/plans/{made['plan']}", json={"name": "Theirs"}).status_code == 200
    mine = {
        "name": (None, "Mine"),
        "rank": (None, "4"),
        **{name: (None, text) for name, text in form.items()},
    }
    answer = metro.post(path, files=mine)
    assert answer.status_code == 412
    assert "<td>Theirs</td><td>Mine</td>" in answer.text
    assert 'value="Mine"' in answer.text
    assert metro.post(f"{path}/removal", data={**form, "sure": "yes"}).status_code == 412
    assert [one["name"] for one in metro.get(f"{SITE}/plans").json()["items"]] == ["Theirs"]


def test_a_plan_that_is_sent_twice_with_its_key_is_entered_once(own_client: SignIn) -> None:
    """Each sending of a form has another line between its parts."""
    metro, key = own_client("metro"), {"Idempotency-Key": "k"}
    first, again, other = (
        metro.post(f"{SITE}/plans", data={"name": name}, files={"file": ("plan.svg", SVG)}, headers=key)
        for name in ("One", "One", "Two")
    )
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    assert other.status_code == 422
    assert [one["name"] for one in metro.get(f"{SITE}/plans").json()["items"]] == ["One"]


def test_a_plan_is_removed_only_by_somebody_who_means_it(own_client: SignIn, own_world_url: str) -> None:
    metro = own_client("metro")
    plan = enter(metro)["plan"]
    path = f"{SITE}/plans/{plan}"
    assert metro.post(f"{path}/places", json={"device": DEVICE, "x": 5, "y": 5}).status_code == 200
    asked = metro.post(f"{path}/removal", json={})
    assert asked.status_code == 400
    assert "(1): confirm" in asked.json()["detail"]
    page = metro.post(f"{PAGE}/plans/{plan}/removal", data={"form": form_token(metro, PAGE)})
    assert page.status_code == 400
    assert metro.get(path).status_code == 200
    gone = metro.post(f"{PAGE}/plans/{plan}/removal", data={"form": form_token(metro, PAGE), "sure": "yes"})
    assert gone.status_code == 303
    assert metro.get(path).status_code == 404
    assert lines(own_world_url)[-1][:2] == ("remove site plan", "person:metro")
    with connect(own_world_url, application="tests") as conn:
        assert conn.execute("SELECT count(*) FROM plan_place").fetchall() == [(0,)]


def test_hostile_files_are_refused_over_the_api_and_on_the_page(own_client: SignIn) -> None:
    metro = own_client("metro")
    token = form_token(metro, PAGE)
    for name, content in REFUSED.items():
        if name == "too large":
            continue
        file = {"file": (HOSTILE, content)}
        answer = metro.post(f"{SITE}/plans", data={"name": "x"}, files=file)
        assert answer.status_code == 400, name
        page = metro.post(f"{PAGE}/plans", data={"form": token, "name": "typed before"}, files=file)
        assert page.status_code == 400, name
        assert "typed before" in page.text
    assert metro.get(f"{SITE}/plans").json()["items"] == []
    large = metro.post(f"{SITE}/plans", data={"name": "x"}, files={"file": ("a", b"x" * 9_000_000)})
    assert large.status_code == 413


def test_hostile_words_and_content_stay_words_and_pixels(own_client: SignIn) -> None:
    metro = own_client("metro")
    for name, content in DISARMED.items():
        plan = enter(metro, name, content)["plan"]
        image = metro.get(f"{SITE}/plans/{plan}/image").content
        assert image.startswith(b"\x89PNG")
        assert b"script" not in image
    plan = enter(metro, HOSTILE)["plan"]
    for path in (PAGE, f"{PAGE}/plans/{plan}", "/map", "/fleet?site=station-centre"):
        shown = metro.get(path).text
        assert "<img src=x" not in shown
        assert "&lt;img src=x" in shown, path


def test_a_site_has_no_more_plans_than_anybody_could_list(
    own_client: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trials.workflow.plans.MOST_PLANS", 1)
    metro = own_client("metro")
    enter(metro)
    answer = metro.post(f"{SITE}/plans", data={"name": "x"}, files={"file": ("a", SVG)})
    assert (answer.status_code, "remove one first" in answer.text) == (400, True)


ROWS = (
    "SELECT s.code, p.name, p.rank, p.sha256, p.width, p.height FROM site_plan p JOIN site s USING (site_id) "
    "ORDER BY 1, 2",
    "SELECT d.code, l.x, l.y FROM plan_place l JOIN deployment USING (deployment_id) JOIN device d "
    "USING (device_id) ORDER BY 1",
)


def test_the_verb_the_page_and_the_api_leave_the_same_rows_and_lines(
    database_server: str,
    filled: tuple[str, object],
    data_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three installations with the same beginning."""
    file = tmp_path / "plan.svg"
    file.write_bytes(SVG)
    other = "platform-air/p1-south"

    def by_api(url: str) -> None:
        headers = bearer(give(url, "lab", acts=True))
        with server(url, data_dir) as address, httpx.Client(base_url=address, headers=headers) as program:
            plan = enter(program, "Level", rank="2")["plan"]
            gone = enter(program, "Gone")["plan"]
            for device, x in ((DEVICE, 10.5), (other, 20.0)):
                place = {"device": device, "x": x, "y": 5}
                assert program.post(f"{SITE}/plans/{plan}/places", json=place).status_code == 200
            off = {"device": other}
            assert program.post(f"{SITE}/plans/{plan}/places", json=off).status_code == 200
            assert program.post(f"{SITE}/plans/{plan}", json={"name": "Floor"}).status_code == 200
            assert program.post(f"{SITE}/plans/{gone}/removal", json={"is_sure": True}).status_code == 200

    def by_verb(url: str) -> None:
        monkeypatch.setenv("INSITU_DATABASE_URL", url)
        monkeypatch.setenv("INSITU_DATA_DIR", str(tmp_path))
        call("plans", "add", "station-centre", str(file), "--name", "Level", "--rank", "2")
        call("plans", "add", "station-centre", str(file), "--name", "Gone")
        call("plans", "place", "station-centre", "1", DEVICE, "--x", "10.5", "--y", "5")
        call("plans", "place", "station-centre", "1", other, "--x", "20", "--y", "5")
        call("plans", "place", "station-centre", "1", other, "--off")
        call("plans", "change", "station-centre", "1", "--name", "Floor")
        call("plans", "remove", "station-centre", "2", "--yes")

    def by_page(url: str) -> None:
        with server(url, data_dir) as address, httpx.Client(base_url=address) as client:
            client.cookies.set("insitu", new_session(url, "lab"), domain="127.0.0.1")
            token = {"form": form_token(client, PAGE)}

            def post(path: str, **fields: Any) -> None:
                files = {"file": ("plan.svg", SVG)} if path == "" else None
                answer = client.post(f"{PAGE}/plans{path}", data=token | fields, files=files)
                assert answer.status_code == 303, answer.text

            post("", name="Level", rank="2")
            post("", name="Gone", rank="0")
            post("/1/places", device=DEVICE, x="10.5", y="5")
            post("/1/places", device=other, x="20", y="5")
            post("/1/places", device=other, action="off")
            post("/1", name="Floor", rank="2")
            post("/2/removal", sure="yes")

    left = [_left(database_server, filled[0], act) for act in (by_api, by_verb, by_page)]
    assert left[0] == left[1]
    assert left[0] == left[2]
    assert len(left[0][1]) == 7


def _left(server_url: str, template: str, act: Callable[[str], None]) -> tuple[Any, Any]:
    """Rows, and lines without who acted, after an act in an installation of its own."""
    with clone(server_url, template) as url:
        act(url)
        found = [(action, subject, detail) for action, _, subject, detail in lines(url)]
        with connect(url, application="tests") as conn:
            return [conn.execute(query.encode()).fetchall() for query in ROWS], found
