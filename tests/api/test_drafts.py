"""The draft of a protocol that people share: kept, read, changed by two at the same time, and gone with its
lock; over the API and on the page.
"""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

from store.audit import audit
from store.database import connect
from tests.api.conftest import SignIn, form_token
from tests.api.forms import form_of
from tests.api.test_protocols import API, PAGE, amended, text_of
from tests.api.world import World

DRAFT = f"{API}/protocol/draft"


def lines(url: str) -> list[tuple[str, str]]:
    with connect(url, application="tests") as conn:
        return [(line.action, line.login) for line in audit(conn) if "draft" in line.action]


def put(client: httpx.Client, text: str, etag: str | None = None) -> httpx.Response:
    headers = {} if etag is None else {"If-Match": etag}
    return client.put(DRAFT, content=text, headers=headers)


def test_a_draft_is_begun_read_changed_and_thrown_away(own_client: SignIn, own_world_url: str) -> None:
    judge, company = own_client("judge"), own_client("boreal")
    assert company.get(DRAFT).status_code == 404
    first = put(judge, '{"trial": 1}')
    assert (first.status_code, first.json()["changed_by"]) == (200, "judge")
    assert first.headers["etag"] == first.json()["etag"]
    read = company.get(DRAFT)
    assert (read.json(), read.headers["etag"]) == (first.json(), first.headers["etag"])
    assert put(judge, '{"trial": 1}', first.headers["etag"]).json() == first.json(), "nothing differs"
    second = put(own_client("lab"), '{"trial": 2}', first.headers["etag"])
    assert (second.status_code, second.json()["changed_by"]) == (200, "lab")
    stale = judge.delete(DRAFT, headers={"If-Match": first.headers["etag"]})
    assert (stale.status_code, stale.json()["code"]) == (412, "changed_meanwhile")
    assert "lab changed it on" in stale.json()["detail"]
    assert judge.delete(DRAFT, headers={"If-Match": second.headers["etag"]}).status_code == 204
    assert company.get(DRAFT).status_code == 404
    who = [login for _, login in lines(own_world_url)]
    assert lines(own_world_url) == [
        ("keep draft", "person:judge"),
        ("keep draft", "person:lab"),
        ("drop draft", "person:judge"),
    ], who


def test_two_who_begin_with_the_same_draft_do_not_overwrite_each_other(own_client: SignIn) -> None:
    judge, lab = own_client("judge"), own_client("lab")
    assert put(judge, "{}").status_code == 200
    etag = judge.get(DRAFT).headers["etag"]
    assert put(judge, '{"by": "judge"}', etag).status_code == 200
    late = put(lab, '{"by": "lab"}', etag)
    assert late.status_code == 412
    assert put(lab, '{"by": "lab"}').status_code == 412, "nor does one who read nothing"
    assert judge.get(DRAFT).json()["text"] == '{"by": "judge"}'
    assert put(lab, '{"by": "lab"}', "*").status_code == 200, "unless it is meant so"


@pytest.mark.parametrize("login", ["boreal", "hospital", "auditor"])
def test_readers_of_the_protocol_read_its_draft_and_change_nothing(own_client: SignIn, login: str) -> None:
    assert put(own_client("judge"), '{"x": "a word of the draft"}').status_code == 200
    reader = own_client(login)
    assert reader.get(DRAFT).status_code == 200
    page = reader.get(f"{PAGE}/protocol")
    assert "a word of the draft" in reader.get(f"{PAGE}/protocol?view=text").text
    assert 'value="keep"' not in page.text
    assert put(reader, "{}", "*").status_code == 404
    assert reader.delete(DRAFT, headers={"If-Match": "*"}).status_code == 404
    assert "A draft, kept by judge" in reader.get(PAGE).text
    answer = keep(own_client, login, "{}", "keep")
    assert answer.status_code == 404


def test_nobody_of_another_trial_learns_of_a_draft(own_client: SignIn) -> None:
    put(own_client("judge"), '{"x": 1}')
    for login in ("aurore", "metro", "outsider"):
        assert own_client(login).get(DRAFT).status_code == 404
        assert own_client(login).get(f"{PAGE}/protocol").status_code == 404


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff{}", "UTF-8: byte 1"),
        (b"  \n", "is empty"),
        (b'{"a": "\0"}', "NUL"),
        (b'"' + b"x" * 400_001 + b'"', "400,000 characters"),
    ],
)
def test_what_no_draft_can_be_is_refused_in_words(own_client: SignIn, content: bytes, words: str) -> None:
    answer = own_client("judge").put(DRAFT, content=content)
    assert answer.status_code == 400
    assert words in answer.json()["detail"]
    assert own_client("judge").get(DRAFT).status_code == 404


def test_broken_json_is_kept_and_shown_as_text(own_client: SignIn) -> None:
    judge = own_client("judge")
    assert put(judge, '{"half": ').status_code == 200
    page = judge.get(f"{PAGE}/protocol").text
    assert "no JSON object yet" in page
    assert "{&#34;half&#34;: " in page


def test_the_lock_takes_away_the_draft_that_it_locks_and_no_other(own_client: SignIn, world: World) -> None:
    judge, document = own_client("judge"), amended(world)
    put(judge, json.dumps({"mine": "another one"}))
    assert judge.post(f"{API}/protocol/lock", content=text_of(document)).status_code == 201
    assert judge.get(DRAFT).json()["text"] == '{"mine": "another one"}'
    third = document | {"version": 3}
    put(judge, json.dumps(third), "*")
    assert judge.post(f"{API}/protocol/lock", content=text_of(third)).status_code == 201
    assert judge.get(DRAFT).status_code == 404


# -- on the page


def fields(client: httpx.Client, path: str = f"{PAGE}/protocol") -> dict[str, Any]:
    """The fields that a browser sends of the form of the protocol."""
    page = client.get(path).text
    (form,) = re.findall(r'<form method="post" action="/trials/[\w-]+/protocol".*?</form>', page, re.DOTALL)
    found: dict[str, Any] = {}
    for name, text in form_of(form).sent:
        found.setdefault(name, []).append(text)
    return found


def keep(
    sign_in: SignIn, login: str, text: str, action: str, began_with: str = "", **more: str
) -> httpx.Response:
    client = sign_in(login)
    form = {"form": form_token(client, "/trials"), "text": text, "action": action, "began_with": began_with}
    return client.post(f"{PAGE}/protocol", data={**form, **more})


def test_an_amendment_is_written_in_the_form_from_the_newest_version_to_its_lock(
    own_client: SignIn, world: World
) -> None:
    judge = own_client("judge")
    sent = fields(judge)
    assert json.loads(sent["text"][0])["version"] == 2
    sent |= {"f.reason.en": ["A wider margin."], "f.endpoints.0.criteria.0.target.high": ["-40"]}
    answer = judge.post(f"{PAGE}/protocol", data={**sent, "action": "check"})
    assert answer.status_code == 200
    assert 'href="#f.reason.fr"' in answer.text, "the French is missing, and a link leads there"
    assert re.search(
        r'<a href="#f.endpoints.0.criteria.0.target.high">.*?</th><td>-50.*?</td><td>-40', answer.text
    )
    assert own_client("boreal").get(DRAFT).json()["changed_by"] == "judge", "the button kept it"
    again = fields(judge)
    assert again["f.endpoints.0.criteria.0.target.high"] == ["-40"]
    again |= {"f.reason.fr": ["Une marge plus large."]}
    locked = judge.post(f"{PAGE}/protocol", data={**again, "action": "lock"})
    assert (locked.status_code, locked.headers["location"]) == (303, f"{PAGE}#protocol")
    assert own_client("boreal").get(DRAFT).status_code == 404
    stored = judge.get(f"{PAGE}/protocols/2.json").json()
    assert stored["endpoints"][0]["criteria"][0]["target"] == {"high": -40.0}
    assert stored["reason"] == {"en": "A wider margin.", "fr": "Une marge plus large."}


def test_a_row_is_added_by_a_button_that_keeps_everything_else(own_client: SignIn) -> None:
    judge = own_client("judge")
    sent = fields(judge) | {"f.title.en": ["Half a ti"]}
    answer = judge.post(f"{PAGE}/protocol", data={**sent, "action": "add:arms"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}/protocol#f.arms.2")
    again = fields(judge)
    assert again["f.title.en"] == ["Half a ti"]
    assert again["f.arms.2.name"] == [""]
    answer = judge.post(f"{PAGE}/protocol", data={**again, "action": "remove:arms.0"})
    assert answer.headers["location"] == f"{PAGE}/protocol#f.arms"
    assert [fields(judge)[f"f.arms.{n}.name"] for n in (0, 1)] == [["control"], [""]]
    wrong = judge.post(f"{PAGE}/protocol", data={**fields(judge), "action": "remove:arms.7.x"})
    assert wrong.status_code == 422
    assert "read the draft again" in wrong.text


def test_who_writes_while_somebody_else_keeps_loses_nothing(own_client: SignIn) -> None:
    judge = own_client("judge")
    mine = fields(judge) | {"f.title.en": ["My title"]}
    put(own_client("lab"), json.dumps(json.loads(mine["text"][0]) | {"seed": 5}))
    answer = judge.post(f"{PAGE}/protocol", data={**mine, "action": "keep"})
    assert answer.status_code == 412
    assert "lab changed the draft while you wrote" in answer.text
    assert 'value="My title"' in answer.text or ">\nMy title<" in answer.text
    assert "Where yours differs from it" in answer.text
    assert judge.get(DRAFT).json()["changed_by"] == "lab"
    form = re.findall(
        r'<form method="post" action="/trials/[\w-]+/protocol".*?</form>', answer.text, re.DOTALL
    )
    again: dict[str, Any] = {}
    for name, text in form_of(form[0]).sent:
        again.setdefault(name, []).append(text)
    assert judge.post(f"{PAGE}/protocol", data={**again, "action": "keep"}).status_code == 303
    assert json.loads(judge.get(DRAFT).json()["text"])["title"]["en"] == "My title"


def test_errors_stand_beside_their_fields_in_french(own_client: SignIn) -> None:
    judge = own_client("judge")
    judge.post("/language", data={"form": form_token(judge, "/trials"), "language": "fr", "next": "/"})
    sent = fields(judge) | {"f.confidence": ["beaucoup"]}
    page = judge.post(f"{PAGE}/protocol", data={**sent, "action": "check"}).text
    (field,) = re.findall(r'<label class="field number wrong" id="f.confidence">.*?</label>', page, re.DOTALL)
    assert "un nombre est attendu" in field
    assert 'aria-invalid="true"' in field
    assert 'value="beaucoup"' in field


def test_a_text_that_cannot_be_kept_comes_back_with_the_reason(own_client: SignIn) -> None:
    answer = keep(own_client, "judge", '{"a": "\0"}', "keep")
    assert answer.status_code == 422
    assert "NUL" in answer.text


def test_hostile_words_of_a_draft_are_shown_as_they_are(own_client: SignIn) -> None:
    hostile = '"><script>alert(1)</script>'
    document = {
        "title": {"en": hostile, "fr": hostile},
        hostile: hostile,
        "arms": [{"name": hostile, "devices": [hostile]}],
        "roles": {hostile: hostile},
    }
    judge = own_client("judge")
    put(judge, json.dumps(document))
    for path in (f"{PAGE}/protocol", f"{PAGE}/protocol?view=text"):
        assert "<script>alert(1)" not in judge.get(path).text
    answer = judge.post(f"{PAGE}/protocol", data={**fields(judge), "action": "check"})
    assert "<script>alert(1)" not in answer.text
    assert json.loads(judge.get(DRAFT).json()["text"]) == document
