"""The address of a client: of its connection, or, behind a trusted proxy, the one that the proxy names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

from starlette.requests import Request
from starlette.types import Scope

from insitu.settings import Network

_MOST_HOPS: Final = 32
_FORWARDED_FOR: Final = re.compile(r'(?:^|;)\s*for\s*=\s*("[^"]*"|[^;\s]*)', re.IGNORECASE)


def behind_proxies(scope: Scope, trusted: Sequence[Network]) -> Scope:
    """`scope` with the client and the scheme that a trusted proxy names; unchanged from any other sender,
    whose headers anybody may have written.
    """
    client = scope.get("client")
    peer = _address(client[0]) if client else None
    if peer is None or not _is_trusted(peer, trusted):
        return scope
    found = _client(peer, scope, trusted)
    schemes = _values(scope, b"x-forwarded-proto")
    scheme = schemes[-1].lower() if schemes else ""
    return {
        **scope,
        "client": client if found == peer else (str(found), 0),
        "scheme": scheme if scheme in ("http", "https") else scope["scheme"],
    }


def _client(
    peer: IPv4Address | IPv6Address, scope: Scope, trusted: Sequence[Network]
) -> IPv4Address | IPv6Address:
    """The last hop before the trusted ones. A proxy writes one of the two headers and may pass on the other
    as a stranger wrote it, so where both name somebody, and not the same, neither counts.
    """
    plain = _last_untrusted(peer, _values(scope, b"x-forwarded-for"), trusted)
    standard = _last_untrusted(peer, list(_forwarded(scope)), trusted)
    if plain is None or standard is None or plain == standard:
        return plain or standard or peer
    return peer


def _last_untrusted(
    peer: IPv4Address | IPv6Address, hops: list[str], trusted: Sequence[Network]
) -> IPv4Address | IPv6Address | None:
    """From the right: each trusted proxy wrote the hop before it. None without hops."""
    if not hops:
        return None
    nearest = peer
    for text in reversed(hops[-_MOST_HOPS:]):
        hop = _address(text)
        if hop is None:
            break
        nearest = hop
        if not _is_trusted(hop, trusted):
            break
    return nearest


def _values(scope: Scope, header: bytes) -> list[str]:
    """The comma-separated parts of all headers of that name, in order."""
    lines = [content.decode("latin-1") for name, content in scope["headers"] if name == header]
    return [part.strip() for line in lines for part in line.split(",") if part.strip()]


def _forwarded(scope: Scope) -> Iterator[str]:
    """The `for` of each hop of RFC 7239; what names no address stays, so that nothing before it counts."""
    for hop in _values(scope, b"forwarded"):
        found = _FORWARDED_FOR.search(hop)
        yield found[1].strip('"') if found else ""


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """'203.0.113.9', '203.0.113.9:4711', '2001:db8::1', '[2001:db8::1]:4711'; None for anything else."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def _is_trusted(address: IPv4Address | IPv6Address, trusted: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in trusted)


def address_of(request: Request) -> str:
    """The address of the client of a request that `behind_proxies` has seen."""
    return request.client.host if request.client else ""


def place_of(address: str) -> str:
    """The unit whose attempts are counted together: an IPv4 address, or the /64 of an IPv6 address, because
    a line usually gets the whole of it.
    """
    found = _address(address)
    if isinstance(found, IPv6Address):
        return str(IPv6Network((found, 64), strict=False))
    return str(found) if found else address
