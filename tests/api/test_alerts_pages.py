"""The page of alerts and its routes: forms, lines of the audit log, other people's things, hostile texts."""

from __future__ import annotations

import json
from datetime import timedelta

import httpx
import pytest

from store.access import viewer_of
from store.alerts import add_alert, list_open_alerts
from store.audit import audit
from store.database import connect
from store.notices import list_channels, list_notices
from tests.api.conftest import SignIn, form_token
from tests.api.world import AIR_CANARY, World
from trials.alerting.addresses import confirmation_code

HOSTILE = "<script>alert(1)</script>"


def post(client: httpx.Client, path: str, **more: str) -> httpx.Response:
    return client.post(path, data={"form": form_token(client, "/alerts"), **more})


def open_alert(url: str, world: World, login: str, device: str = "ward-a", kind: str = "silent") -> int:
    with connect(url, application="tests") as conn:
        person = viewer_of(conn, login).person_id
        ((trial,),) = conn.execute(
            "SELECT trial_id FROM device WHERE device_id = %s", (world.devices[device],)
        ).fetchall()
        number = add_alert(
            conn,
            person,
            kind,
            trial_id=trial,
            device_id=world.devices[device],
            site=None,
            since=world.now - timedelta(hours=5),
            at=world.now,
            resolved_at=None,
            detail={"silence_s": 9000, "last_seen_at": world.now.isoformat()},
            troubles=[],
        )
        conn.commit()
    return number


def last_acts(url: str, login: str) -> list[str]:
    with connect(url, application="tests") as conn:
        return [line.action for line in audit(conn) if line.login == f"person:{login}"]


def test_an_alert_is_on_the_page_of_its_person_until_it_is_known(
    own_client: SignIn, own_world_url: str, world: World
) -> None:
    number = open_alert(own_world_url, world, "boreal")
    page = own_client("boreal").get("/alerts").text
    assert "Device silent: ward-a" in page or "Appareil muet" in page
    assert 'href="/alerts"' in own_client("boreal").get("/").text
    assert post(own_client("aurore"), "/alerts/acknowledge", alert=str(number)).status_code == 404
    assert post(own_client("boreal"), "/alerts/acknowledge", alert=str(number)).status_code == 303
    with connect(own_world_url, application="tests") as conn:
        (alert,) = list_open_alerts(conn)
    assert alert.acknowledged_at is not None
    assert "acknowledge alert" in last_acts(own_world_url, "boreal")


def test_an_alert_about_a_device_that_its_person_may_not_see_any_more_shows_nothing(
    own_client: SignIn, own_world_url: str, world: World
) -> None:
    open_alert(own_world_url, world, "aurore")  # a device of another company
    page = own_client("aurore").get("/alerts").text
    assert "ward-a" not in page
    answer = own_client("aurore").get("/api/v1/alerts").json()
    assert answer["items"] == []


def test_rules_are_set_and_taken_back_over_page_and_api(own_client: SignIn, own_world_url: str) -> None:
    boreal = own_client("boreal")
    answer = post(
        boreal, "/alerts/rules", kind="radio", on="true", remind="4", device="ward-ventilation/ward-a"
    )
    assert answer.status_code == 303, answer.text
    given = {"kind": "late", "on": True, "remind_hours": 0, "scope": "trial:ward-ventilation"}
    assert boreal.post("/api/v1/alerts/rules", json=given).status_code == 200
    rules = boreal.get("/api/v1/alerts/rules").json()["items"]
    own = {one["scope"]: one for one in rules if one["rule"]}
    assert own["device:ward-ventilation/ward-a"]["remind_hours"] == 4
    assert own["trial:ward-ventilation"]["on"] is True
    assert {one["kind"]: one["on"] for one in rules if not one["rule"]}["silent"] is True
    number = own["trial:ward-ventilation"]["rule"]
    assert own_client("aurore").post("/api/v1/alerts/rules/removal", json={"rule": number}).status_code == 404
    assert boreal.post("/api/v1/alerts/rules/removal", json={"rule": number}).status_code == 200
    number = own["device:ward-ventilation/ward-a"]["rule"]
    assert post(boreal, "/alerts/rules/remove", rule=str(number)).status_code == 303
    acts = last_acts(own_world_url, "boreal")
    assert (acts.count("set alert rule"), acts.count("remove alert rule")) == (2, 2)


@pytest.mark.parametrize(
    "scope", ["trial:ward-ventilation", "device:ward-ventilation/ward-a", "site:ward-a", "trial:nowhere"]
)
def test_nobody_sets_a_rule_about_a_thing_of_others(own_client: SignIn, scope: str) -> None:
    given = {"kind": "late", "on": True, "scope": scope}
    assert own_client("aurore").post("/api/v1/alerts/rules", json=given).status_code == 404


def test_a_webhook_is_added_tested_and_removed_over_the_page(own_client: SignIn, own_world_url: str) -> None:
    boreal = own_client("boreal")
    answer = post(boreal, "/alerts/channels", kind="webhook", address="https://example.org/x")
    with connect(own_world_url, application="tests") as conn:
        person = viewer_of(conn, "boreal").person_id
        (channel,) = list_channels(conn, person)
    assert bytes(channel.secret).hex() in answer.text, "shown this once"
    assert bytes(channel.secret).hex() not in boreal.get("/alerts").text
    number = str(channel.alert_channel_id)
    assert post(boreal, "/alerts/channels/test", channel=number).status_code == 200
    assert post(boreal, "/alerts/channels/test", channel=number).status_code == 400, "one a minute"
    assert post(own_client("aurore"), "/alerts/channels/test", channel=number).status_code == 404
    assert post(own_client("aurore"), "/alerts/channels/remove", channel=number).status_code == 404
    assert post(boreal, "/alerts/channels/remove", channel=number).status_code == 303
    with connect(own_world_url, application="tests") as conn:
        assert list_channels(conn, person) == []
        (notice,) = list_notices(conn, person)
    assert notice.event == "test"
    acts = last_acts(own_world_url, "boreal")
    assert acts[-3:] == ["add alert channel", "test alert channel", "remove alert channel"]
    assert "example.org" not in json.dumps(acts)


def test_every_act_about_channels_works_over_the_api(own_client: SignIn, own_world_url: str) -> None:
    boreal = own_client("boreal")
    made = boreal.post("/api/v1/alerts/channels", json={"kind": "mail", "address": "b@example.org"})
    assert made.status_code == 201, made.text
    number = made.json()["channel"]
    assert (made.json()["confirmed_at"], made.json()["secret"]) == (None, "")
    wrong = boreal.post("/api/v1/alerts/channels/confirmation", json={"channel": number, "code": "aaaa"})
    assert wrong.status_code == 422 or wrong.status_code == 400
    with connect(own_world_url, application="tests") as conn:
        (channel,) = list_channels(conn, viewer_of(conn, "boreal").person_id)
    code = confirmation_code(bytes(channel.secret))
    right = boreal.post("/api/v1/alerts/channels/confirmation", json={"channel": number, "code": code})
    assert right.status_code == 200
    (listed,) = boreal.get("/api/v1/alerts/channels").json()["items"]
    assert listed["confirmed_at"] is not None
    assert "secret" not in listed
    topic = boreal.post("/api/v1/alerts/channels", json={"kind": "mqtt"}).json()
    assert topic["address"].startswith("insitu/alerts/boreal-demo/")
    assert topic["user"] == f"alerts.{topic['channel']}"
    for one in (number, topic["channel"]):
        assert boreal.post("/api/v1/alerts/channels/removal", json={"channel": one}).status_code == 200
    assert "confirm alert channel" in last_acts(own_world_url, "boreal")


def test_an_alert_is_known_over_the_api(own_client: SignIn, own_world_url: str, world: World) -> None:
    number = open_alert(own_world_url, world, "boreal")
    boreal = own_client("boreal")
    (shown,) = boreal.get("/api/v1/alerts").json()["items"]
    assert (shown["kind"], shown["trial"], shown["device"]) == ("silent", "ward-ventilation", "ward-a")
    assert boreal.post("/api/v1/alerts/acknowledgement", json={"alert": number}).status_code == 200
    assert boreal.get("/api/v1/alerts").json()["items"][0]["acknowledged_at"] is not None
    assert boreal.get("/api/v1/alerts?state=past").json() == {"items": [], "next": None}


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("webhook", "http://example.org/"),
        ("webhook", "https://a@example.org/"),
        ("webhook", f"https://example.org/{HOSTILE} x"),
        ("mail", "a@example.org\r\nBcc: b@example.org"),
        ("mail", HOSTILE),
    ],
)
def test_a_wrong_address_is_refused_in_words(own_client: SignIn, kind: str, address: str) -> None:
    answer = post(own_client("boreal"), "/alerts/channels", kind=kind, address=address)
    assert answer.status_code == 400
    assert HOSTILE not in answer.text
    over_api = own_client("boreal").post("/api/v1/alerts/channels", json={"kind": kind, "address": address})
    assert over_api.status_code in (400, 422)


def test_hostile_names_are_shown_as_text(own_client: SignIn, own_world_url: str, world: World) -> None:
    with connect(own_world_url, application="tests") as conn:
        conn.execute("UPDATE site SET name = %s", (HOSTILE,))
        conn.execute("UPDATE trial SET title = jsonb_build_object('en', %(t)s::text)", {"t": HOSTILE})
        conn.execute("UPDATE notice SET answer = %s", (HOSTILE,))
        conn.commit()
    open_alert(own_world_url, world, "boreal")
    page = own_client("boreal").get("/alerts").text
    assert HOSTILE not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_the_page_of_a_company_has_nothing_of_another(own_client: SignIn) -> None:
    page = own_client("boreal").get("/alerts").text
    assert AIR_CANARY not in page
    assert "platform-air" not in page


def test_a_person_has_ten_channels_at_most(own_client: SignIn) -> None:
    boreal = own_client("boreal")
    answers = [
        boreal.post(
            "/api/v1/alerts/channels", json={"kind": "webhook", "address": f"https://example.org/{n}"}
        )
        for n in range(11)
    ]
    assert [one.status_code for one in answers[:10]] == [201] * 10
    assert answers[10].status_code in (400, 422)


def test_an_address_that_nobody_confirmed_gets_five_tests_a_day_from_everybody_together(
    own_client: SignIn, own_world_url: str
) -> None:
    address = "stranger@example.org"
    answers = []
    for number in range(7):
        client = own_client(("boreal", "aurore")[number % 2])
        given = {"kind": "mail", "address": address if number % 3 else address.upper()}
        answers.append(client.post("/api/v1/alerts/channels", json=given))
        if answers[-1].status_code == 201:
            removal = {"channel": answers[-1].json()["channel"]}
            assert client.post("/api/v1/alerts/channels/removal", json=removal).status_code == 200
    assert [one.status_code for one in answers] == [201] * 5 + [400] * 2
    assert "try again tomorrow" in answers[-1].text
    with connect(own_world_url, application="tests") as conn:
        sent = conn.execute("SELECT count(*) FROM notice WHERE event = 'test'").fetchone()
    assert sent == (5,)
