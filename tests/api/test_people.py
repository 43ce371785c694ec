"""People are invited, reset, disabled and enabled; a person changes the password and ends sessions."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from api.access import digest, new_token
from store import access, people, tokens
from store.audit import audit, audit_problem
from store.database import Connection, connect
from tests.api.conftest import form_token, new_session, server, sign_in
from tests.api.world import PASSWORD

NEW = "une pomme verte trotte"


@contextmanager
def browser(address: str, url: str = "", login: str = "") -> Iterator[httpx.Client]:
    """A browser of its own, signed in with a session from the database."""
    with httpx.Client(base_url=address, timeout=30, follow_redirects=False) as client:
        if login:
            client.cookies.set("insitu", new_session(url, login), domain="127.0.0.1")
        yield client


@pytest.fixture
def address(own_world_url: str, data_dir: Path) -> Iterator[str]:
    with server(own_world_url, data_dir) as found:
        yield found


@pytest.fixture
def conn(own_world_url: str) -> Iterator[Connection]:
    with connect(own_world_url, application="tests") as found:
        yield found


def post(client: httpx.Client, path: str, page: str = "/account", **fields: str) -> httpx.Response:
    return client.post(path, data={"form": form_token(client, page), **fields})


def shown(answer: httpx.Response) -> str:
    """The link or token that a page shows once."""
    assert answer.status_code == 200, answer.text
    found = re.search(r'<div class="card secret".*?<pre[^>]*>([^<]+)</pre>', answer.text, re.DOTALL)
    assert found
    return found[1]


def actions(conn: Connection) -> list[str]:
    found = [line.action for line in audit(conn)]
    assert audit_problem(conn) is None
    conn.rollback()
    return found


def test_a_person_is_invited_accepts_once_and_signs_in(
    address: str, own_world_url: str, conn: Connection
) -> None:
    with browser(address, own_world_url, "lab") as lab, browser(address) as marie:
        link = shown(
            post(
                lab,
                "/people/invite",
                login=" Marie.Dupont@Ville.FR ",
                organisation="city-demo",
                language="fr",
            )
        )
        assert link not in lab.get("/people").text
        path = link.removeprefix(address)
        assert marie.get(path).status_code == 200
        fields = {"name": "Marie Dupont", "language": "fr", "password": "password1234"}
        assert post(marie, path, path, **fields).status_code == 400, "easy to guess"
        fields["password"] = NEW
        answer = post(marie, path, path, **fields)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert "Marie Dupont" in marie.get("/account").text
        for again in (marie.get(path), post(marie, path, "/account", **fields)):
            assert again.status_code == 404, "a link works once"
    for login in ("marie.dupont@ville.fr", "MARIE.DUPONT@ville.fr "):
        with browser(address) as client:
            sign_in(client, login, NEW)
    assert actions(conn)[-5:] == ["invite", "change password", "sign in", "sign in", "sign in"]
    (stored,) = conn.execute("SELECT count(*) FROM invitation WHERE token_sha256 = %s", (digest(link[-43:]),))
    assert stored == (1,), "as a hash"


def test_an_invitation_ends_after_seven_days_and_with_the_next_one(
    address: str, own_world_url: str, conn: Connection
) -> None:
    with browser(address, own_world_url, "lab") as lab:
        invited = {"login": "new", "organisation": "city-demo", "language": "en"}
        first = shown(post(lab, "/people/invite", **invited))
        second = shown(post(lab, "/people/link", login="new"))
        assert lab.get(first).status_code == 404
        assert lab.get(second).status_code == 200
        conn.execute("UPDATE invitation SET expires_at = expires_at - interval '7 days'")
        conn.commit()
        assert lab.get(second).status_code == 404
        shown(post(lab, "/people/invite", **invited))
        answer = post(lab, "/people/invite", login="LAB", organisation="lab", language="en")
        assert answer.status_code == 400
        assert "That login is taken" in answer.text
        answer = post(lab, "/people/invite", login="a b", organisation="lab", language="en")
        assert (answer.status_code, "e-mail address" in answer.text) == (400, True)


def test_an_invited_person_cannot_sign_in_before_accepting(address: str, own_world_url: str) -> None:
    with browser(address, own_world_url, "lab") as lab, browser(address) as client:
        shown(post(lab, "/people/invite", login="new", organisation="city-demo", language="en"))
        for password in ("", "-", "None", "null"):
            answer = post(client, "/sign-in", "/sign-in", login="new", password=password)
            assert answer.status_code in (403, 422)


def test_a_reset_keeps_the_old_password_until_it_is_used_and_then_ends_every_session(
    address: str, own_world_url: str
) -> None:
    with (
        browser(address, own_world_url, "lab") as lab,
        browser(address, own_world_url, "metro") as old,
        browser(address) as client,
    ):
        link = shown(post(lab, "/people/link", login="metro"))
        sign_in(client, "metro")
        fields = {"name": "Metro", "language": "en", "password": NEW}
        with browser(address) as new:
            assert post(new, link, link, **fields).status_code == 303
            assert new.get("/").status_code == 200
        for ended in (old, client):
            assert ended.get("/").status_code == 303
        with browser(address) as again:
            sign_in(again, "metro", NEW)


def test_a_person_changes_the_password_and_other_sessions_end(
    address: str, own_world_url: str, conn: Connection
) -> None:
    with browser(address, own_world_url, "metro") as own, browser(address, own_world_url, "metro") as other:
        for old, new, says in (
            ("wrong", NEW, "The old password is wrong."),
            (PASSWORD, "short", "at least 12"),
            (PASSWORD, "password1234", "easy to guess"),
            (PASSWORD, "metro-metro-metro", "too much like the login"),
        ):
            answer = post(own, "/account/password", old=old, new=new)
            assert (answer.status_code, says in answer.text) == (400, True), answer.text
        assert post(own, "/account/password", old=PASSWORD, new=NEW).status_code == 200
        assert own.get("/").status_code == 200
        assert other.get("/").status_code == 303
        tries = [post(own, "/account/password", old="no", new=NEW).status_code for _ in range(9)]
        assert tries[-1] == 429, "a stolen session cannot try out passwords"
    assert "change password" in actions(conn)


def test_sessions_are_listed_and_ended(address: str, own_world_url: str, conn: Connection) -> None:
    with browser(address) as own, browser(address) as other:
        own.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
        for client in (own, other):
            sign_in(client, "aurore")
        page = own.get("/account").text
        assert "Firefox, Linux" in page
        assert "127.0.0.1" in page
        (path,) = re.findall(r'action="(/account/sessions/\d+/end)"', page)
        with browser(address, own_world_url, "boreal") as foreign:
            assert post(foreign, path).status_code == 303
        assert other.get("/").status_code == 200, "nobody ends another person's session"
        assert post(own, path).status_code == 303
        assert other.get("/").status_code == 303
    assert actions(conn)[-1] == "end session"


def test_name_and_language_are_the_person_s_own(address: str, own_world_url: str) -> None:
    with browser(address, own_world_url, "metro") as client:
        assert post(client, "/account/profile", name="Ada <b>", language="fr").status_code == 303
        page = client.get("/account").text
        assert "Ada &lt;b&gt;" in page
        assert 'lang="fr"' in page
        assert post(client, "/account/profile", name="a\nb", language="fr").status_code == 400
        assert post(client, "/account/profile", name="Ada", language="xx").status_code == 400


def _follow(client: httpx.Client, ended: threading.Event) -> None:
    with client.stream("GET", "/live/fleet", timeout=60) as answer:
        assert answer.status_code == 200
        for _ in answer.iter_raw():
            pass
    ended.set()


def test_a_disabled_person_is_out_everywhere_within_five_seconds(
    own_world_url: str, data_dir: Path, conn: Connection
) -> None:
    """Two servers that share nothing but the database, an open stream at each, and a token."""
    secret = new_token()
    account = people.find_login(conn, "aurore")
    assert account is not None
    tokens.add_token(
        conn,
        person_id=account.person_id,
        login="aurore",
        is_machine=False,
        name="notebook",
        token_sha256=digest(secret),
        lifetime=people.INVITATION_LIFETIME,
        by="aurore",
        now=people.get_member(conn, "aurore").created_at,
    )
    conn.commit()
    bearer = {"Authorization": f"Bearer {secret}"}
    with ExitStack() as stack:
        servers = [stack.enter_context(server(own_world_url, data_dir)) for _ in range(2)]
        browsers = [stack.enter_context(browser(one, own_world_url, "aurore")) for one in servers]
        for (
            one
        ) in browsers:  # FastAPI builds its routes at the first request, and two at a time get in their way
            assert one.get("/nowhere").status_code == 404
        lab = stack.enter_context(browser(servers[0], own_world_url, "lab"))
        for client in browsers:  # one after the other: the first request of an application builds its routes
            assert client.get("/fleet").status_code == 200
        ended = [threading.Event() for _ in servers]
        for client, event in zip(browsers, ended, strict=True):
            threading.Thread(target=_follow, args=(client, event), daemon=True).start()
        for one in servers:
            assert httpx.get(f"{one}/api/v1/trials", headers=bearer).status_code == 200
        time.sleep(4)
        assert not any(event.is_set() for event in ended)
        assert post(lab, "/people/disable", login="aurore").status_code == 303
        began = time.monotonic()
        for one, client in zip(servers, browsers, strict=True):
            assert httpx.get(f"{one}/api/v1/trials", headers=bearer).status_code == 401
            assert client.get("/api/v1/trials").status_code == 401
        for event in ended:
            assert event.wait(max(0.1, began + 5 - time.monotonic()))
        with browser(servers[1]) as again:
            assert post(again, "/sign-in", "/sign-in", login="aurore", password=PASSWORD).status_code == 403
            assert post(lab, "/people/enable", login="aurore").status_code == 303
            sign_in(again, "aurore")
        assert httpx.get(f"{servers[0]}/api/v1/trials", headers=bearer).status_code == 401, "ended for good"
    assert [one for one in actions(conn) if "able" in one] == ["disable", "enable"]


def test_the_last_active_person_of_the_lab_stays(address: str, own_world_url: str) -> None:
    with browser(address, own_world_url, "lab") as lab:
        shown(post(lab, "/people/invite", login="second", organisation="lab", language="en"))
        answer = post(lab, "/people/disable", login="lab")
        assert (answer.status_code, "last active person" in answer.text) == (400, True)
        link = shown(post(lab, "/people/link", login="second"))
        with browser(address) as second:
            post(second, link, link, name="Second", language="en", password=NEW)
            assert post(second, "/people/disable", login="lab").status_code == 303
            assert lab.get("/").status_code == 303
            assert post(second, "/people/disable", login="second").status_code == 400


def test_two_people_of_the_lab_who_disable_each_other_at_once_leave_one(own_world_url: str) -> None:
    with connect(own_world_url, application="tests") as one, connect(own_world_url, application="two") as two:
        now = people.get_member(one, "lab").created_at
        access.add_person(
            one, login="second", name="Second", organisation="lab", password_hash="$argon2$", now=now
        )
        one.commit()
        people.disable(one, people.get_member(one, "lab"), by="second", now=now)
        problems: list[Exception] = []

        def other() -> None:
            try:
                people.disable(two, people.get_member(two, "second"), by="lab", now=now)
                two.commit()
            except Exception as error:  # noqa: BLE001 - any
                problems.append(error)

        thread = threading.Thread(target=other)
        thread.start()
        time.sleep(0.3)
        one.commit()
        thread.join(10)
        assert "last active person" in str(problems[0])


def test_a_manager_manages_the_own_organisation_only(address: str, own_world_url: str) -> None:
    with browser(address, own_world_url, "lab") as lab, browser(address, own_world_url, "aurore") as own:
        assert own.get("/people").status_code == 404
        assert "/people" not in own.get("/account").text
        assert post(lab, "/people/manager", login="aurore", manages="true").status_code == 303
        page = own.get("/people").text
        assert "aurore" in page
        for foreign in ("boreal", "lab", "metro"):
            assert f'value="{foreign}"' not in page
            for path in ("link", "disable", "enable"):
                assert post(own, f"/people/{path}", login=foreign).status_code == 404, (path, foreign)
        for organisation in ("boreal-demo", "lab"):
            answer = post(own, "/people/invite", login="new", organisation=organisation, language="en")
            assert answer.status_code == 404
        fields = {"login": "colleague", "organisation": "aurore-demo", "language": "en", "manages": "true"}
        shown(post(own, "/people/invite", **fields))
        with connect(own_world_url, application="tests") as conn:
            assert not people.get_member(conn, "colleague").manages_people, "only the lab makes managers"
        assert post(own, "/people/disable", login="colleague").status_code == 303
        assert post(own, "/people/manager", login="colleague", manages="true").status_code == 404
        answer = post(own, "/people/invite", login="lab", organisation="aurore-demo", language="en")
        assert answer.status_code == 400
        assert post(lab, "/people/manager", login="aurore", manages="false").status_code == 303
        assert own.get("/people").status_code == 404


@pytest.mark.parametrize("login", ["metro", "aurore", "judge", "outsider", ""])
def test_nobody_else_sees_or_changes_people(address: str, own_world_url: str, login: str) -> None:
    with browser(address, own_world_url, login) as client:
        refused = (404,) if login else (303, 401)
        page = "/account" if login else "/sign-in"
        assert client.get("/people").status_code in refused
        for path in ("invite", "link", "disable", "enable", "manager", "tokens"):
            fields = {"login": "lab", "organisation": "lab", "manages": "true", "name": "x", "days": "3"}
            assert post(client, f"/people/{path}", page, **fields).status_code in refused, path


def test_no_form_of_people_works_without_its_token(address: str, own_world_url: str) -> None:
    with browser(address, own_world_url, "lab") as lab:
        for path in (
            *("/people/invite", "/people/link", "/people/disable", "/people/enable", "/people/manager"),
            *("/people/tokens", "/people/tokens/1/end", "/people/tokens/1/hand-over", "/account/profile"),
            "/people/walls/1/end",
            *("/account/password", "/account/sessions/1/end", "/account/tokens", "/account/tokens/1/end"),
        ):
            fields = {"login": "metro", "organisation": "lab", "manages": "true", "name": "x", "days": "3"}
            fields |= {"old": "x", "new": "x", "language": "en", "form": "forged"}
            assert lab.post(path, data=fields).status_code == 400, path
