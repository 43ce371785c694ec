"""Files for an external broker: users and access rules in its own syntax."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from insitu.embedded.users import (
    CHECK_DEVICES,
    BrokerUser,
    check_token,
    device_user,
    emqx_users,
    hash_token,
    mosquitto_hash,
    mosquitto_users,
    nats_users,
    probe_token,
    probe_user,
    service_user,
    user_of,
)
from insitu.wire import CHECK

if TYPE_CHECKING:
    from ingest.mqtt import BrokerAddress
    from store.access import Credential

Files = Mapping[str, str]
"""Name → content."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How to give a broker its users."""

    write: Callable[[Sequence[Credential], BrokerAddress], Files]
    account: str
    """Account that its packages run it as."""
    reload: str
    """How a running broker loads new files."""


def own_users(service: BrokerAddress, hash_of: Callable[[str], str]) -> list[BrokerUser]:
    """Users for the service, its probe, and the two devices of `insitu check`; all passwords are derived from
    the service's.
    """
    password = service.password
    checks = [device_user(f"{CHECK}.{d}", hash_of(check_token(password, d)), CHECK, d) for d in CHECK_DEVICES]
    return [
        service_user(service.username, hash_of(password)),
        probe_user(hash_of(probe_token(password))),
        *checks,
    ]


def nats(credentials: Sequence[Credential], service: BrokerAddress) -> Files:
    """`users.conf`, included by nats.conf."""
    users = [user_of(c.username, c.nats_hash, c.trial, c.device, c.addresses) for c in credentials]
    return {"users.conf": nats_users([*own_users(service, hash_token), *users])}


def mosquitto(credentials: Sequence[Credential], service: BrokerAddress) -> Files:
    """`passwords` and `acl`, referenced by mosquitto.conf."""
    users = [user_of(c.username, c.mosquitto_hash, c.trial, c.device, c.addresses) for c in credentials]
    passwords, rules = mosquitto_users([*own_users(service, mosquitto_hash), *users])
    return {"passwords": passwords, "acl": rules}


def emqx(credentials: Sequence[Credential], service: BrokerAddress) -> Files:
    """`users.csv` and `acl.conf`, referenced by emqx.conf."""
    users = [user_of(c.username, c.nats_hash, c.trial, c.device, c.addresses) for c in credentials]
    passwords, rules = emqx_users([*own_users(service, hash_token), *users])
    return {"users.csv": passwords, "acl.conf": rules}


PROFILES: dict[str, Profile] = {
    "nats": Profile(nats, "nats", "SIGHUP"),
    "mosquitto": Profile(mosquitto, "mosquitto", "SIGHUP"),
    "emqx": Profile(emqx, "emqx", "its dashboard or its API"),
}
