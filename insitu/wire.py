"""Topics and payloads: the contract between a device and the service.

The inbound half is read by `ingest` and spoken by `simulators`; the outbound half the other way round. The
models here document and check; `ingest.decode` may read the same bytes faster, and a test holds the two
together.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from insitu.model import RejectReason

PREFIX: Final = "insitu/v1"
OBS: Final = "obs"
STATUS: Final = "status"
SENML: Final = "senml"
INFLUX: Final = "influx"
TELEMETRY: Final = "telemetry"
CHIRPSTACK: Final = "chirpstack"
THINGS_STACK: Final = "things_stack"
SPARKPLUG: Final = "sparkplug"
SPARKPLUG_TYPES: Final = ("NBIRTH", "NDEATH", "NDATA", "DBIRTH", "DDEATH", "DDATA")
SPARKPLUG_COMMAND: Final = "spBv1.0/+/NCMD/+"
"""Where an edge node is asked for a rebirth."""
RECEIPT: Final = "receipt"
REJECTED: Final = "rejected"
HEARTBEAT: Final = "heartbeat"
CHECK: Final = "check"
"""A device may publish here and nobody keeps it: `insitu check` proves with it who may publish what."""
PROBE: Final = "insitu-probe"
"""A device of no trial: what it publishes goes the way of every message and ends in a table of its own. No
device may be called so.
"""
INBOUND_SUFFIXES: Final = (OBS, STATUS, SENML, INFLUX, TELEMETRY)
OUTBOUND_SUFFIXES: Final = (RECEIPT, REJECTED)

MAX_PAYLOAD_BYTES: Final = 262_144
MAX_DEPTH: Final = 8
MAX_RESULTS: Final = 10_000
"""Bounds of one message; beyond them it is refused with its first bytes kept."""

MAX_SEQ: Final = 2**63 - 2
"""What is accounted for is kept as ranges that end before the next `seq`, which must be a bigint too."""


class Topic(NamedTuple):
    trial: str
    device: str
    suffix: str

    def __str__(self) -> str:
        return f"{PREFIX}/{self.trial}/{self.device}/{self.suffix}"


class NetworkTopic(NamedTuple):
    """A topic of a network server, which speaks for many devices in its own tongue."""

    address: str
    """What the catalogue knows the device by: `chirpstack/DEVEUI`, `things_stack/APPLICATION/DEVICE`,
    `sparkplug/GROUP/EDGE[/DEVICE]`.
    """
    suffix: str
    """Which decoder reads it: `chirpstack/up`, `things_stack/up`, `sparkplug/DDATA`, …"""


def parse_network_topic(text: str) -> NetworkTopic | None:
    """The parts of a network server's topic, or None for any other."""
    parts = text.split("/")
    if len(parts) == 6 and parts[0] == "application" and parts[2] == "device" and parts[4] == "event":
        return NetworkTopic(f"{CHIRPSTACK}/{parts[3].lower()}", f"{CHIRPSTACK}/{parts[5]}")
    if len(parts) == 5 and parts[0] == "v3" and parts[2] == "devices" and parts[4] == "up":
        return NetworkTopic(f"{THINGS_STACK}/{parts[1]}/{parts[3]}", f"{THINGS_STACK}/up")
    if len(parts) in (4, 5) and parts[0] == "spBv1.0" and parts[2] in SPARKPLUG_TYPES:
        return NetworkTopic("/".join([SPARKPLUG, parts[1], *parts[3:]]), f"{SPARKPLUG}/{parts[2]}")
    return None


def network_topics(address: str) -> list[str]:
    """The topic filters on which an address is spoken for: what its network server may publish, and nobody
    else.
    """
    kind, _, rest = address.partition("/")
    names = rest.split("/")
    if kind == CHIRPSTACK and len(names) == 1:
        return [f"application/+/device/{names[0]}/event/+"]
    if kind == THINGS_STACK and len(names) == 2:
        return [f"v3/{names[0]}/devices/{names[1]}/up"]
    if kind == SPARKPLUG and len(names) == 2:
        return [f"spBv1.0/{names[0]}/{kind}/{names[1]}" for kind in SPARKPLUG_TYPES if kind.startswith("N")]
    if kind == SPARKPLUG and len(names) == 3:
        return [
            f"spBv1.0/{names[0]}/{kind}/{names[1]}/{names[2]}"
            for kind in SPARKPLUG_TYPES
            if kind.startswith("D")
        ]
    raise ValueError(f"no address of a network server: {address!r}")


def parse_topic(text: str) -> Topic | None:
    """The parts of `insitu/v1/{trial}/{device}/{suffix}`, or None for any other topic."""
    parts = text.split("/")
    if len(parts) != 5 or parts[0] != "insitu" or parts[1] != "v1":
        return None
    return Topic(parts[2], parts[3], parts[4])


def is_service_topic(text: str) -> bool:
    """True for what the service says, or marks, below a trial; the broker's rules keep devices from all of it
    but `check`.

    Also for commands and host states of Sparkplug, which come along with the rest.
    """
    if text.startswith("spBv1.0/"):
        return text.split("/")[1] == "STATE" or text.split("/")[2:3] in (["NCMD"], ["DCMD"])
    topic = parse_topic(text)
    return topic is not None and (topic.trial == HEARTBEAT or topic.suffix in (*OUTBOUND_SUFFIXES, CHECK))


def inbound_filters() -> list[str]:
    """What the ingestor subscribes to: each inbound suffix by name, so that it never hears its own
    refusals.
    """
    return [f"{PREFIX}/+/+/{suffix}" for suffix in INBOUND_SUFFIXES] + network_filters()


def trial_filter(trial: str) -> str:
    """Everything below a trial, where it has a session of its own; what the service says there comes along
    and is passed over.
    """
    return f"{PREFIX}/{trial}/+/+"


def network_filters() -> list[str]:
    """Where network servers publish. One filter for all of Sparkplug: a broker keeps the order of messages
    within a filter only.
    """
    return ["application/+/device/+/event/+", "v3/+/devices/+/up", "spBv1.0/#"]


def probe_topic(trial: str) -> str:
    """Where the probe publishes, to be heard by the session that hears `trial`; with one session any name
    does.
    """
    return f"{PREFIX}/{trial}/{PROBE}/{OBS}"


def heartbeat_topic(client_id: str) -> str:
    """Where an ingestor sends itself a sign of life through the broker."""
    return f"{PREFIX}/{HEARTBEAT}/{client_id}"


class Payload(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Results(Payload):
    """`{"boot": "…", "seq": 7, "time": "2026-03-01T12:00:00Z", "results": {"pm25": 12.3}}`"""

    results: dict[str, float | bool | str | None] = Field(min_length=1)
    time: datetime | int | float | None = None
    """RFC 3339 with an offset, or a Unix time in s, ms or µs; absent: the time of receipt."""
    boot: str | None = Field(default=None, min_length=1, max_length=64)
    """Drawn anew at each start of the device."""
    seq: int | None = Field(default=None, ge=0, le=MAX_SEQ)
    """+1 for each message of a boot, from 0 or 1."""


class SingleObservation(Payload):
    property: str
    result: float | bool | str | None
    time: datetime | int | float | None = None


class Observations(Payload):
    """`{"observations": [{"property": "pm25", "time": "…", "result": 12.3}], "boot": "…", "seq": 8}`"""

    observations: list[SingleObservation] = Field(min_length=1)
    boot: str | None = Field(default=None, min_length=1, max_length=64)
    seq: int | None = Field(default=None, ge=0, le=MAX_SEQ)


class Status(Payload):
    """What `…/status` carries as JSON; the bare words `online` and `offline` are valid too."""

    state: Literal["online", "offline"] | None = None
    battery: float | None = Field(default=None, ge=0, le=100)
    """Per cent."""
    rssi: float | None = None
    """dBm."""
    firmware: str | None = Field(default=None, max_length=128)
    uptime: float | None = Field(default=None, ge=0)
    """Seconds since the device started."""
    time: datetime | int | float | None = None


class Receipt(Payload):
    """To the device: every message of `boot` up to `seq` is stored, a duplicate, or refused."""

    boot: str
    seq: int | None
    missing: list[tuple[int, int]] = Field(default_factory=list, max_length=20)
    """Closed ranges of seq that never arrived although later ones did."""


class Refusal(Payload):
    """To the device: what was refused and why."""

    reason: RejectReason
    detail: str
    time: datetime
    seq: int | None = None
    excerpt: str = Field(default="", max_length=200)
    more: int = 0
    """Refusals since the last one that were not sent, to spare the link."""
