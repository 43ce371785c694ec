"""The second factor: added, asked for, used once, limited, reset, and required."""

from __future__ import annotations

import re
from base64 import b32decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from api import totp
from api.access import digest, new_token
from api.sealing import KEY_FILE, factor_key, seal
from insitu.clock import SYSTEM
from insitu.errors import FixPermissions
from insitu.settings import Settings
from store import factors, people, tokens
from store.database import Connection, connect
from store.limits import limit_to
from tests.api.conftest import server
from tests.api.test_people import NEW, actions, browser, post, shown
from tests.api.world import PASSWORD

SECRET = b"12345678901234567890"
RECOVERY = [f"{letter * 5}-aaaaa-aaaaa-aaaaa-aaaaa-a" for letter in "bcd"]


@pytest.fixture
def address(own_world_url: str, data_dir: Path) -> Iterator[str]:
    with server(own_world_url, data_dir) as found:
        yield found


@pytest.fixture
def conn(own_world_url: str) -> Iterator[Connection]:
    with connect(own_world_url, application="tests") as found:
        yield found


def give_factor(conn: Connection, data_dir: Path, login: str) -> None:
    """A factor with the secret above and three recovery codes."""
    member = people.get_member(conn, login)
    key = factor_key(Settings(data_dir=data_dir))
    factors.offer(conn, member.person_id, seal(SECRET, member.person_id, key))
    assert factors.take_step(conn, member.person_id, 1, SYSTEM.now())
    factors.set_recovery_codes(conn, member.person_id, [totp.recovery_digest(one) for one in RECOVERY])
    conn.commit()


def code(secret: bytes = SECRET, later: int = 0) -> str:
    return totp.code_of(secret, totp.step_at(SYSTEM.now()) + later)


def shown_secret(page: httpx.Response) -> bytes:
    found = re.search(r"<pre[^>]*>([A-Z2-7 ]+)</pre>", page.text)
    assert found
    return b32decode(found[1].replace(" ", ""))


def first_step(client: httpx.Client, login: str, password: str = PASSWORD) -> None:
    client.headers["Accept-Language"] = "en"
    answer = post(client, "/sign-in", "/sign-in", login=login, password=password, next="/fleet")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in/code?next=/fleet")


def second_step(client: httpx.Client, text: str) -> httpx.Response:
    return post(client, "/sign-in/code", "/sign-in/code", code=text, next="/fleet")


def test_a_person_adds_a_factor_and_other_sessions_end(
    address: str, own_world_url: str, conn: Connection
) -> None:
    with browser(address, own_world_url, "metro") as own, browser(address, own_world_url, "metro") as other:
        page = post(own, "/account/factor", "/account/factor")
        assert 'class="qr"' in page.text
        assert "<pre" not in own.get("/account/factor").text, "shown once"
        secret = shown_secret(post(own, "/account/factor", "/account/factor"))
        wrong = post(own, "/account/factor/confirm", "/account/factor", code="000000")
        assert (wrong.status_code, "The code is wrong" in wrong.text) == (400, True)
        assert other.get("/fleet").status_code == 200
        page = post(own, "/account/factor/confirm", "/account/factor", code=code(secret))
        codes = shown(page).split()
        assert len(codes) == 10
        assert other.get("/fleet").status_code == 303
        assert own.get("/fleet").status_code == 200
        again = post(own, "/account/factor/confirm", "/account/factor", code=code(secret, 1))
        assert again.status_code == 400, "the form of a new factor takes no code of one that counts"
    assert actions(conn)[-1] == "add second factor"
    (stored,) = conn.execute("SELECT secret, last_step FROM second_factor").fetchall()
    assert secret not in bytes(stored[0])
    (kept,) = conn.execute(
        "SELECT count(*) FROM recovery_code WHERE code_sha256 = %s", (totp.recovery_digest(codes[0]),)
    )
    assert kept == (1,)


def test_only_a_young_session_adds_a_factor(address: str, own_world_url: str, conn: Connection) -> None:
    with browser(address, own_world_url, "metro") as own:
        conn.execute("UPDATE signed_in SET created_at = created_at - interval '16 minutes'")
        conn.commit()
        page = post(own, "/account/factor", "/account/factor")
        assert (page.status_code, "older than a quarter of an hour" in page.text) == (400, True)
        assert "<pre" not in page.text


def test_an_old_session_neither_sees_nor_confirms_what_a_young_one_drew(
    address: str, own_world_url: str, conn: Connection
) -> None:
    """The person began to add a factor and left; somebody has a session from the day before."""
    with browser(address, own_world_url, "metro") as stolen, browser(address, own_world_url, "metro") as own:
        secret = shown_secret(post(own, "/account/factor", "/account/factor"))
        token = digest(str(stolen.cookies["insitu"]))
        conn.execute(
            "UPDATE signed_in SET created_at = created_at - interval '1 day' WHERE token_sha256 = %s",
            (token,),
        )
        conn.commit()
        for text in ("000000", code(secret)):
            page = post(stolen, "/account/factor/confirm", "/account/factor", code=text)
            assert (page.status_code, "older than a quarter of an hour" in page.text) == (400, True)
            assert "<pre" not in page.text
        assert conn.execute("SELECT confirmed_at FROM second_factor").fetchall() == [(None,)]
        assert post(own, "/account/factor/confirm", "/account/factor", code=code(secret)).status_code == 200


def test_a_sign_in_asks_for_a_code_which_works_once(
    address: str, own_world_url: str, data_dir: Path, conn: Connection
) -> None:
    give_factor(conn, data_dir, "metro")
    text = code()
    with browser(address) as client:
        first_step(client, "metro")
        assert client.get("/fleet").status_code == 303, "half a sign-in is none"
        assert client.get("/api/v1/trials").status_code == 401
        step = client.cookies["insitu-step"]
        client.cookies.set("insitu", step, domain="127.0.0.1")
        assert client.get("/api/v1/trials").status_code == 401, "its token is that of no session"
        client.cookies.delete("insitu", domain="127.0.0.1")
        assert people.list_sessions(conn, people.get_member(conn, "metro").person_id) == []
        conn.rollback()
        assert "sign in" not in actions(conn), "nor is it in the audit log"
        assert second_step(client, "000000").status_code == 403
        answer = second_step(client, f"{text[:3]} {text[3:]}")
        assert (answer.status_code, answer.headers["location"]) == (303, "/fleet")
        assert client.get("/fleet").status_code == 200
        assert "insitu-step" not in client.cookies
    with browser(address) as replay:
        first_step(replay, "metro")
        answer = second_step(replay, text)
        assert (answer.status_code, "or was used" in answer.text) == (403, True)
        replay.cookies.set("insitu-step", step, domain="127.0.0.1")
        assert second_step(replay, code(later=1)).status_code == 403, "a used step"


def test_a_code_of_an_earlier_step_does_not_follow_a_later_one(
    address: str, own_world_url: str, data_dir: Path, conn: Connection
) -> None:
    give_factor(conn, data_dir, "metro")
    with browser(address) as client:
        first_step(client, "metro")
        assert second_step(client, code(later=1)).status_code == 303
    with browser(address) as client:
        first_step(client, "metro")
        assert second_step(client, code()).status_code == 403


def test_a_recovery_code_works_once_and_is_renewed_with_a_code(
    address: str, own_world_url: str, data_dir: Path, conn: Connection
) -> None:
    give_factor(conn, data_dir, "metro")
    with browser(address) as client:
        first_step(client, "metro")
        assert second_step(client, RECOVERY[0].upper()).status_code == 303
        page = client.get("/account/factor").text
        assert re.search(r"\b2 (recovery codes|codes de secours)", page)
        assert post(client, "/account/factor/codes", "/account/factor", code=RECOVERY[0]).status_code == 400
        codes = shown(post(client, "/account/factor/codes", "/account/factor", code=RECOVERY[1])).split()
        assert len(codes) == 10
        assert post(client, "/account/factor/codes", "/account/factor", code=RECOVERY[2]).status_code == 400
        page = post(client, "/account/factor/remove", "/account/factor", code=codes[0]).text
        assert 'action="/account/factor"' in page
    assert actions(conn)[-6:] == [
        *("use recovery code", "sign in", "use recovery code", "renew recovery codes"),
        *("use recovery code", "remove second factor"),
    ]
    with browser(address) as client:
        assert (
            post(client, "/sign-in", "/sign-in", login="metro", password=PASSWORD).headers["location"] == "/"
        )


def test_codes_are_limited_with_the_passwords_of_the_login(
    address: str, own_world_url: str, data_dir: Path, conn: Connection
) -> None:
    give_factor(conn, data_dir, "metro")
    with browser(address) as client:
        first_step(client, "metro")
        found = [second_step(client, f"{number:06}").status_code for number in range(9)]
        assert found == [403] * 8 + [429]
        assert second_step(client, RECOVERY[0]).status_code == 429, "also a right one"
        with browser(address) as again:
            answer = post(again, "/sign-in", "/sign-in", login="metro", password=PASSWORD)
            assert answer.status_code == 429
    assert actions(conn)[-1] == "sign-in limit"
    with browser(address, own_world_url, "metro") as stolen:
        tries = [
            post(stolen, "/account/factor/remove", "/account/factor", code="000000").status_code
            for _ in range(2)
        ]
        assert tries[-1] == 429


def test_a_first_step_ends_with_time_a_new_password_and_a_disabled_person(
    address: str, own_world_url: str, data_dir: Path, conn: Connection
) -> None:
    give_factor(conn, data_dir, "metro")
    member = people.get_member(conn, "metro")
    for statement in (
        "UPDATE signed_in SET expires_at = expires_at - interval '10 minutes'",
        "UPDATE person SET disabled_at = now() WHERE login = 'metro'",
    ):
        with browser(address) as client:
            first_step(client, "metro")
            conn.execute(statement.encode())
            conn.commit()
            answer = second_step(client, code())
            assert (answer.status_code, "insitu" in client.cookies) == (403, False)
    conn.execute("UPDATE person SET disabled_at = NULL")
    conn.commit()
    with browser(address) as client:
        first_step(client, "metro")
        with browser(address, own_world_url, "lab") as lab:
            link = shown(post(lab, "/people/link", login="metro"))
        with browser(address) as other:
            fields = {"name": "Metro", "language": "en", "password": NEW}
            answer = post(other, link, link, **fields)
            assert answer.headers["location"] == "/sign-in/code?next=/", "a link alone is no way in either"
            assert second_step(client, code()).status_code == 403
            assert second_step(other, code()).status_code == 303
    assert people.get_member(conn, member.login).sessions == 1


def test_the_lab_resets_a_lost_factor_and_nobody_else_does(
    address: str, own_world_url: str, data_dir: Path, conn: Connection
) -> None:
    for login in ("metro", "lab"):
        give_factor(conn, data_dir, login)
    people.set_manages(conn, people.get_member(conn, "metro"), True, by="lab", now=SYSTEM.now())
    conn.commit()
    with browser(address, own_world_url, "metro") as own, browser(address, own_world_url, "lab") as lab:
        assert post(own, "/people/factor", login="metro").status_code == 404
        assert post(own, "/people/unlink", login="metro").status_code == 404
        assert post(lab, "/people/factor", login="lab").status_code == 404, "for the own one a code is needed"
        assert "second factor" in lab.get("/people", headers={"Accept-Language": "en"}).text
        assert post(lab, "/people/factor", login="metro").status_code == 303
        assert own.get("/fleet").status_code == 303, "every session has ended"
    assert actions(conn)[-1] == "reset second factor"
    assert not people.get_member(conn, "metro").has_factor


@contextmanager
def requiring(url: str, data_dir: Path, roles: str) -> Iterator[str]:
    with server(url, data_dir, totp_required=roles) as found:
        yield found


def test_a_role_that_needs_a_factor_reaches_only_the_page_that_adds_one(
    own_world_url: str, data_dir: Path, conn: Connection
) -> None:
    secret, machine = new_token(), new_token()
    for text, is_machine in ((secret, False), (machine, True)):
        person = people.get_member(conn, "lab")
        tokens.add_token(
            conn,
            person_id=person.person_id,
            login="lab",
            is_machine=is_machine,
            name="notebook",
            token_sha256=digest(text),
            lifetime=people.INVITATION_LIFETIME,
            by="lab",
            now=person.created_at,
        )
    conn.commit()
    with (
        requiring(own_world_url, data_dir, "lab, auditor") as address,
        browser(address, own_world_url, "lab") as lab,
        browser(address, own_world_url, "metro") as metro,
    ):
        assert metro.get("/fleet").status_code == 200
        for path in ("/", "/fleet", "/people", "/account", "/keys", "/trials"):
            answer = lab.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, "/account/factor"), path
        for path in ("/api/v1/trials", "/live/fleet", "/metrics", "/openapi.json"):
            assert lab.get(path).status_code == 403, path
        assert post(lab, "/people/disable", "/account/factor", login="metro").status_code == 303
        assert people.get_member(conn, "metro").disabled_at is None
        own = {"Authorization": f"Bearer {secret}"}
        assert httpx.get(f"{address}/api/v1/trials", headers=own).status_code == 403
        reads = {"Authorization": f"Bearer {machine}"}
        assert httpx.get(f"{address}/api/v1/trials", headers=reads).status_code == 200
        page = post(lab, "/account/factor", "/account/factor")
        text = code(shown_secret(page))
        assert post(lab, "/account/factor/confirm", "/account/factor", code=text).status_code == 200
        assert lab.get("/people").status_code == 200
        assert httpx.get(f"{address}/api/v1/trials", headers=own).status_code == 200
        answer = post(lab, "/account/factor/remove", "/account/factor", code="000000")
        assert (answer.status_code, 'action="/account/factor/remove"' in answer.text) == (400, False)
        assert post(lab, "/sign-out").status_code == 303


def test_the_role_of_the_pages_reads_no_secret_of_a_factor(
    own_world_url: str, data_dir: Path, conn: Connection
) -> None:
    give_factor(conn, data_dir, "metro")
    for secret in (
        "SELECT secret FROM second_factor",
        "SELECT code_sha256 FROM recovery_code",
        "SELECT id_token FROM signed_in",
        "SELECT * FROM used_return",
    ):
        limit_to(conn, None)
        with pytest.raises(FixPermissions):
            conn.execute(secret.encode())
        conn.rollback()


def test_with_another_key_recovery_codes_work_and_codes_say_why_not(
    own_world_url: str, data_dir: Path, conn: Connection
) -> None:
    give_factor(conn, data_dir, "metro")
    assert (data_dir / KEY_FILE).exists()
    with server(own_world_url, data_dir, factor_key="another") as address, browser(address) as client:
        first_step(client, "metro")
        answer = second_step(client, code())
        assert (answer.status_code, "encrypted with another key" in answer.text) == (500, True)
        assert second_step(client, RECOVERY[0]).status_code == 303


def test_two_requests_with_one_code_begin_one_session(
    own_world_url: str, data_dir: Path, conn: Connection
) -> None:
    """The row is locked, so the second request sees the step of the first."""
    give_factor(conn, data_dir, "metro")
    member = people.get_member(conn, "metro")
    with connect(own_world_url, application="other") as other:
        assert factors.find_factor(conn, member.person_id)
        other.execute("SET lock_timeout = '200ms'")
        other.commit()
        with pytest.raises(Exception, match="lock timeout"):
            factors.find_factor(other, member.person_id)
        other.rollback()
        assert factors.take_step(conn, member.person_id, 5, SYSTEM.now())
        conn.commit()
        assert not factors.take_step(other, member.person_id, 5, SYSTEM.now())
