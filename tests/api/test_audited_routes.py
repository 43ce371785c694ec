"""Each route that changes something leaves a line in the audit log, which names the signed-in person; each
route that takes a POST is either in `ACTS` or in `NO_LINE` with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from api.app import create_app
from insitu.clock import SYSTEM
from insitu.settings import Settings
from store.audit import AuditLine, audit, audit_problem
from store.database import connect
from store.imports import Origin, begin_import
from tests.api.conftest import PUBLIC, SignIn, form_token
from tests.api.test_blinding import API, REASON, TRIAL, blinded, own_world_url, template
from tests.api.test_protocols import amended, send, text_of
from tests.api.world import PASSWORD, World

__all__ = ["blinded", "own_world_url", "template"]
CODE = TRIAL.rpartition("/")[2]

NO_LINE = {
    "/language": "the reader's own choice, which nobody else sees",
    "/api/v1/trials/{trial}/mappings/try": "stores nothing",
    "/api/v1/trials/{trial}/protocol/check": "stores nothing",
    "/api/v1/trials/{trial}/protocol/draft": "test_drafts.py looks at its lines",
    "/account/profile": "the reader's own name and language",
    **dict.fromkeys(
        (
            "/account/password",
            "/account/sessions/{number}/end",
            "/account/tokens",
            "/account/tokens/{number}/end",
            "/invitations/{token}",
            *(f"/people/{act}" for act in ("invite", "link", "disable", "enable", "manager", "tokens")),
            "/people/tokens/{number}/end",
            "/people/tokens/{number}/hand-over",
        ),
        "their lines are looked at in test_people.py and test_tokens.py",
    ),
    **dict.fromkeys(
        (
            *("/sign-in/code", "/people/factor", "/people/unlink"),
            *("/account/factor/confirm", "/account/factor/codes", "/account/factor/remove"),
        ),
        "their lines are looked at in test_factors.py and test_oidc.py",
    ),
    **dict.fromkeys(
        (
            *("/alerts/acknowledge", "/alerts/rules", "/alerts/rules/remove", "/alerts/channels"),
            *(f"/alerts/channels/{act}" for act in ("confirm", "test", "remove")),
            *("/api/v1/alerts/acknowledgement", "/api/v1/alerts/rules", "/api/v1/alerts/rules/removal"),
            *("/api/v1/alerts/channels", "/api/v1/alerts/channels/confirmation"),
            *("/api/v1/alerts/channels/test", "/api/v1/alerts/channels/removal"),
        ),
        "their lines are looked at in test_alerts_pages.py",
    ),
    **dict.fromkeys(
        (
            *("/views", "/views/{number}", "/views/{number}/removal", "/walls", "/walls/{number}/end"),
            *("/api/v1/views", "/api/v1/views/{number}", "/api/v1/views/{number}/removal"),
            *("/api/v1/walls", "/api/v1/walls/{number}/end"),
            *("/people/walls/{number}/end", "/api/v1/people/walls/{number}/end"),
        ),
        "their lines are looked at in test_views.py and test_walls.py",
    ),
    "/account/factor": "a secret that waits for its first code opens nothing",
    **dict.fromkeys(
        (
            *("/register/{kind}", "/register/{kind}/{code}", "/trials/new", "/trials/{trial}/life"),
            *("/trials/{trial}", "/api/v1/trials/{trial}"),
            *("/sites", "/sites/{site}", "/api/v1/organisations", "/api/v1/organisations/{organisation}"),
            *("/api/v1/sites", "/api/v1/sites/{site}", "/api/v1/properties", "/api/v1/needs"),
            *("/api/v1/trials", "/api/v1/trials/{trial}/life"),
            *("/api/v1/properties/{property}", "/api/v1/needs/{need}"),
        ),
        "test_programme.py compares their lines with those of the command line",
    ),
    **dict.fromkeys(
        (
            *("/trials/{trial}/windows", "/sites/{site}/windows", "/windows/{number}/end"),
            *("/windows/{number}/withdrawal", "/windows/{number}/correction"),
            *("/api/v1/trials/{trial}/windows", "/api/v1/sites/{site}/windows"),
            *(f"/api/v1/windows/{{number}}/{act}" for act in ("end", "withdrawal", "correction")),
        ),
        "test_windows.py compares each line with its row",
    ),
    **dict.fromkeys(
        (
            f"{prefix}/sites/{{site}}/plans{below}"
            for prefix in ("", "/api/v1")
            for below in ("", "/{plan}", "/{plan}/places", "/{plan}/removal", "/{plan}/image")
            if (prefix, below) != ("", "/{plan}/image")
        ),
        "test_plans.py looks at their lines",
    ),
    **dict.fromkeys(
        ("/trials/{trial}/evaluate", "/api/v1/trials/{trial}/evaluations"),
        "test_asking.py looks at their lines",
    ),
    **dict.fromkeys(
        (
            *("/trials/{trial}/connect", "/api/v1/trials/{trial}/devices"),
            *(
                f"{prefix}/trials/{{trial}}/devices/{{device}}/{act}"
                for prefix in ("", "/api/v1")
                for act in ("credentials", "revocation", "datastreams", "sensors", "swap")
            ),
        ),
        "test_twins.py compares their lines with those of the verbs",
    ),
    "/trials/{trial}/devices/{device}/test": "test_connecting.py looks at its line",
    "/trials/{trial}/imports": "test_import_pages.py looks at its line",
    "/api/v1/trials/{trial}/imports": "test_import_pages.py looks at its line",
    "/trials/{trial}/mappings": "test_mapping_pages.py looks at its line",
    "/api/v1/trials/{trial}/mappings": "test_mapping_pages.py looks at its line",
    "/trials/{trial}/decision": "test_decisions.py looks at its line",
    "/api/v1/trials/{trial}/decision": "test_decisions.py looks at its line",
    **dict.fromkeys(
        (
            f"/api/v1/trials/{{trial}}/devices/{{device}}/{suffix}"
            for suffix in ("observations", "status", "senml", "influx", "telemetry")
        ),
        "a device sends; the ledger counts it",
    ),
}


def _post(client: httpx.Client, path: str, page: str = "/trials", **more: str) -> None:
    answer = client.post(path, data={"form": form_token(client, page), **more})
    assert answer.status_code == 303, answer.text


def _sign_out(sign_in: SignIn, world: World) -> None:
    _post(sign_in("judge"), "/sign-out")


def _sign_in(sign_in: SignIn, world: World) -> None:
    _post(sign_in(""), "/sign-in", "/sign-in", login="judge", password=PASSWORD, next="/")


def _lock(sign_in: SignIn, world: World) -> None:
    document = amended(world) | {"version": 3}
    answer = send(sign_in("judge"), text_of(document), "lock")
    assert answer.status_code == 303, answer.text


def _lock_api(sign_in: SignIn, world: World) -> None:
    document = amended(world) | {"version": 3}
    answer = sign_in("judge").post(f"{API}/protocol/lock", content=text_of(document))
    assert answer.status_code == 201, answer.text


def _retention(sign_in: SignIn, world: World) -> None:
    _post(sign_in("lab"), f"{TRIAL}/retention", TRIAL, results_days="10", rejects_days="5", purpose="air")


def _retention_api(sign_in: SignIn, world: World) -> None:
    assert sign_in("lab").post(f"{API}/retention", json={"rejects_days": 5}).status_code == 200


def _unblind_api(sign_in: SignIn, world: World) -> None:
    assert sign_in("judge").post(f"{API}/endpoints/co2/unblinding", json=REASON).status_code == 201


def _withdraw_api(sign_in: SignIn, world: World) -> None:
    answer = sign_in("lab").post(f"{API}/imports/1/withdrawal", json={"reason": "wrong"})
    assert answer.status_code == 201, answer.text


ACTS: dict[str, tuple[Callable[[SignIn, World], object], str, str]] = {
    "/sign-in": (_sign_in, "sign in", "judge"),
    "/sign-out": (_sign_out, "sign out", "judge"),
    "/trials/{trial}/protocol": (_lock, "lock", "judge"),
    "/api/v1/trials/{trial}/protocol/lock": (_lock_api, "lock", "judge"),
    "/trials/{trial}/endpoints/{endpoint}/unblind": (
        lambda sign_in, world: _post(sign_in("judge"), f"{TRIAL}/endpoints/co2/unblind", reason="done"),
        "unblind",
        "judge",
    ),
    "/api/v1/trials/{trial}/endpoints/{endpoint}/unblinding": (_unblind_api, "unblind", "judge"),
    "/trials/{trial}/imports/{number}/withdraw": (
        lambda sign_in, world: _post(sign_in("lab"), f"{TRIAL}/imports/1/withdraw", reason="wrong"),
        "withdraw import",
        "lab",
    ),
    "/api/v1/trials/{trial}/imports/{import_id}/withdrawal": (_withdraw_api, "withdraw import", "lab"),
    "/trials/{trial}/retention": (_retention, "set retention", "lab"),
    "/api/v1/trials/{trial}/retention": (_retention_api, "set retention", "lab"),
    "/rejects/replay": (
        lambda sign_in, world: _post(sign_in("lab"), "/rejects/replay", "/rejects"),
        "replay",
        "lab",
    ),
}
"""Path → (a call of it that changes something, the action of its line, who acts)."""


def posts(own_world_url: str, data_dir: Path) -> set[str]:
    app = create_app(
        Settings(data_dir=data_dir), database_url=own_world_url, clock=SYSTEM, mqtt_public=PUBLIC
    )
    return set(_posts_below(app.routes, ""))


def _posts_below(routes: Iterable[Any], prefix: str) -> Iterator[str]:
    for route in routes:
        if isinstance(route, APIRoute) and route.methods - {"GET", "HEAD", "OPTIONS"}:
            yield prefix + route.path
        elif hasattr(route, "original_router"):
            yield from _posts_below(route.original_router.routes, prefix + route.include_context.prefix)


def test_every_route_that_takes_a_post_leaves_a_line_or_says_here_why_not(
    own_world_url: str, data_dir: Path
) -> None:
    found = posts(own_world_url, data_dir)
    missing = found - set(ACTS) - set(NO_LINE)
    assert not missing, f"{missing}: add a call to ACTS that must leave a line, or the reason to NO_LINE"
    assert set(ACTS) <= found


def lines(url: str) -> list[AuditLine]:
    with connect(url, application="tests") as conn:
        assert audit_problem(conn) is None
        return audit(conn)


@pytest.mark.parametrize("path", sorted(ACTS))
def test_an_act_leaves_a_line_that_names_the_person(
    own_client: SignIn, own_world_url: str, world: World, blinded: object, path: str
) -> None:
    act, action, login = ACTS[path]
    if "imports" in path:
        with connect(own_world_url, application="tests") as conn:
            begin_import(conn, Origin("a.csv", "lab", CODE), now=world.now - timedelta(days=1))
            conn.commit()
    if login != "judge" or path != "/sign-in":
        own_client(login)
    before = len(lines(own_world_url))
    act(own_client, world)
    new = lines(own_world_url)[before:]
    assert (action, f"person:{login}") in [(line.action, line.login) for line in new]


def test_a_download_of_a_package_leaves_a_line(own_client: SignIn, own_world_url: str, world: World) -> None:
    path = f"{TRIAL}/evaluations/{world.evaluation_id}/package.zip"
    assert own_client("boreal").get(path, timeout=120).status_code == 200
    last = lines(own_world_url)[-1]
    assert (last.action, last.login, last.subject) == ("download", "person:boreal", CODE)
    assert own_client("aurore").get(path).status_code == 404
    assert lines(own_world_url)[-1].audit_id == last.audit_id
