"""Topics and payloads: the contract between a device and the service.

`ingest` reads the inbound half and `simulators` write it; for the outbound half it is the other way round.
The models here document and validate; `ingest.decode` may read the same bytes faster, and a test keeps the
two in step.
"""

from __future__ import annotations

from collections.abc import Iterable
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
"""Topic on which an edge node receives the request for a rebirth."""
RECEIPT: Final = "receipt"
REJECTED: Final = "rejected"
ALERTS_FILTER: Final = "insitu/alerts/+/+"
"""Of alerts to people, by organisation and channel: outside every device's name."""
HEARTBEAT: Final = "heartbeat"
CHECK: Final = "check"
"""Of the trial `check`: its devices publish here and nobody stores it, so `insitu check` can test who may
publish where. Under any other trial it is a topic like every wrong one.
"""
PROBE: Final = "insitu-probe"
"""A device outside all trials. Its messages go the usual way and end in a table of their own. No other device
may have this name.
"""
MOST_LEVELS: Final = 8
"""Levels of a fixed topic."""
MARK: Final = "insitu-mark"
"""First or second level of the topics by which a session finds out that it has drained a fixed topic."""
INBOUND_SUFFIXES: Final = (OBS, STATUS, SENML, INFLUX, TELEMETRY)
OUTBOUND_SUFFIXES: Final = (RECEIPT, REJECTED)

MAX_PAYLOAD_BYTES: Final = 262_144
MAX_DEPTH: Final = 8
MAX_RESULTS: Final = 10_000
"""Bounds of one message; a larger one is refused and its first bytes are kept."""

MAX_SEQ: Final = 2**63 - 2
"""Accounted ranges are stored with an exclusive end, so `seq` + 1 must also fit a bigint."""


class Topic(NamedTuple):
    trial: str
    device: str
    suffix: str

    def __str__(self) -> str:
        return f"{PREFIX}/{self.trial}/{self.device}/{self.suffix}"


class NetworkTopic(NamedTuple):
    """A topic of a network server, which publishes for many devices in its own format."""

    address: str
    """The device's address in the catalogue: `chirpstack/DEVEUI`, `things_stack/APPLICATION/DEVICE`,
    `sparkplug/GROUP/EDGE[/DEVICE]`.
    """
    suffix: str
    """Selects the decoder: `chirpstack/up`, `things_stack/up`, `sparkplug/DDATA`, …"""


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
    """Topic filters of an address: only its network server may publish there."""
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


def parse_below(text: str) -> Topic | None:
    """The parts of any topic at or below a device's name. The suffix is empty for the name itself, and may
    contain `/`.
    """
    parts = text.split("/", 4)
    if len(parts) < 4 or parts[0] != "insitu" or parts[1] != "v1":
        return None
    return Topic(parts[2], parts[3], parts[4] if len(parts) == 5 else "")


def is_service_topic(text: str) -> bool:
    """True for topics on which the service itself publishes and which its own subscriptions deliver: receipts
    and refusals, heartbeats, marks. The broker's rules keep devices from the last two.

    Also True for what the devices of `insitu check` send, and for Sparkplug commands and host states.
    """
    if text.startswith("spBv1.0/"):
        return text.split("/")[1] == "STATE" or text.split("/")[2:3] in (["NCMD"], ["DCMD"])
    topic = parse_below(text)
    if topic is None:
        return text.startswith(f"{MARK}/") or text == MARK or f"/{MARK}/" in text
    if topic.suffix in OUTBOUND_SUFFIXES or topic.trial == HEARTBEAT:
        return True
    return topic.suffix == CHECK and (topic.trial == CHECK or topic.device.startswith(f"{HEARTBEAT}-"))


def inbound_filters() -> list[str]:
    """The subscriptions of an ingestor that hears every trial: everything at or below a device's name."""
    return [f"{PREFIX}/+/+/#", *network_filters()]


def named_filters() -> list[str]:
    """Filters of sessions of earlier versions, instead of `insitu/v1/+/+/#`: each suffix by its name."""
    return [f"{PREFIX}/+/+/{suffix}" for suffix in INBOUND_SUFFIXES]


def trial_filter(trial: str) -> str:
    """Everything below a trial that has its own session; the service's own messages arrive too and are
    skipped.
    """
    return f"{PREFIX}/{trial}/+/#"


def named_trial_filter(trial: str) -> str:
    """The filter of sessions of earlier versions, instead of `trial_filter`."""
    return f"{PREFIX}/{trial}/+/+"


def network_filters() -> list[str]:
    """Topics on which network servers publish. All of Sparkplug is one filter, because a broker keeps the
    order only within a filter.
    """
    return ["application/+/device/+/event/+", "v3/+/devices/+/up", "spBv1.0/#"]


def level_filter(levels: int) -> str:
    """The filter of every topic with that many levels."""
    return "/".join(["+"] * levels)


def fixed_filters(topics: Iterable[str]) -> list[str]:
    """Subscriptions that hear the fixed topics. They are few, because a session of the broker has room for
    few, and no message matches two of them or one of the others.

    Up to three levels, one for all topics of that length: everything below `insitu/v1` is longer. Above that,
    one for each first level and length.
    """
    found = set()
    for topic in topics:
        levels = topic.split("/")
        rest = level_filter(len(levels) - 1)
        found.add(f"{levels[0]}/{rest}" if len(levels) > 3 else level_filter(len(levels)))
    return sorted(found)


def matches(topic_filter: str, topic: str) -> bool:
    """True if a subscription to the filter hears the topic."""
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if wanted[-1] == "#":
        wanted = wanted[:-1]
        levels = levels[: len(wanted)]
    if topic.startswith("$") and topic_filter[:1] in ("+", "#"):
        return False
    return len(wanted) == len(levels) and all(
        one in ("+", level) for one, level in zip(wanted, levels, strict=True)
    )


def probe_topic(trial: str) -> str:
    """Topic of the probe for the session that hears `trial`; with a single session any name works."""
    return f"{PREFIX}/{trial}/{PROBE}/{OBS}"


def heartbeat_topic(client_id: str) -> str:
    """Topic on which an ingestor sends itself a heartbeat through the broker."""
    return f"{PREFIX}/{HEARTBEAT}/{client_id}"


class Payload(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Results(Payload):
    """`{"boot": "…", "seq": 7, "time": "2026-03-01T12:00:00Z", "results": {"pm25": 12.3}}`"""

    results: dict[str, float | bool | str | None] = Field(min_length=1)
    time: datetime | int | float | None = None
    """RFC 3339 with an offset, or a Unix time in s, ms or µs; absent: the time of receipt."""
    boot: str | None = Field(default=None, min_length=1, max_length=64)
    """Random text, new at each start of the device."""
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
    """JSON payload of `…/status`; the bare words `online` and `offline` are valid too."""

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
    """Closed ranges of `seq` that are missing although later messages arrived."""


class Refusal(Payload):
    """To the device: what was refused and why."""

    reason: RejectReason
    detail: str
    time: datetime
    seq: int | None = None
    excerpt: str = Field(default="", max_length=200)
    more: int = 0
    """Refusals that were not sent since the last one, to spare the link."""


def alert_topic(organisation: str, channel: str) -> str:
    """The topic on which one channel of a person of that organisation hears alerts."""
    return ALERTS_FILTER.replace("+", organisation, 1).replace("+", channel, 1)
