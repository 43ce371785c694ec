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


def rights_of(credential: Credential, password_hash: str) -> BrokerUser:
    """The user of a credential; `password_hash` is in the form that the broker reads."""
    return user_of(
        credential.username,
        password_hash,
        credential.trial,
        credential.device,
        credential.addresses,
        topics=credential.topics,
        heard_below=credential.heard_below,
        hears=credential.hears,
    )


def own_users(
    service: BrokerAddress, hash_of: Callable[[str], str], *, topics: Sequence[str] | None = None
) -> list[BrokerUser]:
    """Users for the service, its probe, and the two devices of `insitu check`; all passwords are derived from
    the service's. `topics` as for `service_user`.
    """
    password = service.password
    checks = [device_user(f"{CHECK}.{d}", hash_of(check_token(password, d)), CHECK, d) for d in CHECK_DEVICES]
    return [
        service_user(service.username, hash_of(password), topics=topics),
        probe_user(hash_of(probe_token(password))),
        *checks,
    ]


def nats(credentials: Sequence[Credential], service: BrokerAddress) -> Files:
    """`users.conf`, included by nats.conf."""
    users = [rights_of(c, c.nats_hash) for c in credentials]
    return {"users.conf": nats_users([*own_users(service, hash_token), *users])}


def mosquitto(credentials: Sequence[Credential], service: BrokerAddress) -> Files:
    """`passwords` and `acl`, referenced by mosquitto.conf."""
    users = [rights_of(c, c.mosquitto_hash) for c in credentials]
    fixed = [topic for c in credentials for topic in c.topics]
    passwords, rules = mosquitto_users([*own_users(service, mosquitto_hash, topics=fixed), *users])
    return {"passwords": passwords, "acl": rules}


def emqx(credentials: Sequence[Credential], service: BrokerAddress) -> Files:
    """`users.csv` and `acl.conf`, referenced by emqx.conf."""
    users = [rights_of(c, c.nats_hash) for c in credentials]
    passwords, rules = emqx_users([*own_users(service, hash_token), *users])
    return {"users.csv": passwords, "acl.conf": rules}


PROFILES: dict[str, Profile] = {
    "nats": Profile(nats, "nats", "SIGHUP"),
    "mosquitto": Profile(mosquitto, "mosquitto", "SIGHUP"),
    "emqx": Profile(emqx, "emqx", "its dashboard or its API"),
}
