"""The lab's programme over the API and on the pages, and the same acts by the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from store.audit import audit, audit_problem
from store.catalogue.trials import get_trial
from store.database import Connection, connect
from tests.api.conftest import SignIn, form_token, server
from tests.api.test_tokens import bearer, give
from tests.cli.calling import call
from tests.fix_database import clone

HOSTILE = "<img src=x onerror=alert(1)> \u05d0’; DROP TABLE site; --"
ENTRIES: list[tuple[str, dict[str, Any]]] = [
    ("organisations", {"code": "ratp", "name": HOSTILE, "kind": "host"}),
    ("organisations", {"code": "jeune", "name": "Jeune pousse", "kind": "company"}),
    ("organisations", {"code": "juge", "name": "Juge", "kind": "evaluator"}),
    ("properties", {"code": "no2", "name": {"en": "NO₂", "fr": "NO₂"}, "unit": "ug/m3"}),
    ("sites", {"code": "gare", "host": "ratp", "name": HOSTILE, "kind": "platform"}),
    ("sites", {"code": "quai", "host": "ratp", "name": "Quai", "latitude": 48.5, "longitude": 2.25}),
    ("needs", {"code": "air", "host": "ratp", "title": {"fr": "Un air plus sain"}}),
    (
        "trials",
        {
            "code": "essai",
            "title": {"en": HOSTILE},
            "host": "ratp",
            "company": "jeune",
            "evaluator": "juge",
            "need": "air",
            "time_zone": "Europe/Paris",
            "ends_at": "2027-01-01T00:00:00Z",
        },
    ),
]


def toml(kind: str, entry: dict[str, Any]) -> str:
    """As a registration file states it."""

    def value(given: Any) -> str:
        if isinstance(given, dict):
            return "{" + ", ".join(f"{k} = {value(v)}" for k, v in given.items()) + "}"
        return f'"{given}"' if isinstance(given, str) else str(given)

    name = {"properties": "property"}.get(kind, kind.removesuffix("s"))
    return "\n".join([f"[[{name}]]", *(f"{key} = {value(part)}" for key, part in entry.items()), ""])


ROWS = {
    "organisation": "SELECT code, name, kind FROM organisation ORDER BY code",
    "site": "SELECT s.code, o.code, s.name, s.kind, latitude, longitude FROM site s "
    "JOIN organisation o ON o.organisation_id = host_id ORDER BY 1",
    "property": "SELECT code, name, unit, averaging_scale FROM observed_property ORDER BY code",
    "need": "SELECT n.code, o.code, title, description FROM need n "
    "JOIN organisation o ON o.organisation_id = host_id ORDER BY 1",
    "trial": "SELECT t.code, t.title, state, h.code, c.code, e.code, n.code, time_zone, ends_at FROM trial t "
    "JOIN organisation h ON h.organisation_id = t.host_id "
    "JOIN organisation c ON c.organisation_id = company_id "
    "LEFT JOIN organisation e ON e.organisation_id = evaluator_id LEFT JOIN need n USING (need_id) "
    "ORDER BY 1",
    "step": "SELECT code, from_state, to_state, note FROM trial_step JOIN trial USING (trial_id) "
    "ORDER BY trial_step_id",
    "window": "SELECT kind, period, reason FROM declared_window ORDER BY window_id",
    "line": "SELECT action, subject, detail FROM audit WHERE action <> 'use token from' "
    "AND action <> 'make token' ORDER BY audit_id",
}


def rows_of(url: str) -> dict[str, Any]:
    with connect(url, application="tests") as conn:
        assert audit_problem(conn) is None
        return {name: conn.execute(query.encode()).fetchall() for name, query in ROWS.items()}


def test_the_api_with_a_token_leaves_the_rows_that_the_command_line_leaves(
    database_server: str,
    filled: tuple[str, object],
    data_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two installations with the same beginning: all rows but times and numbers are the same."""
    with clone(database_server, filled[0]) as first, clone(database_server, filled[0]) as second:
        headers = bearer(give(first, "lab", acts=True))
        with (
            server(first, data_dir) as address,
            httpx.Client(base_url=f"{address}/api/v1", headers=headers) as program,
        ):
            for kind, entry in ENTRIES:
                answer = program.post(f"/{kind}", json=entry)
                assert answer.status_code == 201, answer.text
                assert program.post(f"/{kind}", json=entry).status_code == 409
            changed = program.post("/sites/quai", json={"kind": "platform"})
            assert changed.json()["changes"] == ["kind was nothing, is 'platform'"]
            for state in ("shortlisted", "agreement"):
                moved = program.post("/trials/essai/life", json={"to": state, "note": "as agreed"})
                assert moved.status_code == 200, moved.text
            window = {"kind": "access", "start": "2026-03-01T08:00:00Z", "end": "2026-03-01T09:00:00Z"}
            said = program.post("/sites/quai/windows", json=window | {"reason": "Works"})
            assert said.status_code == 201
        file = tmp_path / "all.toml"
        file.write_text("\n".join(toml(kind, entry) for kind, entry in ENTRIES), "utf-8")
        monkeypatch.setenv("INSITU_DATABASE_URL", second)
        monkeypatch.setenv("INSITU_DATA_DIR", str(tmp_path))
        file_again = tmp_path / "change.toml"
        quai = dict(ENTRIES[5][1]) | {"kind": "platform"}
        file_again.write_text(toml("sites", quai), "utf-8")
        call("register", str(file))
        call("register", str(file_again))
        for state in ("shortlisted", "agreement"):
            call("move", "essai", state, "--note", "as agreed")
        times = ("2026-03-01T08:00", "2026-03-01T09:00")
        call("window", "access", *times, "--site", "quai", "--reason", "Works")
        ours, theirs = rows_of(first), rows_of(second)
        for name in ROWS:
            assert by_kind(ours[name]) == by_kind(theirs[name]), name


def by_kind(rows: list[Any]) -> list[Any]:
    """Lines of a file come by kind, those of a program in its own order; the order of acts is its own."""
    return sorted(map(repr, rows))


def test_a_token_that_reads_enters_nothing(own_world_url: str, data_dir: Path) -> None:
    with server(own_world_url, data_dir) as address:
        answer = httpx.post(
            f"{address}/api/v1/organisations",
            json=ENTRIES[0][1],
            headers=bearer(give(own_world_url, "lab")),
        )
    assert answer.status_code == 403


@pytest.mark.parametrize("login", ["metro", "hospital-buyer", "aurore", "judge", "auditor", "outsider"])
def test_nobody_but_the_lab_runs_the_programme(own_client: SignIn, login: str) -> None:
    for kind, entry in ENTRIES:
        assert own_client(login).post(f"/api/v1/{kind}", json=entry).status_code == 404, kind
    for path in ("/register", "/trials/new", "/trials/platform-air/life"):
        assert own_client(login).get(path).status_code == 404, path
    assert own_client(login).post("/api/v1/trials/platform-air/life", json={"to": "stop"}).status_code == 404


def test_an_operator_manages_the_sites_of_its_own_host_alone(own_client: SignIn) -> None:
    metro, city = own_client("metro"), own_client("city")
    site = {"code": "annex", "host": "metro-demo", "name": "Annex"}
    assert city.post("/api/v1/sites", json=site).status_code == 404
    assert metro.post("/api/v1/sites", json=site).status_code == 201
    assert metro.post("/api/v1/sites", json=site | {"code": "x", "host": "city-demo"}).status_code == 404
    assert city.post("/api/v1/sites/annex", json={"name": "Ours"}).status_code == 404
    assert metro.post("/api/v1/sites/annex", json={"name": "Annex 2"}).status_code == 200
    assert metro.post("/api/v1/sites/annex", json={"latitude": 48.0}).status_code == 400, "both or none"
    assert [one["code"] for one in city.get("/api/v1/sites").json()["items"]] == []
    assert "Annex 2" in metro.get("/sites").text
    assert "Annex" not in city.get("/sites").text
    assert city.get("/sites/annex").status_code == 404


@pytest.mark.parametrize(
    ("kind", "entry", "status"),
    [
        ("organisations", {"code": "No!", "name": "x", "kind": "host"}, 422),
        ("organisations", {"code": "x", "name": "a\nb", "kind": "host"}, 422),
        ("organisations", {"code": "x", "name": "x" * 501, "kind": "host"}, 422),
        ("properties", {"code": "x", "name": {"en": "X"}, "unit": "parsnip"}, 400),
        ("properties", {"code": "laeq", "name": {"en": "Level"}, "unit": "dB[SPL]"}, 400),
        ("sites", {"code": "x", "host": "nobody", "name": "X"}, 404),
        ("sites", {"code": "x", "host": "metro-demo", "name": "X", "latitude": 91}, 422),
        ("needs", {"code": "x", "host": "aurore-demo", "title": {"en": "X"}}, 404),
        ("needs", {"code": "x", "host": "metro-demo", "title": {}}, 422),
        (
            "trials",
            {"code": "new", "title": {"en": "X"}, "host": "metro-demo", "company": "aurore-demo"},
            400,
        ),
        ("trials", {"code": "x", "title": {"en": "X"}, "host": "aurore-demo", "company": "aurore-demo"}, 404),
    ],
)
def test_a_wrong_entry_is_explained_and_not_entered(
    own_client: SignIn, conn_of_world: Connection, kind: str, entry: dict[str, Any], status: int
) -> None:
    before = len(audit(conn_of_world))
    answer = own_client("lab").post(f"/api/v1/{kind}", json=entry)
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]
    conn_of_world.rollback()
    assert len(audit(conn_of_world)) == before


@pytest.fixture
def conn_of_world(own_world_url: str) -> Any:
    with connect(own_world_url, application="tests") as found:
        yield found


def send(client: httpx.Client, path: str, **fields: str) -> httpx.Response:
    return client.post(path, data={"form": form_token(client, "/trials"), **fields})


def test_the_forms_enter_and_change_and_keep_what_was_typed(own_client: SignIn, own_world_url: str) -> None:
    lab = own_client("lab")
    host = {"code": "ville", "name": HOSTILE, "kind": "host"}
    assert send(lab, "/register/organisations", **host).status_code == 303
    twice = send(lab, "/register/organisations", **host)
    assert twice.status_code == 400
    assert 'value="ville"' in twice.text
    assert "<img src=x" not in twice.text
    refused = {"form": form_token(lab, "/trials"), "code": "No"}
    page = lab.post("/register/organisations", data=refused).text
    assert 'name="next" value="/register"' in page, "another language leads to a page that opens"
    assert send(lab, "/register/organisations/ville", name="Ville", kind="host").status_code == 303
    assert send(lab, "/register/people", code="x").status_code == 404
    prop = {"code": "no2", "name_en": "NO2", "name_fr": "", "unit": "ug/m3", "averaging_scale": ""}
    assert send(lab, "/register/properties", **prop).status_code == 303
    need = {"code": "calm", "host": "ville", "title_en": "Calm", "title_fr": "Calme"}
    assert send(lab, "/register/needs", **need).status_code == 303
    changed = send(lab, "/register/needs/calm", host="ville", title_en="Silence", title_fr="Calme")
    assert changed.status_code == 303
    assert "Silence" in lab.get("/register").text
    site = {"code": "place", "host": "ville", "name": "Place", "latitude": "48,85", "longitude": "2.35"}
    assert send(lab, "/sites", **site).status_code == 303
    assert send(lab, "/sites", **site | {"code": "p2", "latitude": "north"}).status_code == 400
    trial = {"code": "bruit", "title_en": "Noise", "host": "ville", "company": "aurore-demo"}
    wrong = send(lab, "/trials/new", **trial, time_zone="Europe/Atlantis")
    assert wrong.status_code == 400
    assert 'value="Noise"' in wrong.text
    zone = {"time_zone": "Europe/Paris", "ends_at": "2027-01-01T00:00", "need": "calm", "evaluator": ""}
    assert send(lab, "/trials/new", **trial, **zone).status_code == 303
    with connect(own_world_url, application="tests") as conn:
        made = get_trial(conn, "bruit")
        assert made.ends_at is not None
        assert made.ends_at.isoformat() == "2026-12-31T23:00:00+00:00"
        assert (made.need, made.evaluator, made.host) == ("calm", None, "Ville")
        changes = {"title_en": "Noise 2", "evaluator": "judge", "time_zone": "Europe/Paris"}
        assert send(lab, "/trials/bruit", **changes).status_code == 400, "no organisation of that code"
        changes["evaluator"] = "evaluation-demo"
        assert send(lab, "/trials/bruit", **changes).status_code == 303
        conn.rollback()
        made = get_trial(conn, "bruit")
        assert (made.title, made.need, made.ends_at) == ({"en": "Noise 2"}, None, None)
        assert made.evaluator is not None
        answer = lab.post("/api/v1/trials/bruit", json={"need": "calm"})
        assert answer.json()["changes"] == ["need was nothing, is 'calm'"]
        assert lab.post("/api/v1/trials/bruit", json={"host": "metro-demo"}).status_code == 422
        assert own_client("metro").post("/api/v1/trials/platform-air", json={}).status_code == 404
        conn.rollback()
        lines = [(line.login, line.action) for line in audit(conn)[-2:]]
        assert lines[-1] == ("person:lab", "change trial")


def test_the_life_says_what_is_open_before_a_step_and_takes_only_the_next_one(own_client: SignIn) -> None:
    lab = own_client("lab")
    life = lab.get("/api/v1/trials/street-noise/life").json()
    assert [one["to"] for one in life["next"]] == ["shortlisted", "stop"]
    assert send(lab, "/trials/street-noise/life", to="running").status_code == 400
    for state in ("shortlisted", "agreement", "deployment"):
        assert send(lab, "/trials/street-noise/life", to=state, note="<b>go</b>").status_code == 303
    page = lab.get("/trials/street-noise/life").text
    assert "The protocol is not locked" in page
    assert "There is no agreement yet." in page
    assert "No device is registered yet." in page
    assert "<b>go</b>" not in page
    codes = {one["code"] for one in lab.get("/api/v1/trials/street-noise/life").json()["next"][0]["open"]}
    assert {"not_locked", "no_devices", "no_agreement"} <= codes
    moved = lab.post("/api/v1/trials/street-noise/life", json={"to": "running"})
    assert moved.json()["state"] == "running"
    assert [one["code"] for one in moved.json()["open"]] == ["no_agreement"]
    assert lab.post("/api/v1/trials/street-noise/life", json={"to": "buy"}).status_code == 400
