"""Where keys come from: an address over HTTPS, the installation on this machine, the reader's own file."""

from __future__ import annotations

import os
from http.client import HTTPException
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, build_opener

from cli.target import find_target
from insitu.errors import CorrectInput, RetryLater, StartInsitu
from insitu.settings import load
from trials.package.keys import SigningKey, list_keys
from trials.package.trust import TrustedKey, keys_in, trusted

_TIMEOUT_S: Final = 15.0
_MOST_BYTES: Final = 1 << 20


class _NoRedirect(HTTPRedirectHandler):
    """The reader named one address; another one is not what he believes."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def fetch_keys(address: str) -> list[TrustedKey]:
    """The keys that a lab publishes. Only over HTTPS, or from this machine."""
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname or "")):
        raise CorrectInput(
            f"{address!r}: keys come over https only, else anybody on the way could change them."
        )
    try:
        with build_opener(_NoRedirect).open(address, timeout=_TIMEOUT_S) as answer:
            content = answer.read(_MOST_BYTES + 1)
    except (OSError, ValueError, HTTPException) as error:
        raise RetryLater(f"{address} gives no keys ({error}).") from error
    return keys_in(address, content, name=parts.hostname or address)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def own_data_dir() -> Path:
    """Data directory of the installation that runs here, else of the settings."""
    try:
        target = find_target()
    except StartInsitu:
        return load().data_dir
    return target.data_dir


def own_signing_keys() -> list[SigningKey]:
    """The keys of the installation here, oldest first. CorrectInput if it has none."""
    folder = own_data_dir()
    if not (folder / "signing.key").exists():
        raise CorrectInput(f"{folder} holds no signing key: this installation has signed nothing yet.")
    return list_keys(folder)


def own_keys() -> list[TrustedKey]:
    return [trusted(one, "this installation") for one in own_signing_keys()]


def trust_file() -> Path:
    """The reader's file of keys: $XDG_CONFIG_HOME/insitu/trusted-keys."""
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "insitu" / "trusted-keys"
