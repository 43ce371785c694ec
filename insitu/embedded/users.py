"""Permissions at a broker for devices and the service, in the syntax of NATS, Mosquitto and EMQX.

One rule for each credential: a device publishes below its own name and hears its own receipts and refusals.
The service hears all of that and speaks to the devices. Brokers receive only hashes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import bcrypt

from insitu.embedded.client_ids import MOST_IDS, MOST_NETWORK_IDS
from insitu.wire import (
    ALERTS_FILTER,
    CHECK,
    HEARTBEAT,
    INBOUND_SUFFIXES,
    MARK,
    MOST_LEVELS,
    OUTBOUND_SUFFIXES,
    PREFIX,
    PROBE,
    SPARKPLUG,
    SPARKPLUG_COMMAND,
    level_filter,
    network_filters,
    network_topics,
    probe_topic,
)

_BCRYPT_COST: Final = (
    4  # a random 256-bit token needs no slow hash, and each reload hashes once per connected client
)
_PBKDF2_ROUNDS: Final = 101  # likewise; the value of mosquitto_passwd
CHECK_DEVICES: Final = ("insitu-a", "insitu-b")
"""Two devices outside all trials, with users of their own at an external broker: one tries to do to the other
what the rules forbid.
"""


@dataclass(frozen=True, slots=True)
class BrokerUser:
    """A user of the broker. `publish` and `subscribe` are MQTT topic filters; `password_hash` is in the
    broker's format.
    """

    username: str
    password_hash: str
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    never_publish: tuple[str, ...] = ()
    """Exceptions from `publish`. Mosquitto's access rules cannot express them: there the service refuses such
    a message.
    """
    never_hear: tuple[str, ...] = ()
    """Exceptions from `subscribe`, to spare the link; only NATS applies them."""
    owner: str = ""
    """Whose client ids it may use at the embedded broker; empty: its own. All credentials of a device share
    theirs.
    """
    most_ids: int = MOST_IDS


def hash_token(token: str) -> str:
    """bcrypt hash of a random token, in the form that NATS reads."""
    return bcrypt.hashpw(token.encode(), bcrypt.gensalt(_BCRYPT_COST, prefix=b"2a")).decode()


def mosquitto_hash(token: str) -> str:
    """PBKDF2-SHA512 hash of a random token, in the form that Mosquitto 2 reads."""
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", token.encode(), salt, _PBKDF2_ROUNDS)
    return f"$7${_PBKDF2_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def subject(topic_filter: str) -> str:
    """NATS subject of an MQTT topic filter: '/' → '.', '+' → '*', '#' → '>', '.' → '//'."""
    levels = [{"+": "*", "#": ">"}.get(level, level.replace(".", "//")) for level in topic_filter.split("/")]
    return ".".join(levels)


def device_user(
    username: str,
    password_hash: str,
    trial: str,
    device: str,
    *,
    topics: Sequence[str] = (),
    heard_below: bool = True,
) -> BrokerUser:
    """A device publishes at and below its own name and on its fixed `topics`, and hears its own receipts and
    refusals.

    With `heard_below` False, the session of its trial still has the filters of an earlier version: the device
    may use only the suffixes that it hears, because the broker would acknowledge and lose all others.
    """
    below = f"{PREFIX}/{trial}/{device}"
    own = (f"{below}/#",) if heard_below else tuple(f"{below}/{suffix}" for suffix in INBOUND_SUFFIXES)
    outbound = tuple(f"{below}/{suffix}" for suffix in OUTBOUND_SUFFIXES)
    return BrokerUser(
        username=username,
        password_hash=password_hash,
        publish=(*own, *topics),
        subscribe=outbound,
        never_publish=outbound,
        owner=f"{trial}/{device}",
    )


def network_user(username: str, password_hash: str, addresses: Sequence[str]) -> BrokerUser:
    """A network server publishes for each of its addresses; a Sparkplug edge node also hears its own
    commands.
    """
    commands = [
        f"spBv1.0/{parts[1]}/NCMD/{parts[2]}"
        for address in addresses
        if (parts := address.split("/"))[0] == SPARKPLUG
    ]
    return BrokerUser(
        username=username,
        password_hash=password_hash,
        publish=tuple(topic for address in addresses for topic in network_topics(address)),
        subscribe=tuple(dict.fromkeys(commands)),
        most_ids=MOST_NETWORK_IDS,
    )


def user_of(
    username: str,
    password_hash: str,
    trial: str,
    device: str,
    addresses: Sequence[str] | None,
    *,
    topics: Sequence[str] = (),
    heard_below: bool = True,
    hears: str | None = None,
) -> BrokerUser:
    """The rights of a credential: a device's own topics, those of a network server's `addresses`, or to
    listen to the one topic that it `hears`.
    """
    if hears is not None:
        return BrokerUser(username=username, password_hash=password_hash, publish=(), subscribe=(hears,))
    if addresses is not None:
        return network_user(username, password_hash, addresses)
    return device_user(username, password_hash, trial, device, topics=topics, heard_below=heard_below)


def service_user(username: str, password_hash: str, *, topics: Sequence[str] | None = None) -> BrokerUser:
    """The ingestor hears everything below the names of devices, network servers, and fixed topics; it speaks
    on each outbound suffix and publishes its own marks.

    `topics`: the fixed topics, for a broker that applies rights at delivery; None: any, for one that compares
    a right with the filter of a subscription.
    """
    below = f"{PREFIX}/+/+"
    outbound = tuple(f"{below}/{suffix}" for suffix in OUTBOUND_SUFFIXES)
    marks = (f"{PREFIX}/{HEARTBEAT}/+", f"{PREFIX}/{HEARTBEAT}/+/+", f"{below}/{CHECK}")
    own = (MARK, f"{MARK}/#", f"+/{MARK}/#")
    fixed = [level_filter(levels) for levels in range(1, MOST_LEVELS + 1)] if topics is None else topics
    return BrokerUser(
        username=username,
        password_hash=password_hash,
        publish=(*outbound, *marks, *own, ALERTS_FILTER, SPARKPLUG_COMMAND),
        subscribe=(*network_filters(), f"{below}/#", f"{PREFIX}/{HEARTBEAT}/+", *fixed),
        never_hear=outbound,
    )


def probe_token(service_password: str) -> str:
    """Password of the probe, derived from the service's, so that it needs no second secret."""
    return hmac.new(service_password.encode(), PROBE.encode(), hashlib.sha256).hexdigest()


def check_token(service_password: str, device: str) -> str:
    """Password of a device with which `insitu check` tests the rules of an external broker; derived like the
    probe's.
    """
    return hmac.new(service_password.encode(), f"{CHECK}.{device}".encode(), hashlib.sha256).hexdigest()


def probe_user(password_hash: str) -> BrokerUser:
    """The probe publishes under its own device name below any trial and hears nothing."""
    return BrokerUser(username=PROBE, password_hash=password_hash, publish=(probe_topic("+"),), subscribe=())


def nats_user(
    name: str,
    password_hash: str,
    publish: Sequence[str],
    subscribe: Sequence[str],
    kinds: Sequence[str],
    *,
    never_publish: Sequence[str] = (),
    never_hear: Sequence[str] = (),
) -> str:
    """One entry of the list of users; all but the name and the hash are subjects."""
    permissions = {
        "publish": _nats_rights(publish, never_publish),
        "subscribe": _nats_rights(subscribe, never_hear),
    }
    entry = {
        "user": name,
        "password": password_hash,
        "permissions": permissions,
        "allowed_connection_types": list(kinds),
    }
    return "    " + json.dumps(entry, ensure_ascii=False)  # NATS knows no \u escapes


def _nats_rights(allow: Sequence[str], deny: Sequence[str]) -> dict[str, list[str]]:
    if not allow:
        return {"deny": [">"]}  # an empty allow list would allow everything
    return {"allow": list(allow), "deny": list(deny)} if deny else {"allow": list(allow)}


def subjects(topics: Sequence[str]) -> list[str]:
    """Subjects of `topics`; `a/#` covers both `a` and everything below it. Without those that have a blank: a
    list with one would be refused as a whole.
    """
    both = [
        name
        for topic in topics
        for name in ((topic, topic.removesuffix("/#")) if topic.endswith("/#") else (topic,))
    ]
    return [subject(topic) for topic in both if not any(letter.isspace() for letter in topic)]


def nats_users(users: Sequence[BrokerUser]) -> str:
    """The file that nats.conf includes."""
    return "authorization {\n  users = [\n" + "\n".join(map(nats_entry, users)) + "\n  ]\n}\n"


def nats_entry(user: BrokerUser) -> str:
    """One entry of the list of users."""
    return nats_user(
        user.username,
        user.password_hash,
        subjects(user.publish),
        subjects(user.subscribe),
        ["MQTT"],
        never_publish=subjects(user.never_publish),
        never_hear=subjects(user.never_hear),
    )


def rights_in_subjects(user: BrokerUser) -> dict[str, Any]:
    """The rights of a user as the NATS server wants them in a token."""
    return {
        "type": "user",
        "version": 2,
        "pub": _nats_rights(subjects(user.publish), subjects(user.never_publish)),
        "sub": _nats_rights(subjects(user.subscribe), subjects(user.never_hear)),
        "subs": -1,
        "data": -1,
        "payload": -1,
        "allowed_connection_types": ["MQTT"],
    }


def mosquitto_users(users: Sequence[BrokerUser]) -> tuple[str, str]:
    """(password file, access rules) of Mosquitto."""
    passwords = "".join(f"{u.username}:{u.password_hash}\n" for u in users)
    rules = []
    for u in users:
        both = [topic for topic in u.publish if topic in u.subscribe]
        lines = [f"topic readwrite {topic}" for topic in both]
        lines += [f"topic write {topic}" for topic in u.publish if topic not in both]
        lines += [f"topic read {topic}" for topic in u.subscribe if topic not in both]
        rules.append(f"user {u.username}\n" + "\n".join(lines) + "\n")
    return passwords, "\n".join(rules)


def emqx_users(users: Sequence[BrokerUser]) -> tuple[str, str]:
    """(users of the built-in database, access rules as Erlang terms) of EMQX, which can read the bcrypt
    hashes for NATS.
    """
    passwords = "user_id,password_hash,salt,is_superuser\n" + "".join(
        f"{u.username},{u.password_hash},,false\n" for u in users
    )
    rules = []
    for u in users:
        for verdict, action, topics in (
            ("deny", "publish", u.never_publish),
            ("allow", "publish", u.publish),
            ("allow", "subscribe", u.subscribe),
        ):
            if topics:
                listed = ", ".join(json.dumps(topic, ensure_ascii=False) for topic in topics)
                who = json.dumps(u.username)
                rules.append(f"{{{verdict}, {{username, {who}}}, {action}, [{listed}]}}.\n")
    return passwords, "".join(rules) + "{deny, all}.\n"
