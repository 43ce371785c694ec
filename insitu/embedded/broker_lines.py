"""Lines of a broker's log that concern Insitu: denied messages, connections that another client ended, and
clients with another's id.

A broker acknowledges what its rules deny, so its log is the only place where such a message appears. Reads
the logs of NATS (2.10 to 2.15) and Mosquitto (2.0, `log_type all`). Pure.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_QUOTED: Final = r'"((?:[^"\\]|\\.)*)"'
_NATS: Final = rf"^\[(\d+)\] \S+ \S+ \[(?:ERR|WRN)\] \S+ - mid:(\d+) - {_QUOTED} - "
_NATS_DENIED: Final = re.compile(_NATS + rf"Publish Violation - (?:.*?, )?Subject {_QUOTED}$")
_NATS_REPLACED: Final = re.compile(_NATS + r'Replacing old client "[^ ]+ - mid:(\d+) - .*$')
# Only digits and signs before the text: a client chooses its id, which other lines repeat.
_STAMP: Final = r"^(?:[0-9TZ:+. -]+: )?"
_DOOR_REFUSED: Final = re.compile(
    r"^\[\d+\] \S+ \S+ \[WRN\] Auth callout service returned an error: "
    rf"client id {_QUOTED} refused to {_QUOTED}: "
)
_MOSQUITTO_DENIED: Final = re.compile(
    _STAMP + r"Denied PUBLISH from (.*?) \(d\d, q\d, r\d, m\d+, '(.*)', \.\.\. \(\d+ bytes\)\)$"
)
_MOSQUITTO_REPLACED: Final = re.compile(_STAMP + r"Client (.*) already connected, closing old connection\.$")
_MOSQUITTO_CONNECTED: Final = re.compile(
    _STAMP + r"New client connected from \S+ as (.*) \(p\d, c\d, k\d+(?:, u'(.*)')?\)\.$"
)
_EPOCH: Final = re.compile(r"^(\d{9,11}): ")
_ESCAPE: Final = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(.))")
_LETTERS: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class Denied(NamedTuple):
    """A message that the broker acknowledged and dropped. `client`: how the log names the sender."""

    client: str
    topic: str


class Replaced(NamedTuple):
    """A connection that ended because another client signed in with its client id. `by` is empty if the next
    `Connected` of that client tells it.
    """

    client: str
    by: str
    client_id: str


class Connected(NamedTuple):
    """A client signed in as `username`."""

    client: str
    username: str


class Refused(NamedTuple):
    """A client with the right password was not let in, because of its client id."""

    username: str
    client_id: str


Line = Denied | Replaced | Connected | Refused


def read_line(text: str) -> Line | None:
    """None for every other line. A NATS connection is named `PID/NUMBER`, a client of Mosquitto by its id."""
    if " mid:" in text:
        return _read_nats(text)
    if "client id " in text and (found := _DOOR_REFUSED.match(text)):
        return Refused(_unquote(found[2]), _unquote(found[1]))
    if "Denied PUBLISH" in text or "lient" in text:
        return _read_mosquitto(text)
    return None


def _read_nats(text: str) -> Line | None:
    if found := _NATS_DENIED.match(text):
        return Denied(f"{found[1]}/{found[2]}", topic_of_subject(_unquote(found[4])))
    if found := _NATS_REPLACED.match(text):
        return Replaced(f"{found[1]}/{found[4]}", f"{found[1]}/{found[2]}", _unquote(found[3]))
    return None


def _read_mosquitto(text: str) -> Line | None:
    if found := _MOSQUITTO_DENIED.match(text):
        return Denied(found[1], found[2])
    if found := _MOSQUITTO_CONNECTED.match(text):
        return Connected(found[1], found[2] or "")
    if found := _MOSQUITTO_REPLACED.match(text):
        return Replaced(found[1], "", found[1])
    return None


def epoch_of(text: str) -> int | None:
    """Unix seconds at the beginning of a line of Mosquitto."""
    found = _EPOCH.match(text)
    return int(found[1]) if found else None


def topic_of_subject(subject: str) -> str:
    """The MQTT topic of a NATS subject: '.' → '/', '//' → '.', './' and '/.' → an empty level."""
    topic, at = [], 0
    while at < len(subject):
        letter, after = subject[at], subject[at + 1 : at + 2]
        if letter == "/":
            if after:
                topic.append("." if after == "/" else "/" if after == "." else "")
                at += after in "./"
        else:
            topic.append("/" if letter == "." else letter)
        at += 1
    return "".join(topic)


def _unquote(text: str) -> str:
    """The text of a Go literal."""

    def letter(found: re.Match[str]) -> str:
        number = found[1] or found[2] or found[3]
        return chr(int(number, 16)) if number else _LETTERS.get(found[4], found[4])

    return _ESCAPE.sub(letter, text)
