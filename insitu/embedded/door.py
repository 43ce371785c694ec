"""The door of the embedded broker: answers for each client that signs in whether it may (auth callout).

A client enters with a known user, the right password, and a client id that nobody else has. The server waits
for the answer; so if the door is gone, nobody enters, and the broker is started again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import queue
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import bcrypt

from insitu.embedded.client_ids import ClientIds
from insitu.embedded.configuration import MAX_PAYLOAD
from insitu.embedded.native import Heard, Link
from insitu.embedded.sessions import Sessions
from insitu.embedded.tokens import Issuer, claims_of, encoded
from insitu.embedded.users import BrokerUser, rights_in_subjects
from insitu.errors import InsituError, RetryLater

_log = logging.getLogger("insitu.door")
DOOR: Final = "insitu-door"
"""Our own user that answers."""
LOCAL: Final = "insitu-local"
"""Our own user that reads the server's store."""
ASKED: Final = "$SYS.REQ.USER.AUTH"
ANSWER_LIMIT_S: Final = 10
"""How long the server waits for an answer."""
GONE_S: Final = 1200.0
"""After this time without a credential an owner's client ids go to the next who asks. A suspension lasts at
most 15 minutes.
"""
FORGOTTEN_S: Final = 86_400.0
"""After this time without a credential its sessions are discarded, even if nobody asks for the ids."""
OPEN_TIMEOUT_S: Final = 20.0
_PASSWORD_BYTES: Final = 72
"""bcrypt reads no more."""


@dataclass(frozen=True, slots=True)
class Keys:
    """How the door reaches the server: its local port, and the passwords of our own users there."""

    port: int
    door: str
    local: str


class Door:
    """One for each start of the server. `open` once; then `admit` changes who may enter."""

    def __init__(
        self, issuer: Issuer, ids: ClientIds, keys: Keys, discard: Callable[[str], None], own: Sequence[str]
    ) -> None:
        """`discard` ends the session of a client id; `own`: users that the server lets in without asking."""
        self._issuer, self._ids, self._keys, self._own = issuer, ids, keys, frozenset(own)
        self._discard = discard
        self._users: Mapping[str, BrokerUser] = {}
        self._owners = frozenset[str]()
        self._gone_since: dict[str, float] = {}
        self._known: dict[str, tuple[str, bytes]] = {}
        self._rights: dict[str, str] = {}
        self._began = time.monotonic()
        self._wishes: queue.SimpleQueue[tuple[dict[str, BrokerUser], threading.Event]] = queue.SimpleQueue()
        self._wake, self._woken = socket.socketpair()
        self._links: list[Link] = []
        self._stop = threading.Event()
        self._opened = threading.Event()
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="door", daemon=True)
        self._sweeper = threading.Thread(target=self._sweep, name="door sweeper", daemon=True)
        self._left = threading.Event()

    def open(self, users: Sequence[BrokerUser]) -> None:
        """Begin to answer; returns at once. `is_open` tells when it does."""
        self._users = by_name(users)
        self._owners = owners_of(self._users)
        self._thread.start()

    @property
    def is_open(self) -> bool:
        return self._opened.is_set() and self._thread.is_alive()

    def admit(self, users: Sequence[BrokerUser]) -> threading.Event:
        """From now on let in these users; who has lost rights or got others is cut off. The event is set when
        that is done.
        """
        done = threading.Event()
        self._wishes.put((by_name(users), done))
        self._rouse()
        return done

    def close(self) -> None:
        """Ask it to end; waits a moment at most."""
        self._stop.set()
        self._left.set()
        self._rouse()
        for link in self._links:  # a halted server answers nothing
            link.interrupt()
        self._wake.close()
        for thread in (self._thread, self._sweeper):
            if thread.is_alive():
                thread.join(1.0)

    def _rouse(self) -> None:
        try:
            self._wake.send(b"!")
        except OSError:
            return  # the thread has ended

    # -- the thread

    def _run(self) -> None:
        links: list[Link] = []
        try:
            links = self._links = self._connected()
            self._serve(*links)
        except Exception as error:  # noqa: BLE001 - the broker's owner asks for it, and starts it again
            if not self._stop.is_set():
                self.error = error
                _log.warning("the door of the broker closes: %r", error)
        finally:
            for link in links:
                link.close()
            self._woken.close()

    def _connected(self) -> list[Link]:
        """Links to answer by, to ask the server by, and to read sessions by. The server may still be
        starting.
        """
        limit = time.monotonic() + OPEN_TIMEOUT_S
        keys, links = self._keys, list[Link]()
        while True:
            try:
                links.append(Link(keys.port, DOOR, keys.door))
                links[0].subscribe(ASKED, 2)
                links[0].flush()
                links.append(Link(keys.port, DOOR, keys.door))
                links.append(Link(keys.port, LOCAL, keys.local))
                return links
            except RetryLater:
                while links:
                    links.pop().close()
                if time.monotonic() > limit or self._stop.is_set():
                    raise
                time.sleep(0.005)

    def _serve(self, link: Link, system: Link, local: Link) -> None:
        server = Sessions(system, local)
        self._turn_away_early_ones(link, server)
        self._opened.set()
        self._sweeper.start()
        while not self._stop.is_set():
            for heard in link.waiting(3600.0, also=self._woken):
                self._answer(link, server, heard)
            self._change(server)

    def _turn_away_early_ones(self, link: Link, server: Sessions) -> None:
        """Cut clients whose question the server asked before we listened: they would wait, and then be told
        "not authorised", which many firmwares take as final.
        """
        connected = [c for c in server.connections() if c.user not in self._own]
        waiting = link.waiting(0.02)
        asked = {_question(heard).get("client_info", {}).get("id") for heard in waiting}
        for client in connected:
            if client.number not in asked:
                server.cut(client.number)
        for heard in waiting:
            self._answer(link, server, heard)

    def _change(self, server: Sessions) -> None:
        """Take over the users that `admit` was given."""
        while not self._wishes.empty():
            users, done = self._wishes.get()
            before, self._users = self._users, users
            changed = {name for name in {*before, *users} if before.get(name) != users.get(name)}
            self._note_who_is_gone()
            for name in changed:
                self._rights.pop(name, None)
            if changed & before.keys():
                for client in server.connections():
                    if client.user in changed and client.user not in self._own:
                        server.cut(client.number)
            done.set()

    def _note_who_is_gone(self) -> None:
        before, self._owners = self._owners, owners_of(self._users)
        now = time.monotonic()
        self._gone_since = {
            owner: since
            for owner, since in self._gone_since.items()
            if owner not in self._owners and now - since <= FORGOTTEN_S
        } | dict.fromkeys(before - self._owners, now)
        self._known = {name: known for name, known in self._known.items() if name in self._users}

    def _is_gone(self, owner: str, after_s: float) -> bool:
        since = self._gone_since.get(owner, self._began)
        return owner not in self._owners and time.monotonic() - since > after_s

    # -- one client

    def _answer(self, link: Link, server: Sessions, heard: Heard) -> None:
        """A client on which the door fails, by a defect, is refused; others are not affected."""
        try:
            self._answer_well(link, server, heard)
        except RetryLater:
            raise
        except Exception as error:  # noqa: BLE001 - see above
            _log.error("the door fails on a client: a defect, please report it", exc_info=error)
            link.publish(heard.reply, b"")

    def _answer_well(self, link: Link, server: Sessions, heard: Heard) -> None:
        claims = claims_of(heard.body)
        if heard.subject != ASKED or claims["exp"] < time.time():
            return  # the server waits no longer
        question = claims["nats"]
        user, why = self._judge(question, server)
        answer: dict[str, Any] = {"type": "authorization_response", "version": 2}
        key = question["user_nkey"]
        if user is not None and not why:
            answer["jwt"] = self._issuer.token(
                about=key, audience="$G", name=user.username, nats=self._rights_of(user)
            )
        else:
            answer["error"] = why.replace("%", "%%")  # the server formats it
        server_id = question["server_id"]["id"]
        token = self._issuer.token(about=key, audience=server_id, nats=encoded(answer)).encode()
        if len(token) > MAX_PAYLOAD:
            _log.error(
                "%s has more topics than the broker can take: split its addresses", user and user.username
            )
            token = b""
        link.publish(heard.reply, token)

    def _rights_of(self, user: BrokerUser) -> str:
        """Kept, because a network server may have thousands of topics."""
        if user.username not in self._rights:
            self._rights[user.username] = encoded(rights_in_subjects(user))
        return self._rights[user.username]

    def _judge(self, question: Mapping[str, Any], server: Sessions) -> tuple[BrokerUser | None, str]:
        """(the user, "") if it may enter; else (None, why not), for the server's log."""
        given, client = question["connect_opts"], question["client_info"]
        name, client_id = str(given.get("user", "")), client.get("mqtt_id")
        user = self._users.get(name)
        if user is None or not self._knows(user, str(given.get("pass", ""))):
            return None, "wrong user or password"
        if client_id is None:
            return None, "only MQTT is for devices"
        why = self._ids.claim(
            client_id,
            owner_of(user),
            time.time(),
            most=user.most_ids,
            is_gone=lambda other: self._is_gone(other, GONE_S),
            may_take=lambda: server.may_take(client_id, user),
        )
        self._left.set()
        return (user, "") if why is None else (None, refusal(client_id, name, why))

    def _knows(self, user: BrokerUser, password: str) -> bool:
        given = password.encode("utf-8", "surrogatepass")
        digest = hashlib.sha256(given).digest()
        known = self._known.get(user.username)
        if known is not None and known == (user.password_hash, digest):
            return True
        if len(given) > _PASSWORD_BYTES or not bcrypt.checkpw(given, user.password_hash.encode()):
            return False
        self._known[user.username] = (user.password_hash, digest)
        return True

    # -- sessions of ids that are let go

    def _sweep(self) -> None:
        """Discard the sessions of ids that leave; once an hour let go of those that nobody uses."""
        expired_at = time.monotonic()  # after a long time off, devices first come back
        while not self._stop.is_set():
            try:
                if time.monotonic() - expired_at > 3600.0:
                    expired_at = time.monotonic()
                    self._expire()
                for client_id in self._ids.leaving():
                    self._let_go(client_id)
            except (InsituError, OSError) as error:
                if not self._stop.is_set():
                    _log.warning("sessions of unused client ids wait: %s", error)
                self._stop.wait(5.0)
            self._left.wait(600.0)
            self._left.clear()

    def _expire(self) -> None:
        system = Link(self._keys.port, DOOR, self._keys.door)
        try:
            connected = [c.client_id for c in Sessions(system, system).connections()]
        finally:
            system.close()
        self._ids.expire(connected, time.time(), is_gone=lambda owner: self._is_gone(owner, FORGOTTEN_S))

    def _let_go(self, client_id: str) -> None:
        system = Link(self._keys.port, DOOR, self._keys.door)
        try:
            for client in Sessions(system, system).connections(client_id):
                Sessions(system, system).cut(client.number)
        finally:
            system.close()
        if self._ids.is_leaving(client_id):
            self._discard(client_id)
            self._ids.left(client_id)


def refusal(client_id: str, username: str, why: str) -> str:
    """The words with which the server's log tells a refused client id; `broker_lines` reads them."""
    return f"client id {json.dumps(client_id)} refused to {json.dumps(username)}: {why}"


def owner_of(user: BrokerUser) -> str:
    """Whose client ids a user may use: those of its device, or its own."""
    return user.owner or user.username


def owners_of(users: Mapping[str, BrokerUser]) -> frozenset[str]:
    """The owners among these users."""
    return frozenset(owner_of(user) for user in users.values())


def by_name(users: Sequence[BrokerUser]) -> dict[str, BrokerUser]:
    """Raises InsituError if two users have the same name."""
    found = {user.username: user for user in users}
    if len(found) != len(users):
        raise InsituError("The broker refuses the new credentials: two of them have the same user name.")
    return found


def _question(heard: Heard) -> dict[str, Any]:
    return dict(claims_of(heard.body)["nats"]) if heard.subject == ASKED else {}
