"""The address of a client behind proxies, and the names under which an installation may be called."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from api.clients import behind_proxies, place_of
from insitu.settings import Settings, parse_networks
from tests.api.conftest import server

PROXIES = parse_networks("127.0.0.1, 10.0.0.0/8, fd00::/8")
ADDRESSES = st.ip_addresses().map(str)


def seen(
    peer: str, headers: Sequence[tuple[str, str]], trusted: str = "127.0.0.1, 10.0.0.0/8, fd00::/8"
) -> str:
    scope = {
        "client": (peer, 4711),
        "scheme": "http",
        "headers": [(name.lower().encode(), content.encode()) for name, content in headers],
    }
    found: str = behind_proxies(scope, parse_networks(trusted))["client"][0]
    return found


@given(
    ADDRESSES, st.lists(st.tuples(st.sampled_from(["X-Forwarded-For", "Forwarded"]), ADDRESSES), max_size=3)
)
def test_without_a_trusted_proxy_no_header_changes_the_address(
    peer: str, hops: list[tuple[str, str]]
) -> None:
    headers = [(name, f"for={hop}" if name == "Forwarded" else hop) for name, hop in hops]
    assert seen(peer, headers, "") == peer


@given(st.lists(ADDRESSES, max_size=4), ADDRESSES)
def test_whatever_a_client_writes_the_proxy_s_own_entry_counts(forged: list[str], client: str) -> None:
    """The proxy appends the address of its client to what the client sent."""
    if any(
        ip_address(client) in network for network in PROXIES if network.version == ip_address(client).version
    ):
        return
    mapped = getattr(ip_address(client), "ipv4_mapped", None)
    expected = str(mapped or ip_address(client))
    if mapped and any(mapped in network for network in PROXIES if network.version == 4):
        return
    assert seen("127.0.0.1", [("X-Forwarded-For", ", ".join([*forged, client]))]) == expected
    assert seen("127.0.0.1", [("X-Forwarded-For", hop) for hop in [*forged, client]]) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([("X-Forwarded-For", "198.51.100.1, 203.0.113.9, 10.1.2.3")], "203.0.113.9"),
        ([("X-Forwarded-For", "10.9.9.9, 10.1.2.3")], "10.9.9.9"),
        ([("X-Forwarded-For", "203.0.113.9, rubbish")], "127.0.0.1"),
        ([("X-Forwarded-For", "203.0.113.9:4711")], "203.0.113.9"),
        ([("X-Forwarded-For", "[2001:db8::1]:4711")], "2001:db8::1"),
        ([("X-Forwarded-For", "::ffff:203.0.113.9")], "203.0.113.9"),
        ([("Forwarded", 'for="[2001:db8::1]:4711";proto=https, for=10.1.2.3')], "2001:db8::1"),
        ([("Forwarded", "proto=https;For=203.0.113.9;by=10.1.2.3")], "203.0.113.9"),
        ([("Forwarded", "for=203.0.113.9, for=unknown")], "127.0.0.1"),
        ([("Forwarded", "for=198.51.100.1"), ("X-Forwarded-For", "203.0.113.9")], "127.0.0.1"),
        ([("Forwarded", "for=203.0.113.9"), ("X-Forwarded-For", "203.0.113.9")], "203.0.113.9"),
        ([], "127.0.0.1"),
    ],
)
def test_the_last_hop_before_the_trusted_ones_is_the_client(
    headers: list[tuple[str, str]], expected: str
) -> None:
    assert seen("127.0.0.1", headers) == expected


def test_addresses_of_one_line_are_one_place() -> None:
    assert place_of("2001:db8:1:2::1") == place_of("2001:db8:1:2:ffff::9") == "2001:db8:1:2::/64"
    assert place_of("2001:db8:1:3::1") != place_of("2001:db8:1:2::1")
    assert place_of("::ffff:203.0.113.9") == place_of("203.0.113.9") == "203.0.113.9"


def test_a_proxy_that_is_no_address_is_refused() -> None:
    assert parse_networks("10.1.2.3/8") == [ip_network("10.0.0.0/8")]
    with pytest.raises(ValidationError, match="use addresses and networks"):
        Settings(trusted_proxies="nginx")


HOSTS = {
    "localhost": 200,
    "localhost:8080": 200,
    "127.0.0.1": 200,
    "[::1]:8080": 200,
    "insitu.example.org": 200,
    "INSITU.example.org.:443": 200,
    "data.example.org": 200,
    "evil.example": 400,
    "insitu.example.org.evil.example": 400,
    "localhost.evil.example": 400,
    "203.0.113.9": 400,
    "[2001:db8::1]": 400,
    "": 400,
}


def test_a_foreign_host_is_refused_and_probes_and_devices_are_not(world_url: str, data_dir: Path) -> None:
    names = {"public_host": "insitu.example.org", "allowed_hosts": "data.example.org, other.example.org"}
    with server(world_url, data_dir, **names) as address:  # type: ignore[arg-type]
        for host, status in HOSTS.items():
            answer = httpx.get(f"{address}/sign-in", headers={"Host": host})
            assert answer.status_code == status, (host, answer.text)
        foreign = {"Host": "evil.example"}
        for path in ("/", "/fleet", "/api/v1/trials", "/static/insitu.css", "/metrics"):
            assert httpx.get(address + path, headers=foreign).status_code == 400, path
        assert httpx.post(f"{address}/sign-in", data={"login": "lab"}, headers=foreign).status_code == 400
        assert httpx.get(f"{address}/healthz", headers=foreign).status_code == 200
        path = f"{address}/api/v1/trials/platform-air/devices/p1-north/observations"
        token = {"Authorization": "Bearer wrong"}
        assert httpx.post(path, json={}, headers=foreign | token).status_code == 401


def test_the_scheme_of_a_trusted_proxy_decides_about_cookies(world_url: str, data_dir: Path) -> None:
    secure = {"X-Forwarded-Proto": "https"}
    with server(world_url, data_dir) as address:
        assert "secure" not in httpx.get(f"{address}/sign-in", headers=secure).headers["set-cookie"].lower()
    with server(world_url, data_dir, trusted_proxies="127.0.0.1") as address:
        cookie = httpx.get(f"{address}/sign-in", headers=secure).headers["set-cookie"]
        assert cookie.startswith("__Host-insitu-visit=")
        assert "Secure" in cookie


def test_a_contact_for_weaknesses_is_named_where_there_is_one(world_url: str, data_dir: Path) -> None:
    with server(world_url, data_dir) as address:
        assert httpx.get(f"{address}/.well-known/security.txt").status_code == 404
    with server(world_url, data_dir, security_contact="mailto:security@example.org") as address:
        answer = httpx.get(f"{address}/.well-known/security.txt")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.text.startswith("Contact: mailto:security@example.org\nExpires: 2")
    with pytest.raises(ValidationError, match="is no contact"):
        Settings(security_contact="javascript:alert(1)")
