"""Windows over the API and on the pages: declared, ended, withdrawn, corrected; and what has to stay."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from insitu.errors import CorrectInput, NotFound
from insitu.model import WindowKind
from store.access import viewer_of
from store.audit import audit, audit_problem
from store.catalogue.windows import get_window, list_windows
from store.database import connect
from store.evidence import find_differences
from tests.api.conftest import SignIn, form_token
from tests.api.world import World
from trials.workflow.loading import windows_of
from trials.workflow.windows import Target, Wanted, declare, end_now, withdraw

API = "/api/v1/trials/platform-air/windows"
HOUR = timedelta(hours=1)
HOSTILE = "<script>alert(1)</script> =cmd|' /C calc'!A0"


def body(world: World, **changes: Any) -> dict[str, Any]:
    start, end = world.now - HOUR, world.now + 5 * HOUR
    given = {"kind": "maintenance", "start": start, "end": end, "reason": "Cleaning", **changes}
    return {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in given.items()
    }


def counting(url: str, trial: str = "platform-air") -> list[tuple[str, datetime, datetime | None]]:
    with connect(url, application="tests") as conn:
        return [(one.target, one.start, one.end) for one in list_windows(conn, trial)]


def test_a_window_declared_afterwards_is_marked_and_not_declared_twice(
    own_client: SignIn, own_world_url: str, world: World
) -> None:
    company = own_client("aurore")
    first = company.post(API, json=body(world, device="p1-north", reason=HOSTILE))
    assert first.status_code == 201, first.text
    again = company.post(API, json=body(world, device="p1-north", reason=HOSTILE))
    assert again.json() == first.json()
    assert first.json()["is_afterwards"] is True
    assert first.json()["declared_by"] == "aurore"
    assert first.json()["target"] == "platform-air/p1-north"
    number = first.json()["window_id"]
    assert [one["window_id"] for one in company.get(API).json()["items"]].count(number) == 1
    page = company.get("/trials/platform-air/windows").text
    assert "<script>alert" not in page
    assert "declared afterwards" in page
    with connect(own_world_url, application="tests") as conn:
        line = audit(conn)[-1]
        assert (line.login, line.action, line.subject) == (
            "person:aurore",
            "window",
            "platform-air/p1-north",
        )
        assert audit_problem(conn) is None
        assert find_differences(conn) == []


def test_each_role_declares_for_what_is_its_own(own_client: SignIn, world: World) -> None:
    def status(login: str, **more: str) -> int:
        return own_client(login).post(API, json=body(world, **more)).status_code

    assert status("metro", site="station-centre") == 201
    assert status("metro", device="p1-north") == 201
    assert status("metro") == 201, "it is the host of the trial"
    assert status("lab", site="station-centre") == 201
    assert status("aurore") == 201
    assert status("aurore", site="station-centre") == 404, "others have devices there"
    assert status("aurore", device="nobody") == 404
    assert status("hospital", site="hospital-south") == 404, "not of this trial"
    for login in ("metro-buyer", "judge", "auditor", "boreal", "outsider"):
        assert status(login) == 404, login
    own = own_client("hospital").post("/api/v1/sites/hospital-south/windows", json=body(world))
    assert own.status_code == 201
    other = own_client("hospital").post("/api/v1/sites/station-centre/windows", json=body(world))
    assert other.status_code == 404
    assert own_client("hospital").post(f"/api/v1/windows/{own.json()['window_id']}/end").status_code == 200
    assert own_client("metro").post(f"/api/v1/windows/{own.json()['window_id']}/end").status_code == 404


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": "  "},
        {"reason": "two\nlines\x07"},
        {"end": "2020-01-01T00:00:00Z"},
    ],
)
def test_a_wrong_window_is_explained_and_not_declared(
    own_client: SignIn, own_world_url: str, world: World, changes: dict[str, str]
) -> None:
    before = counting(own_world_url)
    answer = own_client("metro").post(API, json=body(world) | changes)
    assert answer.status_code == 400
    assert answer.json()["code"] == "correct_input"
    assert counting(own_world_url) == before


@pytest.mark.parametrize(
    "changes",
    [
        {"start": "2026-01-01T00:00:00"},
        {"start": "1600000000"},
        {"start": -62135596800},
        {"kind": "holiday"},
        {"reason": "x" * 501},
        {"by": "lab"},
    ],
)
def test_a_body_of_another_form_is_refused(own_client: SignIn, world: World, changes: dict[str, str]) -> None:
    assert own_client("metro").post(API, json=body(world) | changes).status_code == 422


def test_a_window_in_time_stays_once_it_has_begun_and_ends_from_now_on(
    own_world_url: str, world: World
) -> None:
    """Otherwise the results in it could be looked at first, and then chosen."""
    with connect(own_world_url, application="tests") as conn:
        metro = viewer_of(conn, "metro")
        start, end = world.now + HOUR, world.now + 9 * HOUR
        given: dict[str, Any] = {"viewer": metro, "by": "metro"}
        wanted = Wanted(WindowKind.ACCESS, start, end, "Lift works")
        number = declare(conn, Target("site", "station-centre"), wanted, now=world.now, **given)
        with pytest.raises(CorrectInput, match="does not run now"):
            end_now(conn, number, now=world.now, **given)
        with pytest.raises(CorrectInput, match="declared in time and has begun"):
            withdraw(conn, number, "too good", now=start + HOUR, **given)
        with pytest.raises(NotFound):
            end_now(conn, number, now=start + HOUR, viewer=viewer_of(conn, "city"), by="city")
        end_now(conn, number, now=start + 2 * HOUR, **given)
        with pytest.raises(CorrectInput, match="does not run now"):
            end_now(conn, number, now=start + 3 * HOUR, **given)
        conn.commit()
        stored = get_window(conn, number)
        assert (stored.end, stored.until, stored.is_afterwards) == (end, start + 2 * HOUR, False)
        assert find_differences(conn) == []
        ended = {one.start: one.ended_at for one in windows_of(conn, "platform-air")}
        assert ended.pop(start) == start + 2 * HOUR
        assert set(ended.values()) <= {None}, "the others end as declared"
    assert ("station-centre", start, start + 2 * HOUR) in counting(own_world_url)


def test_a_window_that_has_not_begun_is_corrected_and_the_first_one_stays_in_the_record(
    own_client: SignIn, own_world_url: str, world: World
) -> None:
    lab = own_client("lab")
    later = {"start": (world.now + 30 * HOUR).isoformat(), "end": (world.now + 40 * HOUR).isoformat()}
    first = lab.post(API, json=body(world) | later).json()["window_id"]
    same = lab.post(f"/api/v1/windows/{first}/correction", json=body(world) | later)
    assert same.status_code == 400
    wanted = body(world) | later | {"kind": "incident", "end": None}
    second = lab.post(f"/api/v1/windows/{first}/correction", json=wanted)
    assert second.status_code == 201, second.text
    assert (second.json()["kind"], second.json()["end"]) == ("incident", None)
    stored = {one["window_id"]: one for one in lab.get(API).json()["items"]}
    assert stored[first]["withdrawn_by"] == "lab"
    assert stored[first]["withdrawn_for"] == "corrected"
    assert [end for _, start, end in counting(own_world_url) if start == world.now + 30 * HOUR] == [None]
    number = second.json()["window_id"]
    assert lab.post(f"/api/v1/windows/{number}/withdrawal", json={"reason": "wrong"}).status_code == 201
    assert lab.post(f"/api/v1/windows/{number}/withdrawal", json={"reason": "wrong"}).status_code == 400
    assert [one for one in counting(own_world_url) if one[1] == world.now + 30 * HOUR] == []
    with connect(own_world_url, application="tests") as conn:
        assert find_differences(conn) == []


def test_a_neighbour_sees_the_windows_of_its_own_sites_alone(own_client: SignIn, world: World) -> None:
    """`metro` has no device in the ward's trial, so it sees nothing of it; the host's company sees all."""
    assert own_client("metro").get("/api/v1/trials/ward-ventilation/windows").status_code == 404
    answer = own_client("boreal").get("/api/v1/trials/ward-ventilation/windows")
    assert answer.json()["items"] == []


def send(client: httpx.Client, path: str, **fields: str) -> httpx.Response:
    return client.post(path, data={"form": form_token(client, "/trials"), **fields})


def test_the_forms_do_the_same(own_client: SignIn, own_world_url: str, world: World) -> None:
    metro = own_client("metro")
    fields = {"target": "site:station-centre", "kind": "access", "start": "2026-03-29T02:30", "end": ""}
    skipped = send(metro, "/trials/platform-air/windows", **fields, reason="Works")
    assert skipped.status_code == 400, "the clocks skip that hour in Paris"
    assert "the clocks skip it" in skipped.text
    assert 'value="Works"' in skipped.text, "what was typed is not lost"
    fields["start"] = "2026-03-29T04:30"
    assert send(metro, "/trials/platform-air/windows", **fields, reason=HOSTILE).status_code == 303
    ((target, start, _),) = [one for one in counting(own_world_url) if one[2] is None]
    assert (target, start.isoformat()) == ("station-centre", "2026-03-29T02:30:00+00:00")
    page = metro.get("/sites/station-centre").text
    assert "<script>alert" not in page
    number = page.split('href="/windows/')[1].split('"')[0]
    assert send(metro, f"/windows/{number}/withdrawal", reason=" ").status_code == 400
    again = {"kind": "incident", "start": "2026-03-29T05:00", "end": "2026-03-29T06:00", "reason": "Flood"}
    assert send(metro, f"/windows/{number}/correction", **again).status_code == 303
    assert [one for one in counting(own_world_url) if one[2] is None] == []
    declared = {"kind": "incident", "start": "2026-03-30T05:00", "reason": "Flood"}
    assert send(metro, "/sites/station-centre/windows", **declared).status_code == 303
    running = metro.get("/sites/station-centre").text.split('href="/windows/')[1].split('"')[0]
    assert send(metro, f"/windows/{running}/end").status_code == 303
    assert send(metro, f"/windows/{running}/end").status_code == 400
    assert [one for one in counting(own_world_url) if one[2] is None] == []
    assert send(own_client("city"), f"/windows/{running}/end").status_code == 404
