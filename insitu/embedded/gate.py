"""Who may enter the embedded broker: our own users, which its file of users names, and everybody else, about
whom it asks the door.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from insitu.embedded.client_ids import ClientIds
from insitu.embedded.door import ANSWER_LIMIT_S, DOOR, LOCAL, Door, Keys
from insitu.embedded.native import INBOX
from insitu.embedded.sessions import discard
from insitu.embedded.tokens import Issuer
from insitu.embedded.users import (
    BrokerUser,
    hash_token,
    nats_entry,
    nats_user,
    probe_token,
    probe_user,
    service_user,
)
from insitu.whole import secret_file, whole_secret

SERVICE: Final = "insitu-service"
SWEEPER: Final = "insitu-sweeper"
"""Our own user that discards sessions of client ids that nobody uses any more."""
_log = logging.getLogger("insitu.embedded")
_VERBS: Final = ("INFO.$MQTT_msgs", "UPDATE.$MQTT_msgs", "MSG.GET.$MQTT_sess")


class Gate:
    """Of one data directory. For each start of the server: `new_file`, start it, `open`, and at its end
    `close`.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._hashes: dict[str, str] = {}
        self._issuer = Issuer()
        self._ids: ClientIds | None = None
        self._door: Door | None = None

    def secret(self, name: str) -> str:
        """The password of one of our own users."""
        path = self._data_dir / f"broker-{name}.secret"
        if whole_secret(path) is None and path.exists():
            _log.warning("broker: %s was not whole; a new secret was drawn.", path.name)
        return secret_file(path)

    def new_file(self) -> str:
        """The file that nats.conf includes, with a new key for the answers of the next door."""
        self._issuer = Issuer()
        entries = self._own_users()
        asked_not = json.dumps([DOOR, LOCAL, SERVICE, SWEEPER])
        door = {
            "user": DOOR,
            "password": self._hash(self.secret("door")),
            "allowed_connection_types": ["STANDARD"],
        }
        callout = f'issuer: {self._issuer.public}, account: "$SYS", auth_users: {asked_not}'
        return (
            f"accounts {{ $SYS {{ users = [ {json.dumps(door)} ] }} }}\n"
            f"authorization {{\n  timeout: {ANSWER_LIMIT_S}\n  users = [\n"
            + "\n".join(entries)
            + f"\n  ]\n  auth_callout {{ {callout} }}\n}}\n"
        )

    def open(
        self, native_port: int, address: tuple[str, int], users: Sequence[BrokerUser], *, secure: bool
    ) -> None:
        """Begin to answer for a server that is just starting; returns at once. `address`: of MQTT."""
        if self._ids is None:
            self._ids = ClientIds(self._data_dir / "broker-client-ids")
        self._door = Door(
            self._issuer,
            self._ids,
            Keys(native_port, self.secret("door"), self.secret("local")),
            lambda client_id: discard(address, client_id, SWEEPER, self.secret("sweeper"), secure=secure),
            own=[SERVICE, SWEEPER],
        )
        self._door.open([*self._own_devices(), *users])

    def admit(self, users: Sequence[BrokerUser]) -> threading.Event:
        """See `Door.admit`."""
        assert self._door is not None
        return self._door.admit([*self._own_devices(), *users])

    def close(self) -> None:
        if self._door is not None:
            self._door.close()
            self._door = None

    @property
    def is_open(self) -> bool:
        return self._door is not None and self._door.is_open

    @property
    def has_failed(self) -> bool:
        return self._door is not None and self._door.error is not None

    def _own_devices(self) -> list[BrokerUser]:
        return [probe_user(self._hash(probe_token(self.secret("service"))))]

    def _own_users(self) -> list[str]:
        """Users that enter without the door: the service, and two that only reach the server's own store."""
        return [
            nats_entry(service_user(SERVICE, self._hash(self.secret("service")))),
            nats_user(
                LOCAL,
                self._hash(self.secret("local")),
                publish=[f"$JS.API.STREAM.{verb}" for verb in _VERBS],
                subscribe=[f"{INBOX}.>"],
                kinds=["STANDARD"],
            ),
            nats_user(SWEEPER, self._hash(self.secret("sweeper")), publish=[], subscribe=[], kinds=["MQTT"]),
        ]

    def _hash(self, token: str) -> str:
        """The same hash for the same token, so that a user changes only with its token."""
        if token not in self._hashes:
            self._hashes[token] = hash_token(token)
        return self._hashes[token]
