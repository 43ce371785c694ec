"""The names under which this installation may be called, and the pages that may post to it.

A page of another site can make its own name lead here (DNS rebinding), and then read as if it were this site.
"""

from __future__ import annotations

import socket
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from starlette.requests import Request

from insitu.settings import Settings, parse_listen, parse_names

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def own_names(settings: Settings) -> frozenset[str]:
    """Names from the settings, of this machine, and of the certificate of the pages."""
    listen, _ = parse_listen(settings.http_listen)
    names = [listen, settings.public_host or "", *parse_names(settings.allowed_hosts), socket.gethostname()]
    if settings.tls_cert is not None:
        names += _certified(settings.tls_cert)
    return frozenset(_plain(name) for name in names if name and name not in ("0.0.0.0", "::"))  # noqa: S104


def _certified(path: Path) -> list[str]:
    """Names and addresses of a certificate; none if it cannot be read here."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return []
    return [
        *names.get_values_for_type(x509.DNSName),
        *map(str, names.get_values_for_type(x509.IPAddress)),
    ]


def is_own_host(request: Request, names: frozenset[str]) -> bool:
    """True for a loopback name, a name of ours, and the address at which the request arrived. True without a
    Host, which every browser sends.
    """
    host = request.headers.get("host")
    if host is None:
        return True
    name = _plain(_host_of(host))
    server = request.scope.get("server")
    return _is_loopback(name) or name in names or bool(server and name == _plain(server[0]))


def is_own_page(request: Request) -> bool:
    """False if a browser says that a page of another site posts. A program that is no browser says nothing,
    and has no cookie that it was not given.
    """
    origin = request.headers.get("origin")
    if origin is None:
        return request.headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
    try:
        parts = urlsplit(origin)
        own = urlsplit(f"{parts.scheme}://{request.headers.get('host', '')}")
        usual = _DEFAULT_PORTS.get(parts.scheme)
        return parts.hostname is not None and (parts.hostname, parts.port or usual) == (
            own.hostname,
            own.port or usual,
        )
    except ValueError:
        return False


def _host_of(header: str) -> str:
    """The name without its port."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0]


def _plain(name: str) -> str:
    return name.strip("[]").rstrip(".").lower()


def _is_loopback(name: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
