"""The device's page shows its clock and its interval; the trial's page shows what its devices send."""

from __future__ import annotations

import pytest

from insitu.model import DatastreamRole
from store.catalogue.deployments import deploy
from store.catalogue.devices import add_device
from store.database import connect
from store.mapping import new_mapping
from store.mappings import replace_mappings
from tests.api.conftest import SignIn
from tests.api.world import World

NORTH = "/trials/platform-air/devices/p1-north"


def change(url: str, statement: bytes) -> None:
    with connect(url, application="tests") as conn:
        assert conn.execute(statement).rowcount > 0


@pytest.mark.parametrize(
    ("offset", "english", "french", "degraded"),
    [
        (0.4, "right", "juste", False),
        (-8.0, "right", "juste", False),
        (-12.0, "12 seconds behind", "retarde de 12 secondes", False),
        (95.0, "2 minutes ahead", "avance de 2 minutes", False),
        (
            -1150.0,
            "19 minutes behind",
            "retarde de 19 minutes",
            False,
        ),  # 15 min belong to the time stamp of a mean
        (-1300.0, "its clock is 22 minutes behind", "son horloge retarde de 22 minutes", True),
        (400.0, "its clock is 7 minutes ahead", "son horloge avance de 7 minutes", True),
    ],
)
def test_a_clock_is_ahead_or_behind_in_words_and_degrades_beyond_a_limit(
    own_world_url: str, own_client: SignIn, offset: float, english: str, french: str, degraded: bool
) -> None:
    change(own_world_url, f"UPDATE device_contact SET clock_offset = {offset}".encode())
    page = own_client("lab").get(NORTH).text
    assert english in page
    assert ("its clock is" in page) == degraded
    change(own_world_url, b"UPDATE person SET language = 'fr'")
    assert french in own_client("lab").get(NORTH).text.replace("\xa0", " ")
    assert own_client("lab").get(f"/api/v1{NORTH}").json()["causes"] == (["clock_off"] if degraded else [])


def test_a_clock_that_is_ahead_is_found_from_its_messages(client: SignIn) -> None:
    assert "its clock is 8 minutes ahead" in client("lab").get("/trials/platform-air/devices/d3-clock").text


@pytest.mark.parametrize(
    ("statement", "says", "source"),
    [
        (b"UPDATE datastream SET expected_interval = '90 s'", "every 90 s, as planned", "declared"),
        (
            b"UPDATE datastream SET expected_interval = '1 h', interval_reported = true",
            "every 1 h, as the device says",
            "reported",
        ),
        (b"UPDATE datastream SET expected_interval = NULL", "every 15 min, as observed", "learned"),
    ],
)
def test_the_page_says_how_often_a_device_speaks_and_who_says_so(
    own_world_url: str, own_client: SignIn, statement: bytes, says: str, source: str
) -> None:
    change(own_world_url, statement)
    assert says in own_client("lab").get(NORTH).text
    streams = own_client("lab").get("/api/v1/trials/platform-air/datastreams?device=p1-north").json()["items"]
    assert {one["interval_source"] for one in streams} == {source}


@pytest.mark.parametrize(
    ("stamp", "interval", "english", "french"),
    [
        (
            "end",
            "1 day",
            "every 24 h, as planned · a time marks the end of its interval",
            "la fin de son intervalle",
        ),
        (
            "begin",
            "1 mon",
            "every 1 month, as planned · a time marks the beginning",
            "le début de son intervalle",
        ),
        ("instant", "1 year", "every 12 months, as planned</p>", "12 mois, comme prévu</p>"),
    ],
)
def test_the_page_and_the_api_say_what_a_time_marks(
    own_world_url: str, own_client: SignIn, stamp: str, interval: str, english: str, french: str
) -> None:
    change(
        own_world_url,
        f"UPDATE datastream SET expected_interval = '{interval}', interval_reported = false, "
        f"stamp = '{stamp}'".encode(),
    )
    assert english in own_client("lab").get(NORTH).text.replace("\xa0", " ")
    streams = own_client("lab").get("/api/v1/trials/platform-air/datastreams?device=p1-north").json()["items"]
    assert {one["stamp"] for one in streams} == {stamp}
    change(own_world_url, b"UPDATE person SET language = 'fr'")
    assert french in own_client("lab").get(NORTH).text.replace("\xa0", " ")


def test_a_device_that_never_spoke_and_declares_nothing_has_no_interval(
    own_world_url: str, own_client: SignIn
) -> None:
    change(own_world_url, b"UPDATE datastream SET expected_interval = NULL")
    assert "no interval known" in own_client("lab").get("/trials/platform-air/devices/d2-never").text
    (one, *_) = (
        own_client("lab").get("/api/v1/trials/platform-air/datastreams?device=d2-never").json()["items"]
    )
    assert (one["expected_interval_s"], one["interval_source"]) == (None, None)


def test_a_device_without_declared_interval_is_judged_by_its_own_pace(
    own_world_url: str, own_client: SignIn
) -> None:
    """Silent for 20 hours at four results an hour; with a declared interval of one day it would be online."""
    change(own_world_url, b"UPDATE datastream SET expected_interval = NULL")
    url = "/api/v1/trials/platform-air/devices/p2-silent"
    assert own_client("lab").get(url).json()["state"] == "silent"
    change(own_world_url, b"UPDATE datastream SET expected_interval = '1 day', interval_reported = true")
    assert own_client("lab").get(url).json()["state"] == "online"


def test_the_page_of_a_trial_shows_what_its_devices_send_to_its_parties(
    own_world_url: str, own_client: SignIn, world: World
) -> None:
    with connect(own_world_url, application="tests") as conn:
        reference = new_mapping(
            conn, field="t_k", property="temperature", unit="K", devices="d3-*", role=DatastreamRole.REFERENCE
        )
        replace_mappings(conn, "platform-air", [reference])
        guest = add_device(conn, trial="platform-air", code="guest", now=world.now)
        deploy(conn, device_id=guest, site="hospital-south", position="hall", start=world.now)
    for login in ("lab", "aurore", "metro", "judge"):
        page = own_client(login).get("/trials/platform-air").text
        assert "<code>t_k</code>" in page, login
        assert "d3-*" in page
    page = own_client("hospital").get("/trials/platform-air").text  # it only hosts a device of the trial
    assert "guest" in page
    assert "t_k" not in page


@pytest.mark.parametrize(
    ("offline_since", "causes"),
    [("1 second", ["offline"]), ("0 seconds", ["offline"]), ("-1 second", []), ("-1 hour", [])],
)
def test_a_last_will_holds_until_the_device_speaks_again(
    own_world_url: str, own_client: SignIn, offline_since: str, causes: list[str]
) -> None:
    """Also if it is back within a second: a restart of the broker makes no silent fleet."""
    change(
        own_world_url,
        "UPDATE device_contact SET state = 'offline',"
        f" state_at = last_seen_at + interval '{offline_since}'".encode(),
    )
    assert own_client("lab").get(f"/api/v1{NORTH}").json()["causes"] == causes
