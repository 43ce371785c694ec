"""The words that every channel shares."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from insitu.errors import InsituError
from insitu.settings import Network

if TYPE_CHECKING:
    from ingest.mqtt import BrokerAddress
    from trials.alerting.words import Text


class NotDelivered(InsituError):
    """The receiver did not take the notice: it is tried again later."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """`tls`: from the first byte; otherwise STARTTLS, which only `plain` leaves out. `sender`: the address
    in From.
    """

    host: str
    port: int
    sender: str
    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Outlets:
    """The servers of an installation and its own address. `networks`: where webhooks may go beside public
    addresses; `ca`: further root certificates (PEM) of receivers.
    """

    pages: str
    time_zone: str = "Europe/Paris"
    mail: MailServer | None = None
    broker: BrokerAddress | None = None
    networks: tuple[Network, ...] = ()
    ca: Path | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """One notice, ready to send. `key` is the same at each attempt."""

    key: UUID
    address: str
    secret: bytes
    event: str
    content: dict[str, Any]
    text: Text
    login: str
    made_at: datetime

    def document(self, pages: str) -> dict[str, Any]:
        """For programs."""
        known = {name: value for name, value in self.content.items() if name not in ("path", "event", "code")}
        return {
            "key": str(self.key),
            "event": self.event,
            "made_at": self.made_at.isoformat(),
            "recipient": self.login,
            "subject": self.text.subject,
            "text": "\n".join(self.text.lines),
            "url": pages + self.text.path,
            "alert": known,
        }
