"""Files for a broker of one's own: users and access rules, in its words."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from insitu.embedded.users import emqx_users, hash_token, mosquitto_hash, mosquitto_users, nats_users, service_user, user_of

if TYPE_CHECKING:
    from ingest.mqtt import BrokerAddress
    from store.access import Credential

Writer = Callable[[Sequence["Credential"], "BrokerAddress", Path], list[Path]]


def nats(credentials: Sequence[Credential], service: BrokerAddress, to: Path) -> list[Path]:
    """`users.conf`, which nats.conf includes; NATS takes it over at SIGHUP."""
    users = [service_user(service.username, hash_token(service.password))]
    users += [user_of(c.username, c.nats_hash, c.trial, c.device, c.addresses) for c in credentials]
    return [_write(to / "users.conf", nats_users(users))]


def mosquitto(credentials: Sequence[Credential], service: BrokerAddress, to: Path) -> list[Path]:
    """`passwords` and `acl`, which mosquitto.conf names; Mosquitto takes them over at SIGHUP."""
    users = [service_user(service.username, mosquitto_hash(service.password))]
    users += [user_of(c.username, c.mosquitto_hash, c.trial, c.device, c.addresses) for c in credentials]
    passwords, rules = mosquitto_users(users)
    return [_write(to / "passwords", passwords), _write(to / "acl", rules)]


def emqx(credentials: Sequence[Credential], service: BrokerAddress, to: Path) -> list[Path]:
    """`users.csv` and `acl.conf`, which emqx.conf names; a running EMQX takes them over by its API or its dashboard."""
    users = [service_user(service.username, hash_token(service.password))]
    users += [user_of(c.username, c.nats_hash, c.trial, c.device, c.addresses) for c in credentials]
    passwords, rules = emqx_users(users)
    return [_write(to / "users.csv", passwords), _write(to / "acl.conf", rules)]


WRITERS: dict[str, Writer] = {"nats": nats, "mosquitto": mosquitto, "emqx": emqx}


def _write(path: Path, text: str) -> Path:
    """Whole or not at all, for this account only."""
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)
    return path
