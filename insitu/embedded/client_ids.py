"""Which client id belongs to whom at the embedded broker: an id is its owner's from the first sign-in on.

MQTT knows a session by its client id alone, so somebody who signs in with another's id ends that connection
and takes or discards the messages that wait for it. The record is a journal of one line a change.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from insitu.whole import write_whole

_log = logging.getLogger("insitu.door")
MOST_IDS: Final = 32
"""Client ids of one owner, and so its sessions and its connections at the same moment."""
MOST_NETWORK_IDS: Final = 2048
"""The same for a network server, which speaks for many devices."""
MOST_BYTES: Final = 256
"""Length of a client id."""
KEPT_S: Final = 30 * 86_400.0
"""An id that is not connected for this long loses its owner and its session."""
NOTED_EVERY_S: Final = 3600.0
"""A further sign-in with a known id is written down only after this time."""
_SERVICE: Final = re.compile(r"insitu-[0-9a-f]{32}")


def is_service_id(client_id: str) -> bool:
    """True for the session of an ingestor. Nobody who reads logs or pages need see such an id."""
    return _SERVICE.fullmatch(client_id) is not None


@dataclass(slots=True)
class Held:
    """An id that somebody has. `leaving`: its session is about to be discarded, then it is free."""

    owner: str
    used_at: float
    leaving: bool = False
    noted_at: float = 0.0


class ClientIds:
    """The record of one broker, for several threads. Times are in Unix seconds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._held: dict[str, Held] = {}
        self._ids_of: dict[str, set[str]] = {}
        self._lines = 0
        self._is_behind = True  # the last line may be torn: the next change writes the whole
        self._read()

    def claim(
        self,
        client_id: str,
        owner: str,
        now: float,
        *,
        most: int = MOST_IDS,
        is_gone: Callable[[str], bool] = lambda _: False,
        may_take: Callable[[], bool] = lambda: True,
    ) -> str | None:
        """None if `owner` may sign in with that id, which is then its own; else why not.

        Beyond `most` ids of the owner the one that was not used for longest leaves. `is_gone`: an owner whose
        ids are free. `may_take`: asked before a free id is given away.
        """
        if len(client_id.encode("utf-8", "replace")) > MOST_BYTES:
            return f"it is longer than {MOST_BYTES} bytes"
        if is_service_id(client_id):
            return "it belongs to the service"
        with self._lock:
            held = self._held.get(client_id)
            if held is not None and held.owner != owner:
                if not held.leaving and is_gone(held.owner):
                    self._leave(client_id, held)
                return (
                    "its earlier owner is leaving: try again in a second"
                    if self._held[client_id].leaving
                    else "it belongs to another credential"
                )
            if held is not None:
                self._use(client_id, held, now)
                return None
            if not may_take():
                return "its session hears what this credential may not hear"
            if len(self._ids_of.get(owner, ())) >= 2 * most:
                return "this credential uses new client ids too fast: keep one id a connection"
            self._make_room(owner, most)
            self._note(client_id, Held(owner, now))
            return None

    def leaving(self) -> list[str]:
        """Ids whose sessions must be discarded."""
        with self._lock:
            return [name for name, held in self._held.items() if held.leaving]

    def is_leaving(self, client_id: str) -> bool:
        with self._lock:
            held = self._held.get(client_id)
            return held is not None and held.leaving

    def left(self, client_id: str) -> None:
        """Its session is discarded: the id is free, unless its owner has come back to it meanwhile."""
        with self._lock:
            held = self._held.get(client_id)
            if held is not None and held.leaving:
                self._forget(client_id)
                self._write({"id": client_id})

    def expire(
        self, connected: Iterable[str], now: float, *, is_gone: Callable[[str], bool] = lambda _: False
    ) -> None:
        """Let go of ids that were not connected for `KEPT_S`, and of those whose owner is gone; `connected`:
        those that are now.
        """
        with self._lock:
            for name in connected:
                if name in self._held and not self._held[name].leaving:
                    self._use(name, self._held[name], now)
            for name, held in list(self._held.items()):
                if not held.leaving and (now - held.used_at > KEPT_S or is_gone(held.owner)):
                    self._leave(name, held)

    # -- with the lock held

    def _use(self, client_id: str, held: Held, now: float) -> None:
        if held.leaving or now - held.noted_at > NOTED_EVERY_S:
            self._note(client_id, Held(held.owner, now))
        self._held[client_id].used_at = now

    def _make_room(self, owner: str, most: int) -> None:
        mine = [(self._held[name].used_at, name) for name in self._ids_of.get(owner, ())]
        staying = sorted(pair for pair in mine if not self._held[pair[1]].leaving)
        for _, name in staying[: max(0, len(staying) - most + 1)]:
            self._leave(name, self._held[name])

    def _leave(self, client_id: str, held: Held) -> None:
        self._note(client_id, Held(held.owner, held.used_at, leaving=True))

    def _note(self, client_id: str, held: Held) -> None:
        held.noted_at = held.used_at
        self._keep(client_id, held)
        self._write(_line(client_id, held))

    def _keep(self, client_id: str, held: Held) -> None:
        self._held[client_id] = held
        self._ids_of.setdefault(held.owner, set()).add(client_id)

    def _forget(self, client_id: str) -> None:
        owner = self._held.pop(client_id).owner
        self._ids_of[owner].discard(client_id)
        if not self._ids_of[owner]:
            del self._ids_of[owner]

    # -- the journal

    def _read(self) -> None:
        try:
            lines = self._path.read_text("utf-8", "replace").splitlines()
        except FileNotFoundError:
            return
        for text in lines:
            with suppress(ValueError, KeyError, TypeError):  # the torn line of a process that was killed
                self._take(json.loads(text))

    def _take(self, line: dict[str, Any]) -> None:
        name = str(line["id"])
        held = None
        if "owner" in line:
            at = float(line["at"])
            held = Held(str(line["owner"]), at, bool(line["leaving"]), at)
        if name in self._held:
            self._forget(name)
        if held is not None:
            self._keep(name, held)

    def _write(self, line: dict[str, Any]) -> None:
        """Add a line. On a full disk the record stays in memory, and the next change writes it whole: a
        device must not hear "not authorised" because a disk is full.
        """
        self._lines += 1
        try:
            if self._is_behind or self._lines > 1000 + 4 * len(self._held):
                self._compact()
            else:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
        except OSError as error:
            if not self._is_behind:
                _log.warning("the record of client ids %s waits: %s", self._path, error)
            self._is_behind = True

    def _compact(self) -> None:
        lines = [json.dumps(_line(name, held)) + "\n" for name, held in self._held.items()]
        write_whole(self._path, "".join(lines))
        self._lines, self._is_behind = len(lines), False


def _line(client_id: str, held: Held) -> dict[str, Any]:
    return {"id": client_id, "owner": held.owner, "at": int(held.used_at), "leaving": held.leaving}
