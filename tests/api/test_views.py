"""Views that a person keeps: only pages of ours, in the person's own order, seen by nobody else."""

from __future__ import annotations

import random

import httpx
import pytest
from fastapi.responses import HTMLResponse
from fastapi.routing import iter_route_contexts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.acts import ACTS
from api.app import create_app
from api.views import KEEPABLE, NOT_OURS
from insitu.clock import SYSTEM
from insitu.settings import Settings
from store.access import viewer_of
from store.audit import audit
from store.database import connect
from store.views import MOST_VIEWS, add_view, change_view, list_views, remove_view
from tests.api.conftest import PUBLIC, SignIn, form_token
from tests.api.world import World

V1 = "/api/v1/views"
NOT_KEPT = {
    "a form or a secret of the person": ("/account", "/account/factor"),
    "a form that makes or changes something": (
        *("/trials/new", "/trials/{trial}/life", "/trials/{trial}/decision", "/windows/{number}"),
        *("/trials/{trial}/connect", "/trials/{trial}/devices/{device}/connect"),
        *("/trials/{trial}/devices/{device}/swap",),
    ),
    "the page itself, and the start": ("/", "/views"),
    "a part of a page": ("/wall/board",),
}
"""Why a page cannot be kept → pages."""


def post(client: httpx.Client, path: str, **more: str) -> httpx.Response:
    return client.post(path, data={"form": form_token(client, "/views"), **more})


def keep(client: httpx.Client, name: str, address: str) -> httpx.Response:
    return client.post(V1, json={"name": name, "address": address})


def test_each_page_can_be_kept_or_is_named(world_url: str) -> None:
    app = create_app(Settings(), database_url=world_url, clock=SYSTEM, mqtt_public=PUBLIC)
    pages = {
        str(one.path)
        for one in iter_route_contexts(app.routes)
        if "GET" in (one.methods or ())
        and f"GET {one.path}" in ACTS
        and one.endpoint.__module__.startswith("api.pages.")
        and getattr(one.original_route, "response_class", None) is HTMLResponse
    }
    named = {path for paths in NOT_KEPT.values() for path in paths}
    assert pages - set(KEEPABLE) - named == set()
    assert set(KEEPABLE) <= pages
    assert named <= pages
    assert not set(KEEPABLE) & named


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org/fleet",
        "//example.org/fleet",
        "/\\example.org",
        "/fleet\\..\\x",
        "/%2f%2fexample.org",
        "javascript:alert(1)",
        "/fleet\n",
        "/fleet?state=a\nb",
        "/fleet?x=%0d%0aSet-Cookie:%20a",
        "/fleet/../account",
        "/trials/../account",
        "/trials/%2e%2e",
        "/account",
        "/sign-out",
        "/walls/secret",
        "/trials/platform-air/evaluations/1/report.html",
        "/api/v1/trials",
        "fleet",
        "",
        "http://[",
        "/fleet?" + "&".join(f"a{number}=1" for number in range(99)),
    ],
)
def test_nothing_but_a_page_of_ours_is_kept(own_client: SignIn, address: str) -> None:
    answer = keep(own_client("lab"), "Mine", address)
    if address == "/fleet\n":  # space at the ends is not part of an address
        assert answer.json()["address"] == "/fleet"
        return
    assert (answer.status_code, answer.json()["detail"]) == (400, NOT_OURS), answer.text
    page = post(own_client("lab"), "/views", name="Mine", address=address)
    assert page.status_code == 400 or (not address and page.status_code == 422)
    assert own_client("lab").get(V1).json()["items"] == []


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.one_of(st.text(max_size=60), st.text(alphabet="/\\.:?#%@&=fleta-0", max_size=30).map("/".__add__))
)
def test_what_is_kept_stays_on_this_host(client: SignIn, world_url: str, text: str) -> None:
    """A browser resolves the address; here a library does."""
    lab = client("lab")
    answer = keep(lab, f"x{abs(hash(text))}", text)
    if answer.status_code != 201:
        assert answer.status_code in (400, 404, 409), answer.text
        return
    there = httpx.URL("https://insitu.example/views").join(answer.json()["address"])
    assert (there.host, there.scheme) == ("insitu.example", "https")
    assert lab.post(f"{V1}/{answer.json()['view']}/removal").status_code == 204


def test_a_view_is_kept_from_its_page_seen_in_the_menu_and_on_the_start_page_and_opened(
    own_client: SignIn, own_world_url: str
) -> None:
    aurore = own_client("aurore")
    page = aurore.get("/fleet?state=silent").text
    assert 'href="/views?address=/fleet%3Fstate%3Dsilent#keep"' in page
    form = aurore.get("/views?address=/fleet%3Fstate%3Dsilent").text
    assert 'name="address" value="/fleet?state=silent"' in form
    assert post(aurore, "/views", name="<b>Silent</b>", address="/fleet?state=silent").status_code == 303
    for path in ("/", "/fleet", "/views", "/trials/platform-air"):
        assert '<a href="/fleet?state=silent"' in aurore.get(path).text or path == "/"
        assert "&lt;b&gt;Silent&lt;/b&gt;" in aurore.get(path).text
        assert "<b>Silent</b>" not in aurore.get(path).text
    assert 'class="button slim" href="/fleet?state=silent"' in aurore.get("/").text
    assert aurore.get("/fleet?state=silent").status_code == 200
    assert "/views?address" not in aurore.get("/account").text, "this page cannot be kept"
    whole = str(aurore.base_url.join("/trials?x=1"))
    assert keep(aurore, "Whole", whole).json()["address"] == "/trials?x=1"
    with connect(own_world_url, application="tests") as conn:
        lines = [line for line in audit(conn) if line.login == "person:aurore"]
    assert [line.action for line in lines][-2:] == ["save view", "save view"]
    assert "Silent" not in str(lines), "the name is the person's own"


def test_nobody_reads_or_changes_the_views_of_another(own_client: SignIn, own_world_url: str) -> None:
    number = keep(own_client("aurore"), "Secret name", "/trials/platform-air").json()["view"]
    for login in ("lab", "boreal", "auditor"):
        other = own_client(login)
        assert other.get(V1).json()["items"] == []
        assert "Secret name" not in other.get("/").text + other.get("/views").text
        assert other.post(f"{V1}/{number}", json={"name": "Mine"}).status_code == 404
        assert other.post(f"{V1}/{number}/removal").status_code == 404
        assert post(other, f"/views/{number}", place="1").status_code == 404
        assert post(other, f"/views/{number}/removal").status_code == 404
    assert [one["name"] for one in own_client("aurore").get(V1).json()["items"]] == ["Secret name"]


def test_a_page_that_the_person_may_not_see_is_refused_as_if_it_were_not_there(own_client: SignIn) -> None:
    aurore = own_client("aurore")
    for address in ("/trials/ward-ventilation", "/trials/nowhere/charts", "/audit", "/register"):
        assert keep(aurore, "Mine", address).status_code == 404, address


def test_limits_are_refused_in_words_and_lose_nothing_that_was_typed(own_client: SignIn) -> None:
    lab = own_client("lab")
    assert keep(lab, "Mine", "/fleet").status_code == 201
    for name, status in (("Mine", 409), (" Mine ", 409), ("", 400), ("x" * 61, 400), ("a\x00b", 400)):
        assert keep(lab, name, "/fleet").status_code == status, name
    page = post(lab, "/views", name="Mine", address="/fleet?state=late")
    assert page.status_code == 400
    assert 'value="Mine"' in page.text
    assert 'value="/fleet?state=late"' in page.text
    for number in range(MOST_VIEWS - 1):
        assert keep(lab, f"v{number}", "/fleet").status_code == 201
    answer = keep(lab, "one more", "/fleet")
    assert (answer.status_code, "remove one first" in answer.json()["detail"]) == (400, True)


def test_order_and_names_change_on_the_page(own_client: SignIn) -> None:
    lab = own_client("lab")
    a, b = (keep(lab, name, "/fleet").json()["view"] for name in ("a", "b"))
    assert post(lab, f"/views/{b}", place="1").status_code == 303
    assert post(lab, f"/views/{a}", name="last").status_code == 303
    assert [one["name"] for one in lab.get(V1).json()["items"]] == ["b", "last"]
    answer = post(lab, f"/views/{a}", name="b")
    assert answer.status_code == 400
    assert post(lab, f"/views/{b}/removal").status_code == 303
    assert [(one["name"], one["place"]) for one in lab.get(V1).json()["items"]] == [("last", 1)]


@pytest.mark.parametrize("seed", range(8))
def test_any_changes_leave_the_order_of_a_plain_list(own_world_url: str, world: World, seed: int) -> None:
    chance, names = random.Random(seed), list[str]()
    with connect(own_world_url, application="tests") as conn:
        lab, numbers = viewer_of(conn, "lab"), dict[str, int]()
        for step in range(60):
            what, name = chance.choice(["add", "move", "rename", "remove"]), f"n{step}"
            if what == "add" or not names:
                numbers[name] = add_view(conn, lab, name=name, address="/fleet", now=world.now).saved_view_id
                names.append(name)
                continue
            old, place = chance.choice(names), chance.randint(1, MOST_VIEWS)
            number = numbers[old]
            if what == "move":
                change_view(conn, lab, number, place=place, now=world.now)
                names.remove(old)
                names.insert(place - 1, old)  # beyond the end is the end
            elif what == "rename":
                change_view(conn, lab, number, name=name, now=world.now)
                names[names.index(old)] = name
                numbers[name] = numbers.pop(old)
            else:
                remove_view(conn, lab, number, now=world.now)
                names.remove(old)
            kept = list_views(conn, lab.person_id)
            assert [(one.name, one.place) for one in kept] == [(n, i) for i, n in enumerate(names, 1)]
