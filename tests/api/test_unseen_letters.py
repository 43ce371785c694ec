"""No form and no body of the API takes a text with a character that nobody sees, whatever the field: every
route that takes one is asked.
"""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from api.acts import ACTS
from api.app import create_app
from api.seen import AS_IT_IS, require_seen_texts
from insitu.clock import SYSTEM
from insitu.errors import CorrectInput
from insitu.settings import Settings
from tests.api.conftest import PUBLIC, SignIn, form_token
from tests.api.test_rights import Ward, ask, filled_in, ward

__all__ = ["ask", "ward"]
TEXT = "Quai\u202e 1"
SENTENCE = "A character that nobody sees, U+202E, is in 'Quai[U+202E] 1'"
AS_DEVICES_SAY = {
    "POST /trials/{trial}/mappings": "names of fields, as devices send them",
    "POST /api/v1/trials/{trial}/mappings": "the same",
    "POST /api/v1/trials/{trial}/mappings/try": "the same",
    "POST /trials/{trial}/imports": "names of columns, as files have them",
    "POST /api/v1/trials/{trial}/imports": "the same",
    "POST /trials/{trial}/protocol": "a draft comes back as it was typed, and nothing of it can be locked",
}
PEOPLE = ("lab", "judge", "metro", "metro-buyer", "hospital-buyer", "boreal", "hospital", "")


def routes_with_bodies(url: str, folder: Path) -> list[str]:
    """'METHOD /path' of every route whose body the framework reads."""
    app = create_app(Settings(data_dir=folder), database_url=url, clock=SYSTEM, mqtt_public=PUBLIC)
    found = []
    for one in iter_route_contexts(app.routes):
        route = getattr(one, "route", one)
        if isinstance(route, APIRoute) and route.body_field is not None:
            found += [f"{method} {one.path}" for method in sorted(one.methods or ())]
    return sorted(found)


def send(client: httpx.Client, route: str, path: str) -> httpx.Response:
    method = route.split()[0]
    if path.startswith("/api"):
        return client.request(method, path, json={"name": "plain", "more": [{"deep": TEXT}]})
    page = "/trials" if "insitu" in client.cookies else "/sign-in"
    return client.request(method, path, data={"form": form_token(client, page), "name": TEXT})


def test_every_route_that_takes_a_text_refuses_one_that_nobody_sees(
    ask: SignIn, ward: Ward, data_dir: Path
) -> None:
    found = routes_with_bodies(ward.url, data_dir)
    assert len(found) > 100
    taken = []
    for route in found:
        if route in AS_DEVICES_SAY:
            continue
        answers = []
        for login in PEOPLE:
            client = ask(login)
            client.headers["Accept-Language"] = "en"
            answer = send(client, route, filled_in(route, ward, login))
            answers.append(answer.status_code)
            if answer.status_code == 400 and SENTENCE in httpx.Response(200, text=answer.text).text.replace(
                "&#39;", "'"
            ):
                break
        else:
            taken.append(f"{route}: {answers}")
    assert not taken, "\n".join(taken)


def test_names_of_devices_stay_as_they_are_sent() -> None:
    assert set(AS_DEVICES_SAY) <= set(ACTS)


def test_a_secret_may_have_any_character() -> None:
    require_seen_texts(dict.fromkeys(AS_IT_IS, TEXT))
    for document in ({"name": TEXT}, [TEXT], {TEXT: 1}, {"a": {"b": [1, None, TEXT]}}):
        with pytest.raises(CorrectInput, match="U\\+202E"):
            require_seen_texts(document)


def test_several_lines_stay_where_a_text_may_have_them() -> None:
    require_seen_texts({"reason": "one\r\ntwo\tthree"})


def test_french_says_it_in_french(ask: SignIn) -> None:
    client = ask("")
    data = {"form": form_token(client, "/sign-in"), "name": TEXT, "language": "fr", "password": "x"}
    answer = client.post("/invitations/nowhere", data=data, headers={"Accept-Language": "fr"})
    assert answer.status_code == 400
    assert "Un caractère que personne ne voit, U+202E" in answer.text
