"""Signing in elsewhere: by a real provider, and by one that lies in each word of its answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from api.oidc import provider as provider_module
from insitu.model import Role
from store import access, people
from store.audit import audit
from store.database import Connection, connect
from store.linked import unlink
from tests.api.conftest import NO_TLS, filled, form_token, server, world
from tests.api.test_people import post
from tests.fix_database import clone
from tests.fix_provider import (
    Claims,
    Gate,
    open_gate,
    running_mock,
    set_claims,
    with_a_stranger_s_key,
    with_the_public_key_as_secret,
    without_signature,
)

__all__ = ["filled", "world"]
MARIE = "marie.dupont@ville.fr"
CLIENT = {"oidc_client_id": "insitu", "oidc_client_secret": "a secret of both", "oidc_label": "City & Co"}


@pytest.fixture(scope="module")
def mock() -> Iterator[str]:
    with running_mock() as address:
        yield address


@pytest.fixture(scope="module")
def url(database_server: str, filled: tuple[str, Any]) -> Iterator[str]:
    """A clone of the world with Marie in it, who was invited and has no password."""
    with clone(database_server, filled[0]) as found:
        with connect(found, application="tests") as conn:
            access.add_person(
                conn,
                login=MARIE,
                name="Marie",
                organisation="city-demo",
                password_hash=None,
                now=filled[1].now,
                language="en",
                role=Role.OPERATOR,
            )
            conn.commit()
        yield found


@pytest.fixture(scope="module")
def house(mock: str, url: str, data_dir: Path) -> Iterator[tuple[str, Gate]]:
    """The address of an installation, and the gate of its provider."""
    with (
        pytest.MonkeyPatch.context() as patch,
        open_gate(mock) as gate,
        server(url, data_dir, oidc_issuer=gate.address, **CLIENT) as address,
    ):
        patch.setattr(provider_module, "_KEYS_S", 0.0)
        yield address, gate


@pytest.fixture
def conn(url: str) -> Iterator[Connection]:
    """Nobody is linked and no attempt is counted when a test begins."""
    with connect(url, application="tests") as found:
        found.execute("UPDATE person SET issuer = NULL, subject = NULL, disabled_at = NULL")
        found.execute("DELETE FROM sign_in_failure")
        found.commit()
        yield found


@pytest.fixture
def gate(house: tuple[str, Gate]) -> Iterator[Gate]:
    gate = house[1]
    set_claims(gate, "m1", email=MARIE, email_verified=True)
    yield gate
    gate.change, gate.sign, gate.describe, gate.userinfo_signed = (lambda claims: claims), None, {}, False
    gate.answers.clear()


@pytest.fixture
def browser(house: tuple[str, Gate], conn: Connection) -> Iterator[httpx.Client]:
    with client_of(house[0]) as found:
        yield found


@contextmanager
def client_of(address: str) -> Iterator[httpx.Client]:
    headers = {"Accept-Language": "en"}
    with httpx.Client(
        base_url=address, headers=headers, timeout=30, verify=NO_TLS, trust_env=False
    ) as client:
        yield client


def go(client: httpx.Client, next: str = "/fleet") -> str:
    """The address at the provider to which the sign-in page sends."""
    assert "Sign in with City &amp; Co" in client.get("/sign-in", params={"next": next}).text
    answer = client.get("/sign-in/oidc", params={"next": next})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def consent(at: str, subject: str = "m1", **form: str) -> str:
    """The address to which the provider sends the browser back."""
    answer = httpx.post(at, data={"sub": subject, **form}, trust_env=False, verify=NO_TLS)
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


def enter(client: httpx.Client, subject: str = "m1") -> httpx.Response:
    return client.get(consent(go(client), subject))


def test_an_invited_person_enters_and_is_linked_and_leaves_the_provider_too(
    browser: httpx.Client, gate: Gate, conn: Connection
) -> None:
    asked = parse_qs(urlsplit(at := go(browser)).query)
    assert asked["scope"] == ["openid email"]
    assert len(asked["state"][0]) >= 43
    assert len(asked["nonce"][0]) >= 43
    answer = browser.get(consent(at))
    assert (answer.status_code, answer.headers["location"]) == (303, "/fleet"), answer.text
    assert "Marie" in browser.get("/account").text
    assert 'name="old"' not in browser.get("/account").text, "who has no password changes none"
    member = people.get_member(conn, MARIE)
    assert (member.is_linked, member.is_active, member.sessions) == (True, True, 1)
    lines = audit(conn)[-2:]
    assert [line.action for line in lines] == ["link sign-in", "sign in"]
    assert lines[1].detail["by"] == gate.address
    page = post(browser, "/sign-out")
    assert page.status_code == 200
    target = page.text.split('content="0;url=')[1].split('"')[0].replace("&amp;", "&")
    left = parse_qs(urlsplit(target).query)
    assert target.startswith(f"{gate.address}/oauth2/end_session?")
    assert left["id_token_hint"][0].count(".") == 2
    assert left["post_logout_redirect_uri"] == [f"{str(browser.base_url).rstrip('/')}/sign-in"]
    assert browser.get("/account").status_code == 303


def test_a_second_sign_in_goes_by_the_subject_and_not_by_the_address(
    browser: httpx.Client, gate: Gate, conn: Connection
) -> None:
    """The address moves to another person, and the first one marries."""
    assert enter(browser).status_code == 303
    browser.cookies.clear()
    set_claims(gate, "m1", email="marie.martin@ville.fr", email_verified=True)
    assert enter(browser).status_code == 303
    assert "Marie" in browser.get("/account").text
    browser.cookies.clear()
    set_claims(gate, "heir", email=MARIE, email_verified=True)
    answer = enter(browser, "heir")
    assert answer.status_code == 403
    assert "as somebody else" in answer.text
    assert browser.get("/account").status_code == 303
    member = people.get_member(conn, MARIE)
    unlink(conn, member, by="lab", now=member.created_at)
    conn.commit()
    browser.cookies.clear()
    assert enter(browser, "heir").status_code == 303


def test_who_was_not_invited_learns_whom_to_ask(browser: httpx.Client, gate: Gate, conn: Connection) -> None:
    set_claims(gate, "m1", email="stranger@ville.fr", email_verified=True)
    answer = enter(browser)
    assert answer.status_code == 403
    assert "stranger@ville.fr has no account here" in answer.text
    (lab,) = (one.name for one in people.list_organisations(conn) if one.code == "lab")
    assert f"Ask {lab} to invite you" in answer.text
    assert browser.get("/account").status_code == 303


def test_a_disabled_person_is_refused_and_open_sessions_end(
    browser: httpx.Client, gate: Gate, conn: Connection
) -> None:
    assert enter(browser).status_code == 303
    assert browser.get("/api/v1/trials").status_code == 200
    member = people.get_member(conn, MARIE)
    people.disable(conn, member, by="lab", now=member.created_at)
    conn.commit()
    began = time.monotonic()
    assert browser.get("/api/v1/trials").status_code == 401
    assert time.monotonic() - began < 5
    answer = enter(browser)
    assert answer.status_code == 403
    assert f"The account {MARIE} is disabled" in answer.text


@pytest.mark.parametrize("verified", [False, None, "true", 1])
def test_a_first_sign_in_needs_a_verified_address(
    browser: httpx.Client, gate: Gate, conn: Connection, verified: object
) -> None:
    set_claims(gate, "m1", email=MARIE, **({} if verified is None else {"email_verified": verified}))
    answer = enter(browser)
    assert (answer.status_code, "has not verified the address" in answer.text) == (403, True)
    assert not people.get_member(conn, MARIE).is_linked


LIES: dict[str, Callable[[Claims], Claims]] = {
    "another nonce": lambda claims: {**claims, "nonce": "x"},
    "a list of nonces": lambda claims: {**claims, "nonce": ["x", claims["nonce"]]},
    "no nonce": lambda claims: {name: one for name, one in claims.items() if name != "nonce"},
    "another issuer": lambda claims: {**claims, "iss": "https://elsewhere.example.org"},
    "a list of issuers": lambda claims: {**claims, "iss": [claims["iss"]]},
    "another audience": lambda claims: {**claims, "aud": "another client"},
    "audiences without azp": lambda claims: {**claims, "aud": ["insitu", "another client"]},
    "another azp": lambda claims: {**claims, "azp": "another client"},
    "an end that is over": lambda claims: {**claims, "exp": int(time.time()) - 120},
    "no end": lambda claims: {name: one for name, one in claims.items() if name != "exp"},
    "a beginning to come": lambda claims: {**claims, "iat": int(time.time()) + 600},
    "the hash of another access token": lambda claims: {**claims, "at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    "no subject": lambda claims: {**claims, "sub": ""},
    "a number as subject": lambda claims: {**claims, "sub": 7},
    "a subject without end": lambda claims: {**claims, "sub": "x" * 256},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_token_with_a_wrong_claim_lets_nobody_in(browser: httpx.Client, gate: Gate, lie: str) -> None:
    gate.change = LIES[lie]
    answer = enter(browser)
    assert (answer.status_code, "does not prove who you are" in answer.text) == (403, True), answer.text
    assert browser.get("/account").status_code == 303


@pytest.mark.parametrize(
    "sign", [without_signature, with_the_public_key_as_secret, with_a_stranger_s_key, lambda *_: "a.b"]
)
def test_a_token_that_the_provider_did_not_sign_lets_nobody_in(
    browser: httpx.Client, gate: Gate, sign: Any
) -> None:
    gate.sign = sign
    answer = enter(browser)
    assert (answer.status_code, "does not prove who you are" in answer.text) == (403, True), answer.text
    assert browser.get("/account").status_code == 303


def test_new_keys_of_the_provider_are_fetched_when_a_token_names_them(
    browser: httpx.Client, gate: Gate
) -> None:
    gate.rotate("two")
    assert enter(browser).status_code == 303
    browser.cookies.clear()
    before = gate.asked.count("/jwks")
    assert enter(browser).status_code == 303
    assert gate.asked.count("/jwks") == before, "known ones are not fetched again"


def test_a_way_back_works_once_and_in_its_own_browser(
    browser: httpx.Client, house: tuple[str, Gate], gate: Gate
) -> None:
    at = go(browser)
    back = consent(at)
    with client_of(house[0]) as thief:
        answer = thief.get(back)
        assert (answer.status_code, "began in another browser" in answer.text) == (400, True)
    kept = dict(browser.cookies)
    assert browser.get(back).status_code == 303
    with client_of(house[0]) as replay:
        replay.cookies.set("insitu-elsewhere", kept["insitu-elsewhere"], domain="127.0.0.1")
        assert replay.get(back).status_code == 400, "used"
        assert replay.get(back.replace("state=", "state=x")).status_code == 400
    with client_of(house[0]) as forged:
        text, _, signature = kept["insitu-elsewhere"].partition(".")
        forged.cookies.set("insitu-elsewhere", f"{text}.{signature[::-1]}", domain="127.0.0.1")
        assert forged.get(back).status_code == 400


def test_a_code_of_another_browser_s_sign_in_is_refused(
    browser: httpx.Client, house: tuple[str, Gate], gate: Gate
) -> None:
    """Its verifier does not fit (PKCE), even where the state does."""
    foreign = parse_qs(urlsplit(consent(go(browser))).query)["code"][0]
    with client_of(house[0]) as other:
        own = parse_qs(urlsplit(go(other)).query)["state"][0]
        answer = other.get("/sign-in/oidc/return", params={"code": foreign, "state": own})
        assert (answer.status_code, "refuses the code" in answer.text) == (403, True)


def test_a_person_who_says_no_and_an_answer_of_another_provider_are_refused(
    browser: httpx.Client, gate: Gate
) -> None:
    answer = browser.get(consent(go(browser), action="deny"))
    assert answer.status_code in (400, 403)
    back = consent(go(browser))
    answer = browser.get(f"{back}&iss=https://elsewhere.example.org")
    assert (answer.status_code, "Another provider answered" in answer.text) == (403, True)


def test_ways_back_are_limited_by_address(browser: httpx.Client, gate: Gate, conn: Connection) -> None:
    gate.change = LIES["no subject"]
    assert enter(browser).status_code == 403
    conn.execute("UPDATE sign_in_failure SET failures = 40")
    conn.commit()
    assert enter(browser).status_code == 429


def test_the_next_page_is_one_of_ours(browser: httpx.Client, gate: Gate) -> None:
    answer = browser.get(consent(go(browser, "https://elsewhere.example.org/")))
    assert answer.headers["location"] == "/"


def test_an_open_invitation_ends_when_its_person_is_linked(
    browser: httpx.Client, house: tuple[str, Gate], gate: Gate, conn: Connection
) -> None:
    member = people.get_member(conn, MARIE)
    people.invite(conn, member, token_sha256=b"x" * 32, purpose="invitation", by="lab", now=member.created_at)
    conn.commit()
    assert enter(browser).status_code == 303
    assert people.get_member(conn, MARIE).link_until is None


@contextmanager
def describing(mock: str, **more: object) -> Iterator[Gate]:
    """A provider that says so from its first moment: a server asks it once, at its start."""
    with open_gate(mock) as gate:
        gate.describe, gate.userinfo_signed = more, True
        yield gate


def test_the_shape_of_proconnect(mock: str, url: str, data_dir: Path, conn: Connection) -> None:
    """Userinfo is a signed token, the names differ, no address is marked as verified, and the level of
    assurance is asked for and must be confirmed.
    """
    level = "eidas2"
    with (
        describing(mock, claims_parameter_supported=True) as gate,
        server(
            url,
            data_dir,
            oidc_issuer=gate.address,
            oidc_scopes="openid given_name usual_name email siret",
            oidc_require_verified_email=False,
            oidc_domains="ville.fr, metropole.fr",
            oidc_acr=f"{level} eidas3",
            **CLIENT,
        ) as address,
    ):
        names = {"given_name": "Marie", "usual_name": "Dupont", "siret": "11002001300097"}
        set_claims(gate, "m1", email=MARIE, **names)

        def bare(**more: object) -> Callable[[Claims], Claims]:
            """ProConnect's id_token says who, and nothing about the person."""
            return lambda claims: (
                {name: one for name, one in claims.items() if name not in ("email", "usual_name", "siret")}
                | more
            )

        with client_of(address) as client:
            at = go(client)
            asked = parse_qs(urlsplit(at).query)
            assert asked["acr_values"] == [f"{level} eidas3"]
            assert '"essential": true' in asked["claims"][0]
            gate.change = bare()
            answer = client.get(consent(at))
            assert (answer.status_code, "eidas2 eidas3 is needed" in answer.text) == (403, True)
            gate.change = bare(acr=level)
            assert enter(client).status_code == 303
            assert "/userinfo" in gate.asked
            client.cookies.clear()
            set_claims(gate, "m2", email="someone@elsewhere.fr", **names)
            answer = enter(client, "m2")
            assert (answer.status_code, "cannot enter here" in answer.text) == (403, True)


def test_userinfo_about_somebody_else_lets_nobody_in(browser: httpx.Client, gate: Gate) -> None:
    gate.change = lambda claims: {name: one for name, one in claims.items() if name != "email"}
    gate.answers["/userinfo"] = (200, {"Content-Type": "application/json"}, b'{"sub": "heir"}')
    answer = enter(browser)
    assert (answer.status_code, "about somebody else" in answer.text) == (403, True)


def test_while_the_provider_is_away_a_password_still_works(
    mock: str, url: str, data_dir: Path, conn: Connection
) -> None:
    with open_gate(mock) as gate:
        gate.answers["/.well-known/openid-configuration"] = (503, {}, b"")
        with (
            server(url, data_dir, oidc_issuer=gate.address, **CLIENT) as address,
            client_of(address) as client,
        ):
            answer = client.get("/sign-in/oidc")
            assert answer.status_code == 503
            assert "City &amp; Co does not answer at the moment" in answer.text
            asked = len(gate.asked)
            assert client.get("/sign-in/oidc").status_code == 503
            assert len(gate.asked) == asked, "nobody waits again for a provider that is away"
            form = {"form": form_token(client), "login": "metro", "password": "wrong", "next": "/"}
            assert client.post("/sign-in", data=form).status_code == 403
            form["password"] = "correct horse battery staple"
            assert client.post("/sign-in", data=form).status_code == 303


def test_the_client_proves_itself_as_the_provider_wants(
    mock: str, url: str, data_dir: Path, conn: Connection
) -> None:
    """By the header, by the form, and without a secret by PKCE alone. The mock takes no such client."""
    for secret, methods in (("s", None), ("s", ["client_secret_post"]), (None, None)):
        with open_gate(mock) as gate:
            gate.describe = {"token_endpoint_auth_methods_supported": methods} if methods else {}
            set_claims(gate, "m1", email=MARIE, email_verified=True)
            options = {**CLIENT, "oidc_client_secret": secret}
            with (
                server(url, data_dir, oidc_issuer=gate.address, **options) as address,
                client_of(address) as client,
            ):
                answer = enter(client)
            header, form = gate.proofs[0]
            assert (header is not None) == (secret is not None and methods is None)
            assert form.get("client_secret") == (["s"] if methods else None)
            assert form.get("client_id") == (None if header else ["insitu"])
            assert answer.status_code == (303 if secret else 403)
        conn.execute("UPDATE person SET issuer = NULL, subject = NULL")
        conn.commit()


def test_without_a_setting_there_is_no_other_sign_in(url: str, data_dir: Path) -> None:
    with server(url, data_dir) as address, client_of(address) as client:
        assert "/sign-in/oidc" not in client.get("/sign-in").text
        assert client.get("/sign-in/oidc").status_code == 404
        assert client.get("/sign-in/oidc/return?code=x&state=y").status_code == 404
