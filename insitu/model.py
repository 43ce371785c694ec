"""The words of the glossary as types: frozen nouns and their small rules.

Times are UTC-aware `datetime`s, or, in bulk, microseconds since 1970-01-01 UTC in names that end in `_us`.
Intervals are half-open `[start, end)`. Everywhere error = candidate − reference and effect = observed −
counterfactual.
"""

from __future__ import annotations

import re
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple

from insitu.errors import CorrectInput

CODE_PATTERN: Final = r"^[a-z0-9][a-z0-9_-]{0,63}$"
_CODE = re.compile(CODE_PATTERN)


def require_code(text: str, what: str) -> str:
    """`text` if it can be part of a topic; raises a CorrectInput that lists the allowed characters."""
    if not _CODE.fullmatch(text):  # `$` of match() also ends before a line break
        raise CorrectInput(
            f"{text[:80]!r} cannot name a {what}: use 1 to 64 of a–z, 0–9, '-' and '_', beginning with a "
            "letter or digit."
        )
    return text


class Role(StrEnum):
    """Decides what a person may do, by the table in `store.rights`."""

    LAB = "lab"
    OPERATOR = "operator"
    BUYER = "buyer"
    EVALUATOR = "evaluator"
    COMPANY = "company"
    AUDITOR = "auditor"


class OrganisationKind(StrEnum):
    HOST = "host"
    COMPANY = "company"
    EVALUATOR = "evaluator"
    LAB = "lab"
    AUDITOR = "auditor"

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles that its people may have; the first is the one of a person whose role is not stated."""
        return _ROLES[self]

    def role_of(self, stated: Role | None) -> Role:
        """`stated`, or the usual role; raises a CorrectInput that lists the allowed ones."""
        role = stated or self.roles[0]
        if role not in self.roles:
            allowed = " or ".join(self.roles)
            article = "an" if self.value[0] in "aeiou" else "a"
            raise CorrectInput(f"A person of {article} {self} is {allowed}, not {role}.")
        return role


_ROLES: Final[dict[OrganisationKind, tuple[Role, ...]]] = {
    OrganisationKind.HOST: (Role.OPERATOR, Role.BUYER),
    OrganisationKind.COMPANY: (Role.COMPANY,),
    OrganisationKind.EVALUATOR: (Role.EVALUATOR,),
    OrganisationKind.LAB: (Role.LAB, Role.AUDITOR),
    OrganisationKind.AUDITOR: (Role.AUDITOR,),
}


class TrialState(StrEnum):
    """need → shortlisted → agreement → deployment → running → evaluated → decision."""

    NEED = "need"
    SHORTLISTED = "shortlisted"
    AGREEMENT = "agreement"
    DEPLOYMENT = "deployment"
    RUNNING = "running"
    EVALUATED = "evaluated"
    BUY = "buy"
    ITERATE = "iterate"
    STOP = "stop"

    @property
    def is_decision(self) -> bool:
        """True for the end of a trial: nothing follows, and nothing can be locked any more."""
        return self in _DECISIONS

    def may_become(self, other: TrialState) -> bool:
        """True for the next step of the life cycle, and for STOP from any state that is not a decision."""
        if self.is_decision:
            return False
        return other in _NEXT_STATES[self] or other is TrialState.STOP


_DECISIONS = frozenset({TrialState.BUY, TrialState.ITERATE, TrialState.STOP})
_NEXT_STATES: dict[TrialState, frozenset[TrialState]] = {
    TrialState.NEED: frozenset({TrialState.SHORTLISTED}),
    TrialState.SHORTLISTED: frozenset({TrialState.AGREEMENT}),
    TrialState.AGREEMENT: frozenset({TrialState.DEPLOYMENT}),
    TrialState.DEPLOYMENT: frozenset({TrialState.RUNNING}),
    TrialState.RUNNING: frozenset({TrialState.EVALUATED}),
    TrialState.EVALUATED: frozenset({TrialState.RUNNING, *_DECISIONS}),
}


class DatastreamRole(StrEnum):
    CANDIDATE = "candidate"
    CONTROL = "control"
    REFERENCE = "reference"


class AveragingScale(StrEnum):
    """The scale on which a property is averaged; means, rollups and intervals work on it."""

    ARITHMETIC = "arithmetic"
    ENERGETIC = "energetic"  # dB: L = 10·log10 mean 10^(L/10)
    CIRCULAR = "circular"  # degrees
    TIME_WEIGHTED = "time_weighted"
    SUM = "sum"


class Stamp(StrEnum):
    """The point of its interval that the time of a result marks."""

    BEGIN = "begin"
    END = "end"
    INSTANT = "instant"  # the result stands for the moment itself, or for an interval around it


class Flag(IntEnum):
    """Quality of an observation (IODE). Nothing is PASS until a check has run."""

    PASS = 1
    NOT_EVALUATED = 2
    SUSPECT = 3
    FAIL = 4
    MISSING = 9


class ClockQuality(IntEnum):
    """Where the time of an observation comes from."""

    DEVICE = 0
    REPAIRED = 1  # the device's stamp, read as s, ms or µs by its magnitude
    ARRIVAL = 2  # no stamp: the first receipt
    NETWORK = 3  # stamped by the network that heard the device, whose own clock we cannot see
    FILE = 4  # as a file gives it
    CORRECTED = 5  # as before; the result was replaced from a file


class Arrival(IntEnum):
    """How an observation arrived."""

    IN_TIME = 0
    LATE = 1  # it was kept back: received later than allowed
    FROM_FILE = 2  # nobody knows whether it was ever sent
    CORRECTED = 3  # nobody knows any more when it first came


class WindowKind(StrEnum):
    MAINTENANCE = "maintenance"
    ACCESS = "access"
    INCIDENT = "incident"


class GapCause(StrEnum):
    DEVICE = "device"
    NETWORK = "network"
    OURS = "ours"
    WINDOW = "window"
    UNKNOWN = "unknown"


class DeviceState(StrEnum):
    NEVER_SEEN = "never_seen"
    ONLINE = "online"
    LATE = "late"
    SILENT = "silent"
    DEGRADED = "degraded"
    IN_WINDOW = "in_window"
    RETIRED = "retired"


class DeviceCause(StrEnum):
    """Why a device is late, silent or degraded."""

    SILENT = "silent"
    LATE = "late"
    OFFLINE = "offline"
    SILENT_DATASTREAM = "silent_datastream"
    LOW_BATTERY = "low_battery"
    POOR_RADIO = "poor_radio"
    CLOCK_OFF = "clock_off"
    FAILING_CHECKS = "failing_checks"
    DENIED = "denied"
    """The broker denied messages of it."""


class PeriodName(StrEnum):
    BASELINE = "baseline"
    WASHOUT = "washout"
    REPORTING = "reporting"


class Verdict(StrEnum):
    MET = "met"
    NOT_MET = "not_met"
    INCONCLUSIVE = "inconclusive"
    NOT_EVALUABLE = "not_evaluable"


class RejectReason(StrEnum):
    """Why a message, or some of its results, did not become observations. docs/rejects.md says how to fix
    each.
    """

    UNKNOWN_TOPIC = "unknown_topic"
    UNKNOWN_TRIAL = "unknown_trial"
    UNKNOWN_DEVICE = "unknown_device"
    NOT_DEPLOYED = "not_deployed"
    UNKNOWN_PROPERTY = "unknown_property"
    UNPARSABLE = "unparsable"
    INVALID_SHAPE = "invalid_shape"
    TOO_LARGE = "too_large"
    TOO_FAST = "too_fast"
    TOO_DEEP = "too_deep"
    WRONG_TYPE = "wrong_type"
    UNKNOWN_ALIAS = "unknown_alias"
    UNIT_MISMATCH = "unit_mismatch"
    CALLED_BAD = "called_bad"
    NOT_FINITE = "not_finite"
    CLOCK_OUT_OF_RANGE = "clock_out_of_range"
    CONFLICTING_RESULT = "conflicting_result"
    CONFLICTING_MESSAGE = "conflicting_message"
    DATABASE_REFUSED = "database_refused"
    INTERNAL_ERROR = "internal_error"


class IgnoreReason(StrEnum):
    """Why results were counted but, by rule, are not trial data."""

    RETAINED = "retained"
    STATUS = "status"
    SIMULATED = "simulated"
    IGNORED_TOPIC = "ignored_topic"
    EMPTY = "empty"  # a message without content
    MISSING = "missing"  # a mapping says that this stands for no result
    NO_RESULT = "no_result"  # a mapping says that the field is none: a time, a key, or left out


class RemarkCode(StrEnum):
    """A fault in a device's messages that Insitu mended or worked around."""

    BOOT_REUSED = "boot_reused"  # `subject`: the boot
    GATEWAY_CLOCK = "gateway_clock"  # `subject`: the gateway; `amount`: s, positive = ahead
    ZERO_BYTE = "zero_byte"
    BYTE_ORDER_MARK = "byte_order_mark"
    PERSONAL_DATA = "personal_data"  # `subject`: what was found and masked


class Remark(NamedTuple):
    """Something about a device that somebody should mend although its results are stored."""

    code: RemarkCode
    subject: str = ""
    amount: float | None = None


class Message(NamedTuple):
    """Raw: what the broker handed over."""

    topic: str
    payload: bytes
    received_us: int
    mid: int = 0
    epoch: int = 0
    """Number of the connection that delivered it; an acknowledgement is valid on that connection only."""
    qos: int = 1
    retained: bool = False
    size: int = 0
    """Length as received, if `payload` was cut."""
    repeat: bool = False
    """The broker may have sent it before (MQTT's DUP flag)."""
    life: str = ""
    """Scope of `mid`: the life of the broker, or the connection if the broker's life is unknown."""
    is_far: bool = True
    """True if the broker cannot reuse `mid` soon after our acknowledgement."""
    unread: bytes = b""
    """SHA-256 of topic and payload if the device exceeded its limit: only the first bytes are kept, and the
    message is refused unread.
    """


class Reading(NamedTuple):
    """Decoded: one result as the device sent it. `time_us` is None if the device sent no time of its own
    clock.
    """

    property: str
    result: object
    time_us: int | None
    repaired: bool = False
    """True if the unit of the stamp was inferred from its magnitude."""
    offset_us: int = 0
    """If there is no time: how long after the receipt (negative: before) the device says that it measured."""
    unit: str = ""
    """UCUM unit as sent; empty if the message names none."""
    source: str = ""
    """The message's name for the thing that has the property (a measurement, a base name); `source.property`
    is the full name.
    """


class Observation(NamedTuple):
    """Placed: one result of one datastream."""

    datastream_id: int
    time_us: int
    result: float
    received_us: int
    clock_quality: int


class Reject(NamedTuple):
    """Refused: a message, or those of its results that share a reason, with its bytes."""

    reason: RejectReason
    detail: str
    topic: str
    payload: bytes
    received_us: int
    trial: str
    device: str
    """'unknown' if the topic names no known device."""
    results: int
    size: int
    """Length of the payload as received; `payload` holds at most the first 262,144."""
    identity: bytes
    """SHA-256 that stays the same when the same message comes again; unique together with the reason."""
    raw_until_us: int | None = None
    """Until then it holds texts that nobody asked for; None: it holds none."""
