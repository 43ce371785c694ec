"""Limits of attempts to sign in: no header passes them, and no stranger locks a person out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from api import attempts
from store.database import connect
from tests.api.conftest import form_token, server, sign_in
from tests.api.world import PASSWORD

PROXY = {"trusted_proxies": "127.0.0.1"}


def attempt(client: httpx.Client, login: str = "lab", password: str = "no", **headers: str) -> int:
    form = {"form": form_token(client), "login": login, "password": password, "next": "/"}
    return client.post("/sign-in", data=form, headers=headers).status_code


@contextmanager
def stranger(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=60) as client:
        yield client


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Client-IP"])
def test_sixty_wrong_passwords_with_sixty_forged_addresses_end_in_429(
    own_world_url: str, data_dir: Path, header: str
) -> None:
    with server(own_world_url, data_dir) as address, stranger(address) as client:
        statuses = []
        for number in range(60):
            hop = f"203.0.113.{number}"
            forged = {header: f"for={hop}" if header == "Forwarded" else hop}
            statuses.append(attempt(client, **forged))
        assert statuses == [403] * 8 + [429] * 52
        others = [attempt(client, f"person{n}", **{header: f"198.51.100.{n}"}) for n in range(40)]
        assert others == [403] * 32 + [429] * 8, "forty from one address, whatever the header"


def test_behind_a_trusted_proxy_each_client_has_its_own_limit(own_world_url: str, data_dir: Path) -> None:
    with server(own_world_url, data_dir, **PROXY) as address, stranger(address) as client:
        for number in range(9):
            forged = {"X-Forwarded-For": f"198.51.100.{number}, 203.0.113.7"}
            assert attempt(client, "somebody", **forged) == (403 if number < 8 else 429)
        assert attempt(client, "aurore", PASSWORD, **{"X-Forwarded-For": "203.0.113.8"}) == 303


def test_addresses_of_one_ipv6_line_share_a_limit(own_world_url: str, data_dir: Path) -> None:
    with server(own_world_url, data_dir, **PROXY) as address, stranger(address) as client:
        for number in range(41):
            hop = {"X-Forwarded-For": f"2001:db8:1:2::{number:x}"}
            assert attempt(client, f"person{number}", **hop) == (403 if number < 40 else 429)
        assert attempt(client, "person", **{"X-Forwarded-For": "2001:db8:1:3::1"}) == 403


def test_a_login_is_slowed_down_over_all_addresses_and_not_locked(own_world_url: str, data_dir: Path) -> None:
    with server(own_world_url, data_dir, **PROXY) as address, stranger(address) as client:
        statuses = [attempt(client, **{"X-Forwarded-For": f"203.0.113.{n}"}) for n in range(12)]
        assert statuses == [403] * 8 + [429] * 4
        with connect(own_world_url, application="tests") as conn:
            conn.execute("UPDATE sign_in_failure SET last_at = last_at - interval '1 minute'")
        assert attempt(client, **{"X-Forwarded-For": "203.0.113.50"}) == 403, "one a minute"
        assert attempt(client, **{"X-Forwarded-For": "203.0.113.51"}) == 429
        with connect(own_world_url, application="tests") as conn:
            conn.execute("UPDATE sign_in_failure SET last_at = last_at - interval '1 minute'")
        assert attempt(client, "lab", PASSWORD, **{"X-Forwarded-For": "203.0.113.52"}) == 303


def test_a_browser_that_has_signed_in_before_is_not_locked_out_by_a_stranger(
    own_world_url: str, data_dir: Path
) -> None:
    with server(own_world_url, data_dir) as address, stranger(address) as own, stranger(address) as other:
        sign_in(own, "lab")
        own.post("/sign-out", data={"form": form_token(own, "/account")})
        assert [attempt(other) for _ in range(10)] == [403] * 8 + [429] * 2
        assert attempt(other, "lab", PASSWORD) == 429
        assert attempt(own, "lab", PASSWORD) == 303, "the same address, but a known browser"
        own.post("/sign-out", data={"form": form_token(own, "/account")})
        assert [attempt(own) for _ in range(9)] == [403] * 8 + [429], "its allowance has an end"
        assert attempt(own, "metro") == 403, "the cookie counts for its own login only"


def test_a_forged_or_foreign_cookie_gives_no_allowance(own_world_url: str, data_dir: Path) -> None:
    with server(own_world_url, data_dir) as address, stranger(address) as own, stranger(address) as other:
        sign_in(own, "aurore")
        known = own.cookies["insitu-known"]
        assert [attempt(other) for _ in range(9)][-1] == 429
        for cookie in (known, f"{'0' * 32}.{known.split('.')[1]}", f"{'0' * 32}.{'0' * 64}", "x", ""):
            other.cookies.set("insitu-known", cookie, domain="127.0.0.1")
            assert attempt(other, "lab", PASSWORD) == 429, cookie


def test_all_strangers_together_have_a_ceiling_and_known_browsers_stay(
    own_world_url: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "MOST_OF_ALL", 20)
    with (
        server(own_world_url, data_dir, **PROXY) as address,
        stranger(address) as own,
        stranger(address) as client,
    ):
        sign_in(own, "lab")
        statuses = [attempt(client, f"p{n}", **{"X-Forwarded-For": f"203.0.113.{n}"}) for n in range(25)]
        assert statuses == [403] * 19 + [429] * 6, "the sign-in before counts too"
        own.post("/sign-out", data={"form": form_token(own, "/account")})
        assert attempt(own, "lab", PASSWORD) == 303


def test_right_passwords_use_up_nothing(own_world_url: str, data_dir: Path) -> None:
    with server(own_world_url, data_dir) as address:
        for _ in range(10):
            with stranger(address) as client:
                sign_in(client, "lab")


def test_a_reached_limit_leaves_one_line_without_what_was_typed(own_world_url: str, data_dir: Path) -> None:
    with server(own_world_url, data_dir) as address, stranger(address) as client:
        for _ in range(11):
            attempt(client, "my secret password")
        for _ in range(11):
            attempt(client, "boreal")
    with connect(own_world_url, application="tests") as conn:
        lines = conn.execute(
            "SELECT login, detail->>'address' FROM audit WHERE action = 'sign-in limit' ORDER BY audit_id"
        ).fetchall()
    assert lines == [("job:insitu", "127.0.0.1"), ("person:boreal", "127.0.0.1")]
