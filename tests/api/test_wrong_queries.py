"""A wrong value in the address of a page is answered in the reader's language, whatever the parameter."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from api.acts import ACTS, OPEN
from api.app import create_app
from insitu.clock import SYSTEM
from insitu.settings import Settings
from tests.api.conftest import PUBLIC, SignIn, form_token
from tests.api.test_rights import STREAMS, Ward, ask, filled_in, ward

__all__ = ["ask", "ward"]
WRONG = (
    "abc",
    "-1",
    "0",
    "1.5",
    "99999999999999999999",
    "",
    "a" * 3000,
    "\u202e",
    "%00",
    "1,2,3",
    "2026-13-45",
)
ENGLISH = frozenset(
    {
        *("the", "input", "should", "be", "valid", "unable", "parse", "string", "integer", "number"),
        *("value", "error", "is", "are", "at", "least", "most", "have", "and", "write", "must"),
        *("datetime", "characters", "character", "with", "without", "there", "no", "not", "this"),
        *("that", "greater", "less", "than", "equal", "of", "leave", "out", "shows", "address"),
    }
)
"""Words that no French sentence has."""


def parameters(dependant: Dependant) -> Iterator[str]:
    for one in dependant.query_params:
        yield one.alias
    for below in dependant.dependencies:
        yield from parameters(below)


def asked(url: str, folder: Path) -> dict[str, set[str]]:
    """'GET /path' of each page → its parameters."""
    app = create_app(Settings(data_dir=folder), database_url=url, clock=SYSTEM, mqtt_public=PUBLIC)
    found: dict[str, set[str]] = {}
    for one in iter_route_contexts(app.routes):
        route = getattr(one, "route", one)
        if isinstance(route, APIRoute) and "GET" in (one.methods or ()) and not one.path.startswith("/api"):
            names = set(parameters(route.dependant))
            if names:
                found[f"GET {one.path}"] = names
    return found


def english(text: str) -> set[str]:
    """English words outside quotes of values and of addresses to write."""
    bare = re.sub(r"«[^»]*»|'[^']*'|\?at=\S+|query\.\S+", " ", text)
    return {word for word in re.findall(r"[a-z]+", bare.lower()) if word in ENGLISH}


def sentence(page: str) -> str:
    """The refusal on a page: the card of an error, or the line above a form."""
    card = page.partition('class="card narrow"')[2].partition("</section>")[0]
    told = card or " ".join(re.findall(r'role="alert">(.*?)</p>', page, re.DOTALL))
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", told).split()))


def test_every_page_says_in_french_what_is_wrong_with_its_address(
    ask: SignIn, ward: Ward, data_dir: Path
) -> None:
    lab = ask("lab")
    lab.post("/language", data={"form": form_token(lab, "/trials"), "language": "fr"})
    assert '<html lang="fr">' in lab.get("/trials").text
    troubles, refused = [], 0
    pages = asked(ward.url, data_dir)
    assert len(pages) > 15
    assert set(pages) <= set(ACTS) | OPEN
    for route, names in sorted(pages.items()):
        path = filled_in(route, ward, "lab")
        if STREAMS.match(path):
            continue
        for name in sorted(names):
            for value in WRONG:
                answer = lab.get(path, params={name: value})
                where = f"{route} {name}={value[:20]!r}"
                if answer.status_code >= 500:
                    troubles.append(f"{where}: {answer.status_code}")
                if answer.status_code < 400 or "text/html" not in answer.headers.get("content-type", ""):
                    continue
                refused += 1
                said = sentence(answer.text).replace(f"{name} :", "")
                if not said or english(said):
                    troubles.append(f"{where}: {answer.status_code} {said[:300]} {sorted(english(said))}")
                assert "query." not in said, where
    assert refused > 30
    assert not troubles, "\n".join(troubles)


@pytest.mark.parametrize(
    ("text", "words"),
    [("une date valable est attendue", set()), ("Input should be 1 or 7", {"input", "should", "be"})],
)
def test_english_is_recognised(text: str, words: set[str]) -> None:
    assert english(text) == words
