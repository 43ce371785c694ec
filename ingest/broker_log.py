"""Follows the broker's log in a thread and counts what the broker denied, by credential and hour.

The position in the log and the counts change in one transaction, so that a line counts once, whatever ends
in between and however many ingestors read the same file. A flood of lines is read in pieces, at most
PIECES_A_PASS at once.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ingest.masks.payload import keep_topic
from insitu.embedded.broker_lines import Connected, Denied, Line, Refused, Replaced, epoch_of, read_line
from insitu.embedded.client_ids import is_service_id
from insitu.embedded.log_position import Piece, Position, read_piece
from insitu.errors import InsituError
from insitu.wire import PREFIX
from store.broker_events import (
    BrokerEvents,
    EventKind,
    count_events,
    drop_old_events,
    hold_log,
    move_log,
)
from store.database import Connection, connect

_log = logging.getLogger("insitu.ingest")
EVERY_S: Final = 0.5
PIECES_A_PASS: Final = 4
READ_EVERY_S: Final = 10.0
"""At least this often the reader says that it is alive, even if the log does not grow."""
DROP_EVERY_S: Final = 3600.0
MOST_NAMES: Final = 20_000
MOST_QUESTIONS: Final = 200
"""Connections about which one piece asks the server."""
_ASK_TIMEOUT_S: Final = 2.0
OURS: Final = "check."
"""Devices with which `insitu check` tries what is forbidden."""
OUR_TOPICS: Final = f"{PREFIX}/check/"
"""Topics on which they try it: they may be gone before the server is asked who they were."""


class Names:
    """Who signed in: learned from the log (Mosquitto) or asked from the server (NATS)."""

    def __init__(self, monitor_file: Path | None) -> None:
        self._monitor_file = monitor_file
        self._users: dict[str, str] = {}
        self._asked = 0

    def learn(self, client: str, username: str) -> None:
        if len(self._users) >= MOST_NAMES:
            self._users.pop(next(iter(self._users)))
        self._users.pop(client, None)
        self._users[client] = username

    def begin_piece(self) -> None:
        self._asked = 0

    def of(self, client: str) -> str:
        """The user; empty if nobody knows."""
        if client not in self._users and self._monitor_file is not None and self._asked < MOST_QUESTIONS:
            self._asked += 1
            found = self._ask(client)
            if found is not None:
                self.learn(client, found)
        if client not in self._users and self._monitor_file is None:
            return client  # Mosquitto with use_username_as_clientid, where the line of its sign-in is gone
        return self._users.get(client, "")

    def _ask(self, client: str) -> str | None:
        assert self._monitor_file is not None
        pid, _, number = client.partition("/")
        try:
            address, _, server = self._monitor_file.read_text("utf-8").strip().partition(" ")
            if server not in ("0", pid):
                return ""  # a server that has ended: nobody knows its connections any more
            query = f"{address}/connz?auth=1&state=any&cid={int(number)}"
            with urllib.request.urlopen(query, timeout=_ASK_TIMEOUT_S) as answer:  # noqa: S310 - our own file
                connections = json.load(answer)["connections"]
            return str(connections[0].get("authorized_user", "")) if connections else ""
        except (OSError, ValueError, KeyError, IndexError) as error:
            _log.warning("the broker does not say whose connection %s is: %s", number, error)
            return None


@dataclass(frozen=True, slots=True)
class Tally:
    """Events of a piece, by (credential, kind)."""

    events: dict[tuple[str, EventKind], BrokerEvents]

    def add(self, username: str, kind: EventKind, at: datetime, last: str, *, by_other: bool = False) -> None:
        if username.startswith(OURS) or (not username and last.startswith(OUR_TOPICS)):
            return
        last = keep_topic(last)
        before = self.events.get((username, kind), BrokerEvents(username, kind, at, 0, last))
        self.events[username, kind] = replace(
            before,
            at=max(at, before.at),
            events=before.events + 1,
            last=last,
            by_other=before.by_other or by_other,
        )


class Reader:
    """Turns lines into events. Belongs to one thread."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._taken: dict[str, str] = {}  # client id → whose connection ended, until the next sign-in

    def read(self, lines: Iterable[str], now: datetime) -> list[BrokerEvents]:
        self._names.begin_piece()
        tally = Tally({})
        for text in lines:
            line = read_line(text)
            if line is None:
                continue
            stamp = epoch_of(text)
            at = now if stamp is None else min(now, datetime.fromtimestamp(stamp, UTC))
            self._note(line, at, tally)
        return list(tally.events.values())

    def learn(self, lines: Iterable[str]) -> None:
        """Only who signed in: these lines were counted before."""
        for text in lines:
            line = read_line(text)
            if isinstance(line, Connected):
                self._names.learn(line.client, line.username)

    def _note(self, line: Line, at: datetime, tally: Tally) -> None:
        match line:
            case Denied(client, topic):
                tally.add(self._names.of(client), EventKind.PUBLISH_DENIED, at, topic)
            case Replaced(client, "", _):
                if len(self._taken) < MOST_NAMES:
                    self._taken[client] = self._names.of(client)
            case Replaced(client, by, client_id):
                ended, other = self._names.of(client), self._names.of(by)
                tally.add(ended, EventKind.TAKEN_OVER, at, shown_id(client_id), by_other=ended != other)
            case Refused(username, client_id):
                tally.add(username, EventKind.ID_REFUSED, at, shown_id(client_id), by_other=True)
            case Connected(client, username):
                ended = self._taken.pop(client, "")
                if ended:
                    tally.add(ended, EventKind.TAKEN_OVER, at, shown_id(client), by_other=ended != username)
                self._names.learn(client, username)


def shown_id(client_id: str) -> str:
    """The id, unless it is an ingestor's: with that one could try to take its session."""
    return "an ingestor's id" if is_service_id(client_id) else client_id


class BrokerLog:
    """The log of one broker, followed until `stop`."""

    def __init__(
        self, path: Path, database_url: str, stop: threading.Event, monitor_file: Path | None
    ) -> None:
        self._path, self._database_url, self._stop = path, database_url, stop
        self._names = Names(monitor_file)
        self._reader = Reader(self._names)
        self._learned = False
        self._seen: tuple[int, int] | None = None
        self._told_at = self._dropped_at = 0.0
        self._problem = ""
        self._conn: Connection | None = None

    def start(self) -> None:
        threading.Thread(target=self._run, name="broker log", daemon=True).start()

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            try:
                self.follow()
                self._problem = ""
            # Denied messages wait in the log; no error here may end the thread.
            except Exception as error:  # noqa: BLE001
                text = str(error) if isinstance(error, InsituError | OSError) else repr(error)
                if text != self._problem:
                    _log.warning("the broker's log %s waits: %s", self._path, text)
                self._problem = text
                self._drop_connection()

    def follow(self) -> None:
        """Count the lines that were added since the last call, as far as one pass reads them."""
        facts = self._path.stat()
        now = time.monotonic()
        if self._seen == (facts.st_ino, facts.st_size) and now - self._told_at < READ_EVERY_S:
            return
        more = True
        for _ in range(PIECES_A_PASS):
            more = self._count_piece()
            if not more:
                break
        self._seen = None if more else (facts.st_ino, facts.st_size)
        self._told_at = now

    def _count_piece(self) -> bool:
        """True if there is more to read."""
        conn = self._connection()
        position = hold_log(conn, str(self._path))
        if not self._learned:
            self._learn(position)
        piece = read_piece(self._path, position)
        count_events(conn, self._reader.read(piece.lines, datetime.now(UTC)))
        move_log(conn, str(self._path), piece.position, missed=piece.missed)
        if time.monotonic() - self._dropped_at > DROP_EVERY_S:
            self._dropped_at = time.monotonic()
            drop_old_events(conn)
        conn.commit()
        return piece.more

    def _learn(self, upto: Position) -> None:
        """Read once more who signed in before: connections outlive the reader."""
        facts = self._path.stat()
        at = Position(facts.st_ino, 0)
        while facts.st_ino == upto.inode and at.offset < upto.offset:
            piece: Piece = read_piece(self._path, at)
            if piece.position == at:
                break
            self._reader.learn(piece.lines)
            at = piece.position
        self._learned = True

    def _connection(self) -> Connection:
        if self._conn is None or self._conn.closed:
            self._conn = connect(self._database_url, application="insitu broker log", timeout_s=5)
        return self._conn

    def _drop_connection(self) -> None:
        if self._conn is not None:
            self._conn.close()
            self._conn = None
