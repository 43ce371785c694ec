"""Addresses of channels: where a webhook may go, and what an address of mail may be."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import Any

import pytest

from insitu.errors import CorrectInput
from insitu.settings import parse_networks
from jobs.channels.channel import NotDelivered
from jobs.channels.webhook import is_allowed, resolve
from trials.alerting.addresses import parse_mail, parse_webhook

PRIVATE = [
    *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
    *("100.64.0.1", "192.0.0.1", "198.18.0.1", "203.0.113.9", "224.0.0.1", "239.1.1.1", "240.0.0.1"),
    *("255.255.255.255", "::", "::1", "fe80::1", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "::127.0.0.1"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a9fe:a9fe::1"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_inside_is_refused_in_every_dress(address: str) -> None:
    assert not is_allowed(ip_address(address), [])


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_a_public_address_is_allowed(address: str) -> None:
    assert is_allowed(ip_address(address), [])


def test_an_installation_can_allow_a_network_and_no_more() -> None:
    networks = parse_networks("10.1.0.0/16")
    assert is_allowed(ip_address("10.1.2.3"), networks)
    assert is_allowed(ip_address("::ffff:10.1.2.3"), networks)
    assert not is_allowed(ip_address("10.2.2.3"), networks)


@pytest.mark.parametrize(
    "name",
    ["127.1", "2130706433", "0x7f.1", "0177.0.0.1", "localhost", "[::1]".strip("[]"), "::ffff:127.0.0.1"],
)
def test_other_spellings_of_this_machine_are_refused(name: str) -> None:
    with pytest.raises(NotDelivered):
        resolve(name, 443, [])


def test_a_name_with_a_public_and_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("1.1.1.1", 443)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 443)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(NotDelivered):
        resolve("two.example", 443, [])


def test_a_name_is_resolved_once_so_that_a_second_answer_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name server that first says a public address, then this machine."""
    from jobs.channels import webhook
    from jobs.channels.channel import Outlets

    asked: list[str] = []
    connected: list[Any] = []

    def lookup(host: str, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        address = "1.1.1.1" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443))]

    def connect(address: Any, *_: Any, **__: Any) -> Any:
        connected.append(address)
        raise ConnectionRefusedError("nobody")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(ConnectionRefusedError):
        webhook._post(parse_webhook("https://rebind.example/x"), b"", {}, Outlets(pages=""))
    assert (asked, connected) == (["rebind.example"], [("1.1.1.1", 443)])


@pytest.mark.parametrize(
    "address",
    [
        *("http://example.org/", "ftp://example.org/", "https://", "https:///x", "//example.org"),
        *("https://user:pass@example.org/", "https://user@example.org/", "https://exa mple.org/"),
        *("https://example.org/\r\nX: y", "https://example.org:99999/", "https://[::1", "https://é.example/"),
        *("javascript:alert(1)", "file:///etc/passwd", "https://example.org/" + "a" * 2000, ""),
    ],
)
def test_no_webhook(address: str) -> None:
    with pytest.raises(CorrectInput):
        parse_webhook(address)


@pytest.mark.parametrize(
    "address",
    [
        *("", "x", "@example.org", "a@b@c", "a b@example.org", "a@example.org\r\nBcc: b@example.org"),
        *("A <a@example.org>", "a@example.org, b@example.org", "a@-example.org", "a@example.org-", "é@x.org"),
        *('"a b"@example.org', "a@example.org\x00", "a" * 65 + "@example.org", "a@" + "b" * 300),
    ],
)
def test_no_address_of_mail(address: str) -> None:
    with pytest.raises(CorrectInput):
        parse_mail(address)


def test_an_address_of_mail() -> None:
    assert parse_mail("marie.dupont+alerts@example.org") == "marie.dupont+alerts@example.org"
