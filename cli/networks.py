"""Network servers: `[[network_server]]` and `[[network_address]]` of a registration, and the verb `network`
for their credential.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from pydantic import BaseModel, ConfigDict, Field, field_validator

from cli.actor import open_acting
from cli.devices import public_of, take_effect
from cli.fields import to_utc
from cli.options import JsonOption
from cli.output import say
from cli.reports import aside, show
from cli.target import Target
from ingest import storage
from insitu.embedded.users import hash_token, mosquitto_hash
from insitu.errors import AlreadyExists, CorrectInput
from insitu.model import CODE_PATTERN
from insitu.settings import load
from insitu.wire import CHIRPSTACK, SPARKPLUG, THINGS_STACK, network_topics
from store.access import add_credential, revoke_network_credentials
from store.audit import SERVICE, record
from store.catalogue.devices import find_device
from store.catalogue.entries import amend, compare
from store.catalogue.networks import (
    add_address,
    add_network_server,
    find_address,
    get_network_server,
    list_addresses,
)

if TYPE_CHECKING:
    from ingest.storage import Pulled
    from store.catalogue.networks import Address, NetworkServer
    from store.database import Connection

Code = Annotated[str, Field(pattern=CODE_PATTERN)]
SHAPES = {
    CHIRPSTACK: f"{CHIRPSTACK}/DEVEUI, 16 hexadecimal digits in lower case",
    THINGS_STACK: f"{THINGS_STACK}/APPLICATION@TENANT/DEVICE",
    SPARKPLUG: f"{SPARKPLUG}/GROUP/EDGE or {SPARKPLUG}/GROUP/EDGE/DEVICE",
}


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ServerEntry(_Entry):
    code: Code
    kind: Literal["chirpstack", "things_stack", "sparkplug"]


class AddressEntry(_Entry):
    network_server: Code
    address: str
    trial: Code
    device: Code

    @field_validator("address")
    @classmethod
    def _known_shape(cls, address: str) -> str:
        kind, _, rest = address.partition("/")
        whole = all(rest.split("/")) and not set(rest) & set("+#> \x00") and rest.isprintable()
        if kind == CHIRPSTACK:
            whole = len(rest) == 16 and set(rest) <= set("0123456789abcdef")
        try:
            network_topics(address)
        except ValueError:
            whole = False
        if not whole:
            raise ValueError(f"write {SHAPES.get(kind, ' or '.join(SHAPES.values()))}")
        return address


def enter_server(
    conn: Connection,
    entry: ServerEntry,
    now: datetime,
    tell: Callable[[str], None] = say,
    actor: str = SERVICE,
) -> None:
    """Enter a network server; CorrectInput if it is there with another kind."""
    try:
        with conn.transaction():
            add_network_server(conn, code=entry.code, kind=entry.kind, now=now)
            detail = {"kind": entry.kind}
            record(
                conn, at=now, login=actor, action="enter network server", subject=entry.code, detail=detail
            )
    except AlreadyExists:
        amend(conn, "network server", entry.code, compare(conn, "network server", entry.code, dict(entry)))
        tell(f"there   network server {entry.code}")
    else:
        tell(
            f"entered network server {entry.code}: `insitu network {entry.code} --enrol` gives it its "
            "credential"
        )


def enter_address(
    conn: Connection,
    entry: AddressEntry,
    now: datetime,
    tell: Callable[[str], None] = say,
    actor: str = SERVICE,
) -> None:
    """Give the device that address; refuses an address of another device."""
    number = find_device(conn, entry.trial, entry.device).device_id
    found = find_address(conn, entry.address)
    if found is not None:
        if (found.network_server, found.trial, found.device) != (
            entry.network_server,
            entry.trial,
            entry.device,
        ):
            raise CorrectInput(
                f"{entry.address} is {found.trial}/{found.device} at {found.network_server} already: one "
                "address is one device."
            )
        tell(f"there   address {entry.address}")
        return
    if entry.address.startswith(SPARKPLUG) and entry.address.count("/") == 3:
        edge = entry.address.rpartition("/")[0]
        if find_address(conn, edge) is None:
            raise CorrectInput(
                f"{entry.address} is behind the edge node {edge}, which has no address yet: register the "
                "edge node as a device first."
            )
    add_address(conn, network_server=entry.network_server, address=entry.address, device_id=number)
    facts = entry.model_dump(mode="json", exclude_none=True)
    record(conn, at=now, login=actor, action="enter address", subject=entry.address, detail=facts)
    tell(f"entered address {entry.address}: {entry.trial}/{entry.device}")


@dataclass(frozen=True, slots=True)
class NewCredential:
    """`token` is shown once; `configuration` is for the network server's own configuration file."""

    username: str
    token: str
    configuration: str


@dataclass(frozen=True, slots=True)
class NetworkState:
    """A network server, and changes to its credentials in this call; None for no change."""

    network_server: str
    kind: str
    devices: list[Address]
    enrolled: NewCredential | None = None
    revoked: int | None = None
    """Number of ended credentials."""


def network(
    code: str,
    enrol: Annotated[
        bool, typer.Option(help="Give it a credential, shown once; older ones go on until they are revoked.")
    ] = False,
    revoke: Annotated[
        bool, typer.Option(help="End every credential of it; an open connection is cut.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """A network server (ChirpStack, The Things Stack, Sparkplug): its devices and its credential."""
    if enrol and revoke:
        raise CorrectInput("Give --enrol or --revoke, not both: first revoke, then enrol.")
    target, conn, actor = open_acting("insitu network")
    enrolled = revoked = trouble = None
    with conn:
        server, addresses = get_network_server(conn, code), list_addresses(conn, code)
        if enrol:
            enrolled = _give(conn, target, server, actor)
        elif revoke:
            revoked = _revoke(conn, target, server, actor)
        conn.commit()
        if enrolled or revoked:
            trouble = take_effect(conn, target, tell=aside(as_json))
    state = NetworkState(code, server.kind, addresses, enrolled, revoked)
    show(state, _lines(state), as_json=as_json)
    if trouble is not None:
        raise trouble


def _lines(state: NetworkState) -> Iterator[str]:
    if state.enrolled is not None:
        yield f"{state.enrolled.username} is active. Its token is shown this once:"
        yield f"\n    {state.enrolled.token}\n"
        yield state.enrolled.configuration
    if state.revoked is not None:
        yield _ended(state.revoked, state.network_server)
    number = len(state.devices)
    yield (f"{state.network_server} ({state.kind}) speaks for {number} device{'s' if number != 1 else ''}:")
    yield from (f"  {one.address}  {one.trial}/{one.device}" for one in state.devices)


def _ended(number: int, code: str) -> str:
    if not number:
        return "It had no credential."
    return f"{number} credential{'s' if number != 1 else ''} of {code} ended."


def _give(conn: Connection, target: Target, server: NetworkServer, actor: str) -> NewCredential:
    now = target.clock.now()
    token, username = secrets.token_urlsafe(32), f"network.{server.code}.{secrets.token_hex(3)}"
    add_credential(
        conn,
        device_id=None,
        network_server_id=server.network_server_id,
        username=username,
        token_sha256=hashlib.sha256(token.encode()).digest(),
        nats_hash=hash_token(token),
        mosquitto_hash=mosquitto_hash(token),
        now=now,
    )
    record(conn, at=now, login=actor, action="enrol", subject=server.code, detail={"username": username})
    return NewCredential(username, token, _configuration(target, server.kind, username))


def _revoke(conn: Connection, target: Target, server: NetworkServer, actor: str) -> int:
    """Returns how many credentials ended."""
    now = target.clock.now()
    ended = revoke_network_credentials(conn, network_server_id=server.network_server_id, at=now)
    record(conn, at=now, login=actor, action="revoke", subject=server.code, detail={"credentials": ended})
    return ended


def _configuration(target: Target, kind: str, username: str) -> str:
    """Text for the network server's own configuration."""
    where = public_of(target)
    scheme = "ssl" if where.tls else "tcp"
    if kind == CHIRPSTACK:
        return (
            "In chirpstack.toml, with a codec in each device profile:\n\n[integration]\n  enabled = "
            '["mqtt"]\n  [integration.mqtt]\n'
            f'    server = "{scheme}://{where.host}:{where.port}"\n    json = true\n    qos = 1\n    '
            "clean_session = false\n"
            f'    client_id = "chirpstack"\n    username = "{username}"\n    password = "THE TOKEN"\n'
            '    event_topic = "application/{{application_id}}/device/{{dev_eui}}/event/{{event}}"\n'
        )
    if kind == THINGS_STACK:
        return (
            "The Things Stack is a broker of its own, at QoS 0: bridge it, for example with "
            "mosquitto.conf:\n\n"
            "connection things-stack\n  address eu1.cloud.thethings.network:8883\n  bridge_capath "
            "/etc/ssl/certs\n"
            "  remote_username APPLICATION@TENANT\n  remote_password AN API KEY THAT MAY READ TRAFFIC\n"
            "  topic v3/+/devices/+/up in 0\nconnection insitu\n"
            f"  address {where.host}:{where.port}\n  remote_username {username}\n  remote_password THE "
            "TOKEN\n  topic v3/+/devices/+/up out 1\n\n"
            "`insitu pull` fetches what the bridge missed, from the storage integration.\n"
        )
    return (
        f"In the edge node: server {scheme}://{where.host}:{where.port}, user {username}, password the "
        "token, QoS 1. It publishes its own "
        "spBv1.0 topics and hears its own NCMD; Insitu asks for a rebirth there.\n"
    )


def pull(
    base: Annotated[str, typer.Argument(help="The cluster, such as https://eu1.cloud.thethings.network.")],
    application: Annotated[
        str, typer.Argument(help="APPLICATION@TENANT, as in its addresses; @ttn on the community network.")
    ],
    after: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"], help="From then on, UTC; default: a day ago."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch uplinks that The Things Stack has kept and MQTT has missed; uplinks already stored are
    duplicates.

    The API key is INSITU_THINGS_STACK_KEY, or in the file INSITU_THINGS_STACK_KEY_FILE.
    """
    key = load().things_stack_key
    name, _, tenant = application.partition("@")
    if key is None:
        raise CorrectInput(
            "Set INSITU_THINGS_STACK_KEY_FILE to a file that holds an API key with the right to read "
            "application traffic."
        )
    if not name or not tenant:
        raise CorrectInput(f"{application!r}: write APPLICATION@TENANT, for example platform-air@ttn.")
    target, conn, actor = open_acting("insitu pull")
    now = target.clock.now()
    start = now - timedelta(days=1) if after is None else to_utc(after)
    with conn:
        done = storage.pull(
            conn,
            base=base,
            application=name,
            tenant=tenant,
            key=key.get_secret_value(),
            after=start,
            before=now,
            clock=target.clock,
            login=actor,
        )
    show({"since": start, **asdict(done)}, [_pulled(done, start)], as_json=as_json)


def _pulled(done: Pulled, start: datetime) -> str:
    number = f" This is import {done.import_id}." if done.import_id is not None else ""
    return (
        f"{done.uplinks} uplinks kept since {start:%Y-%m-%d %H:%M} UTC: {done.stored} observations stored, "
        f"{done.duplicate} were there, "
        f"{done.refused} refused (see the page Rejects).{number}"
    )
