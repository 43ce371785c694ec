"""Two people change the same thing: the second one hears of it, over the API and on the pages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.conftest import SignIn, form_token

V1 = "/api/v1"
TEMPLATES = Path(__file__).parents[2] / "api" / "templates"
KINDS = {
    "organisations": ("metro-demo", {"name": "Metro"}),
    "sites": ("hospital-south", {"kind": "ward"}),
    "properties": ("pm25", {"name": {"en": "Fine dust"}}),
    "needs": ("cleaner", {"title": {"en": "Cleaner"}}),
    "trials": ("ward-ventilation", {"title": {"en": "Ward"}}),
}
"""List → (an entry, a change of it)."""
ITS_OWN = {
    "makes something new": (
        *("organisations", "sites", "properties", "needs", "trials", "trials/{trial}/windows"),
        *("sites/{site}/windows", "trials/{trial}/evaluations", "trials/{trial}/devices"),
        *("trials/{trial}/devices/{device}/credentials", "trials/{trial}/devices/{device}/datastreams"),
        *("trials/{trial}/devices/{device}/sensors", "trials/{trial}/imports"),
        *("alerts/channels", "alerts/rules", "views", "walls", "sites/{site}/plans"),
    ),
    "names the state in which it may be done, and refuses any other": (
        *("trials/{trial}/life", "trials/{trial}/endpoints/{endpoint}/unblinding"),
        *("trials/{trial}/imports/{import_id}/withdrawal", "trials/{trial}/devices/{device}/swap"),
        *("trials/{trial}/devices/{device}/revocation", "trials/{trial}/protocol/lock"),
    ),
    "names the evaluation that it rests on": ("trials/{trial}/decision",),
    "states the whole, and nothing of before is read": ("trials/{trial}/retention",),
    "stores nothing": ("trials/{trial}/protocol/check", "trials/{trial}/mappings/try"),
    "only its owner does it": (
        *("alerts/acknowledgement", "alerts/rules/removal", "alerts/channels/confirmation"),
        *("alerts/channels/test", "alerts/channels/removal"),
        *("views/{number}", "views/{number}/removal", "walls/{number}/end"),
        "people/walls/{number}/end",
    ),
}
"""Why a POST has no If-Match → its paths."""


def listed(client: httpx.Client, kind: str, code: str) -> dict[str, Any]:
    items = client.get(f"{V1}/{kind}").json()["items"]
    found: dict[str, Any] = next(one for one in items if one["code"] == code)
    return found


@pytest.fixture
def lab(own_client: SignIn) -> httpx.Client:
    client = own_client("lab")
    need = {"code": "cleaner", "host": "metro-demo", "title": {"en": "Clean"}}
    assert client.post(f"{V1}/needs", json=need).status_code == 201
    return client


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_of_something_that_was_changed_meanwhile_is_refused(lab: httpx.Client, kind: str) -> None:
    code, change = KINDS[kind]
    read = listed(lab, kind, code)["etag"]
    first = lab.post(f"{V1}/{kind}/{code}", json=change, headers={"If-Match": read})
    assert first.status_code == 200, first.text
    assert first.json()["changes"]
    assert first.headers["etag"] == first.json()["etag"] == listed(lab, kind, code)["etag"] != read
    field, value = next(iter(change.items()))
    other = {field: {"en": "Another"} if isinstance(value, dict) else "another"}
    late = lab.post(f"{V1}/{kind}/{code}", json=other, headers={"If-Match": read})
    assert (late.status_code, late.json()["code"]) == (412, "changed_meanwhile")
    assert "Read it again" in late.json()["detail"]
    for header in ({"If-Match": first.headers["etag"]}, {"If-Match": "*"}, {}):
        assert lab.post(f"{V1}/{kind}/{code}", json=change, headers=header).status_code == 200


def test_a_change_that_changes_nothing_leaves_the_version(lab: httpx.Client) -> None:
    read = listed(lab, "needs", "cleaner")
    same = lab.post(f"{V1}/needs/cleaner", json={"title": read["title"]}, headers={"If-Match": read["etag"]})
    assert (same.json()["changes"], same.json()["etag"]) == ([], read["etag"])


def test_needs_and_properties_change_as_far_as_they_may(lab: httpx.Client) -> None:
    more = {"description": {"en": "At the platforms", "fr": "Sur les quais"}}
    assert lab.post(f"{V1}/needs/cleaner", json=more).json()["changes"]
    assert listed(lab, "needs", "cleaner")["title"] == {"en": "Clean"}, "the rest stays"
    assert lab.post(f"{V1}/properties/pm25", json={"name": {"en": "Dust"}}).json()["changes"]
    last = lab.get("/api/v1/audit", params={"limit": 2}).json()["items"]
    assert {(one["action"], one["subject"], one["login"]) for one in last} == {
        ("change need", "cleaner", "person:lab"),
        ("change property", "pm25", "person:lab"),
    }
    assert lab.post(f"{V1}/needs/nothing", json=more).status_code == 404
    assert lab.post(f"{V1}/properties/nothing", json={}).status_code == 404
    assert lab.post(f"{V1}/properties/pm25", json={"unit": "mg/m3"}).status_code == 422
    assert lab.post(f"{V1}/needs/cleaner", json={"title": {"de": "x"}}).status_code == 400


def test_a_window_is_ended_corrected_and_withdrawn_as_it_was_read(own_client: SignIn) -> None:
    host = own_client("hospital")
    at = f"{V1}/sites/hospital-south/windows"
    body = {"kind": "access", "start": "2099-01-01T00:00:00Z", "reason": "why"}
    made = host.post(at, json=body)
    number, read = made.json()["window_id"], made.headers["etag"]
    assert host.get(at).json()["items"][0]["etag"] == read
    fixed = host.post(
        f"{V1}/windows/{number}/correction", json=body | {"reason": "better"}, headers={"If-Match": read}
    )
    assert fixed.status_code == 201
    late = host.post(f"{V1}/windows/{number}/withdrawal", json={"reason": "x"}, headers={"If-Match": read})
    assert late.status_code == 412


FORMS: dict[str, tuple[str, dict[str, str], str, dict[str, Any]]] = {
    "register/organisations": (
        "/register",
        {"kind": "host", "name": "Mine"},
        "organisations",
        {"name": "Theirs"},
    ),
    "register/properties": (
        "/register",
        {"unit": "ug/m3", "name_en": "Mine", "name_fr": ""},
        "properties",
        {"name": {"en": "Theirs"}},
    ),
    "register/needs": (
        "/register",
        {"host": "metro-demo", "title_en": "Mine"},
        "needs",
        {"title": {"en": "Theirs"}},
    ),
    "sites": ("/sites/hospital-south", {"name": "Mine", "kind": "ward"}, "sites", {"name": "Theirs"}),
    "trials": (
        "/trials/ward-ventilation/life",
        {"title_en": "Mine", "time_zone": "Europe/Paris"},
        "trials",
        {"title": {"en": "Theirs"}},
    ),
}
"""Address of a form without the code → (its page, what is typed, the list of the API, what somebody else
says).
"""
WINDOW_FORMS = {
    "end": {},
    "withdrawal": {"reason": "Mine"},
    "correction": {"kind": "incident", "start": "2099-01-01T00:00", "reason": "Mine"},
}
BY_ITSELF = {
    "trials/protocol": "test_drafts.py keeps both drafts of two writers",
    **dict.fromkeys(("sites/plans", "sites/plans/places", "sites/plans/removal"), "test_plans.py"),
}
"""Form → the test that walks it."""


def tag_in(page: str, action: str) -> str:
    found = re.search(rf'action="/{action}".*?name="etag" value="(\d+)"', page, re.DOTALL)
    assert found, action
    return found[1]


@pytest.mark.parametrize("where", FORMS)
def test_a_form_that_was_read_before_somebody_changed_it_answers_412_with_both_versions(
    lab: httpx.Client, where: str
) -> None:
    path, typed, kind, theirs = FORMS[where]
    code = KINDS[kind][0]
    action = f"{where}/{code}"
    read = tag_in(lab.get(path).text, action)
    assert lab.post(f"{V1}/{kind}/{code}", json=theirs).status_code == 200
    mine = {"form": form_token(lab, path), "etag": read, **typed}
    answer = lab.post(f"/{action}", data=mine)
    assert answer.status_code == 412
    assert "changed it meanwhile" in answer.text
    assert "<td>Theirs</td><td>Mine</td>" in answer.text, "both, side by side"
    assert 'value="Mine"' in answer.text, "in the form, to send it again"
    assert "Theirs" in str(listed(lab, kind, code)), "nothing was replaced"
    assert lab.post(f"/{action}", data=mine | {"etag": tag_in(answer.text, action)}).status_code == 303
    assert "Mine" in str(listed(lab, kind, code))


@pytest.mark.parametrize("act", WINDOW_FORMS)
def test_a_form_about_a_window_that_somebody_changed_meanwhile_answers_412_with_both_versions(
    own_client: SignIn, act: str
) -> None:
    host = own_client("hospital")
    start = "2020-01-01T00:00:00Z" if act == "end" else "2099-01-01T00:00:00Z"
    body = {"kind": "access", "start": start, "reason": "Theirs"}
    made = host.post(f"{V1}/sites/hospital-south/windows", json=body)
    path = f"/windows/{made.json()['window_id']}"
    read = tag_in(host.get(path).text, f"{path[1:]}/{act}")
    other = "end" if act == "end" else "withdrawal"
    assert host.post(f"{V1}{path}/{other}", json={"reason": "x"}).status_code in (200, 201)
    mine = {"form": form_token(host, path), "etag": read, **WINDOW_FORMS[act]}
    answer = host.post(f"{path}/{act}", data=mine)
    assert answer.status_code == 412
    assert "Theirs" in answer.text
    if act == "correction":
        assert "<td>Theirs</td><td>Mine</td>" in answer.text


def test_a_refused_form_keeps_what_was_typed(lab: httpx.Client) -> None:
    """Also where nobody changed anything: a wrong number, a time zone that is none."""
    for path, action, typed in (
        ("/sites/hospital-south", "/sites/hospital-south", {"name": "Mine", "latitude": "north"}),
        ("/trials/ward-ventilation/life", "/trials/ward-ventilation", {"title_en": "Mine", "time_zone": "x"}),
    ):
        answer = lab.post(action, data={"form": form_token(lab, path), **typed})
        assert answer.status_code == 400
        for text in typed.values():
            assert f'value="{text}"' in answer.text
        assert "Both versions" not in answer.text


def test_each_form_with_a_version_is_walked_here() -> None:
    """By the templates: a form that says what was read, and its address without codes."""
    found = set()
    for template in TEMPLATES.glob("*.j2"):
        for form in re.findall(r"<form\b.*?</form>", template.read_text("utf-8"), re.DOTALL):
            if re.search(r'name="etag"|etag\(|name="began_with"', form):
                (action,) = re.findall(r'action="/([^"]+)"', form)
                found.add(re.sub(r"/?\{\{.*?\}\}", "", action))
    assert found == {*FORMS, *(f"windows/{act}" for act in WINDOW_FORMS), *BY_ITSELF}


@pytest.mark.parametrize("path", ["/register", "/sites/hospital-south", "/trials/ward-ventilation/life"])
def test_each_form_that_changes_something_says_what_was_read(own_client: SignIn, path: str) -> None:
    page = own_client("lab").get(path).text
    forms = re.findall(
        r'<form method="post" action="/(?:register/\w+/[\w-]+|sites/[\w-]+|trials/[\w-]+)".*?</form>',
        page,
        re.DOTALL,
    )
    assert forms
    assert [one for one in forms if 'name="etag" value="' not in one] == []


def test_each_post_of_the_api_heeds_if_match_or_says_here_why_not(own_client: SignIn) -> None:
    paths = own_client("lab").get("/openapi.json").json()["paths"]
    posts = {path.removeprefix("/api/v1/"): one["post"] for path, one in paths.items() if "post" in one}
    devices = {
        path
        for path in posts
        if re.search(r"/devices/{device}/(observations|status|senml|influx|tele)", path)
    }
    heeds = {
        path
        for path, one in posts.items()
        if any(p["name"].lower() == "if-match" for p in one.get("parameters", []))
    }
    named = [path for reasons in ITS_OWN.values() for path in reasons]
    assert len(set(named)) == len(named)
    assert sorted(posts.keys() - devices - heeds - set(named)) == []
    assert sorted(set(named) - posts.keys()) == []
    assert sorted(heeds & set(named)) == []
    singles = ("organisation", "site", "property", "need", "trial")
    assert {f"{kind}/{{{one}}}" for kind, one in zip(KINDS, singles, strict=True)} <= heeds
