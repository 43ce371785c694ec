"""English words for codes, as keys of the translation; a test checks each of them in every language."""

from __future__ import annotations

from typing import Final

from api import factors, passwords
from insitu.model import (
    AveragingScale,
    DeviceCause,
    DeviceState,
    Flag,
    GapCause,
    OrganisationKind,
    PeriodName,
    RejectReason,
    RemarkCode,
    Role,
    TrialState,
    Verdict,
    WindowKind,
)
from store.requests import Progress
from trials.plan.agreement import SENTENCES, Answered
from trials.workflow.life import OPEN_WORDS

PASSWORD_NEWS: Final = {
    "wrong": "The old password is wrong.",
    "short": passwords.TOO_SHORT,
    "long": passwords.TOO_LONG,
    "login": passwords.TOO_LIKE_LOGIN,
    "common": passwords.TOO_COMMON,
}

ELSEWHERE_NEWS: Final = {
    "away": "{label} does not answer at the moment.",
    "unknown": "{login} has no account here.",
    "disabled": "The account {login} is disabled.",
    "otherwise": "{label} now knows {login} as somebody else.",
    "unverified": "{label} has not verified the address {login}.",
    "domain": "Addresses such as {login} cannot enter here by {label}.",
    "stale": "This sign-in is too old, was used before, or began in another browser.",
    "denied": "{label} did not sign you in.",
    "unproven": "The answer of {label} does not prove who you are.",
}
"""A sign-in elsewhere that failed: the reason."""
ELSEWHERE_ADVICE: Final = {
    "away": "You can sign in with your password, or try again in a minute.",
    "unknown": "{label} knows you, but only people who were invited can enter. Ask {lab} to invite you.",
    "disabled": "Ask {lab} if you should have access again.",
    "otherwise": "An address may have passed to another person. If you are the same one, ask "
    "{lab} to unlink the account.",
    "unverified": "Verify the address there, then begin again. {lab} can help.",
    "domain": "Use the address of your organisation, or ask {lab}.",
    "stale": "Begin again on the sign-in page.",
    "denied": "Begin again, or sign in with your password.",
    "unproven": "Begin again. If it happens twice, tell {lab} what is written below.",
}
"""The same: the next step."""
FACTOR_NEWS: Final = {
    "wrong": factors.WRONG_CODE,
    "late": factors.TOO_LATE,
    "old": "Sign out and in again first: this session is older than a quarter of an hour.",
    "twice": "There is a second factor already: remove it first.",
    "added": "The second factor counts from now on, and all other sessions have ended.",
    "removed": "The second factor is removed.",
    "needed": "Your role needs a second factor: only the lab can reset it.",
}

STATES: Final = {
    DeviceState.ONLINE: "online",
    DeviceState.LATE: "late",
    DeviceState.SILENT: "silent",
    DeviceState.DEGRADED: "degraded",
    DeviceState.IN_WINDOW: "in a window",
    DeviceState.NEVER_SEEN: "never seen",
    DeviceState.RETIRED: "retired",
}

CAUSES: Final = {
    DeviceCause.SILENT: "no message for {span}",
    DeviceCause.LATE: "no message for {span}",
    DeviceCause.OFFLINE: "its connection ended",
    DeviceCause.SILENT_DATASTREAM: "{name} is silent",
    DeviceCause.LOW_BATTERY: "battery at {number} %",
    DeviceCause.CLOCK_OFF: "its clock is {how}",
    DeviceCause.FAILING_CHECKS: "checks fail",
    DeviceCause.DENIED: "the broker denied its messages ({number} in the last 24 hours)",
}

WEAK_RADIO: Final = {
    "snr_db": "weak radio: signal to noise {number} dB",
    "rssi_dbm": "weak radio: {number} dBm",
}
"""DeviceCause.POOR_RADIO, by the available evidence."""

TRIAL_STATES: Final = {
    TrialState.NEED: "need",
    TrialState.SHORTLISTED: "shortlisted",
    TrialState.AGREEMENT: "agreement",
    TrialState.DEPLOYMENT: "deployment",
    TrialState.RUNNING: "running",
    TrialState.EVALUATED: "evaluated",
    TrialState.BUY: "buy",
    TrialState.ITERATE: "iterate",
    TrialState.STOP: "stop",
}

STEP_WORDS: Final = OPEN_WORDS
"""Things that are missing before a step of a trial's life."""

KINDS: Final = {
    OrganisationKind.HOST: "host",
    OrganisationKind.COMPANY: "company",
    OrganisationKind.EVALUATOR: "evaluator",
    OrganisationKind.LAB: "lab",
    OrganisationKind.AUDITOR: "auditor",
}
"""Kinds of organisations."""

PROGRESS: Final = {
    Progress.QUEUED: "queued",
    Progress.RUNNING: "being computed",
    Progress.DONE: "done",
    Progress.FAILED: "failed",
}
"""Requests for evaluations."""

OUTCOMES: Final = {
    TrialState.BUY: "Buy",
    TrialState.ITERATE: "Iterate: a changed trial follows",
    TrialState.STOP: "Stop",
}

OPEN_POINTS: Final = SENTENCES
"""Open points of an agreement."""

PROVISION_WORDS: Final = {
    "no_default_passwords": "no universal default passwords",
    "vulnerability_reports": "a way to report vulnerabilities",
    "software_updates": "software kept up to date",
    "secure_storage": "secrets stored securely",
    "secure_communication": "secure communication",
    "attack_surfaces": "few exposed surfaces",
    "software_integrity": "integrity of the software",
    "personal_data": "personal data kept secure",
    "resilience": "resilience to outages",
    "telemetry_examined": "telemetry examined for anomalies",
    "deletion": "easy deletion of the user's data",
    "installation": "easy installation and maintenance",
    "input_validation": "input data validated",
}
"""Headings of EN 303 645, in our words."""

ANSWERS: Final = {
    Answered.MET: "met",
    Answered.PARTLY: "partly met",
    Answered.NOT_MET: "not met",
    Answered.NOT_APPLICABLE: "not applicable",
}
"""Answers of a security sheet."""

VERDICTS: Final = {
    Verdict.MET: "met",
    Verdict.NOT_MET: "not met",
    Verdict.INCONCLUSIVE: "inconclusive",
    Verdict.NOT_EVALUABLE: "not evaluable",
}

FLAGS: Final = {
    Flag.PASS: "passed",
    Flag.NOT_EVALUATED: "not checked yet",
    Flag.SUSPECT: "suspect",
    Flag.FAIL: "failed a check",
    Flag.MISSING: "missing",
}

GAP_CAUSES: Final = {
    GapCause.DEVICE: "the device was down",
    GapCause.NETWORK: "the connection",
    GapCause.OURS: "our broker or ingestor",
    GapCause.WINDOW: "a declared window",
    GapCause.UNKNOWN: "unknown",
}

WINDOWS: Final = {
    WindowKind.MAINTENANCE: "maintenance",
    WindowKind.ACCESS: "access",
    WindowKind.INCIDENT: "incident",
}

PERIODS: Final = {
    PeriodName.BASELINE: "baseline period",
    PeriodName.WASHOUT: "washout period",
    PeriodName.REPORTING: "reporting period",
}

TEMPLATE_WORDS: Final = {
    "air-sensor": "Air sensor beside a reference",
    "retrofit": "Ventilation or energy: before and after",
    "limit": "Noise or air against a limit",
    "equivalence": "Beside the device in use",
    "street": "Street with control streets",
}

SEATS: Final = {
    Role.LAB: "lab",
    Role.OPERATOR: "operator",
    Role.BUYER: "buyer",
    Role.EVALUATOR: "evaluator",
    Role.COMPANY: "company",
    Role.AUDITOR: "auditor",
}
"""Roles of people."""
ROLES: Final = {"candidate": "candidate", "control": "control", "reference": "reference"}

SCALES: Final = {
    AveragingScale.ARITHMETIC: "arithmetic",
    AveragingScale.ENERGETIC: "energetic, of levels in dB",
    AveragingScale.CIRCULAR: "circular, of directions",
    AveragingScale.TIME_WEIGHTED: "weighted by time",
    AveragingScale.SUM: "sum, of amounts",
}
"""How results are averaged."""

INTERVALS: Final = {
    "declared": "every {span}, as planned",
    "reported": "every {span}, as the device says",
    "learned": "every {span}, as observed",
}

STAMPS: Final = {
    "begin": "a time marks the beginning of its interval",
    "end": "a time marks the end of its interval",
}

REASONS: Final = {
    RejectReason.UNKNOWN_TOPIC: "Unknown topic",
    RejectReason.UNKNOWN_TRIAL: "Unknown trial",
    RejectReason.UNKNOWN_DEVICE: "Unknown device",
    RejectReason.NOT_DEPLOYED: "Not deployed then",
    RejectReason.UNKNOWN_PROPERTY: "Unknown property",
    RejectReason.UNPARSABLE: "Cannot be read",
    RejectReason.INVALID_SHAPE: "Unexpected shape",
    RejectReason.TOO_LARGE: "Too large",
    RejectReason.TOO_FAST: "Over its limit",
    RejectReason.TOO_DEEP: "Nested too deeply",
    RejectReason.WRONG_TYPE: "Result of the wrong type",
    RejectReason.UNKNOWN_ALIAS: "Alias without a birth",
    RejectReason.UNIT_MISMATCH: "In another unit",
    RejectReason.CALLED_BAD: "Called bad by the device",
    RejectReason.NOT_FINITE: "Not a finite number",
    RejectReason.CLOCK_OUT_OF_RANGE: "Time out of range",
    RejectReason.CONFLICTING_RESULT: "Conflicting result",
    RejectReason.CONFLICTING_MESSAGE: "Conflicting message",
    RejectReason.DATABASE_REFUSED: "Refused by the database",
    RejectReason.INTERNAL_ERROR: "Failed in Insitu",
}

FIXES: Final = {
    RejectReason.UNKNOWN_TOPIC: "Publish to insitu/v1/TRIAL/DEVICE/obs or …/status, with the names the "
    "device was enrolled under.",
    RejectReason.UNKNOWN_TRIAL: "No trial has that name: correct the topic, or ask the lab to register the "
    "trial, then replay.",
    RejectReason.UNKNOWN_DEVICE: "Enrol the device in this trial under that name, then replay.",
    RejectReason.NOT_DEPLOYED: "The device was not deployed at that time, or was retired: correct its "
    "deployment, then replay.",
    RejectReason.UNKNOWN_PROPERTY: "The device has no datastream of that name: add one, or correct the name "
    "it sends, then replay.",
    RejectReason.UNPARSABLE: "The bytes, or some lines of them, are not in the format of this topic (on "
    "…/obs: JSON in UTF-8): look at the excerpt, correct the device's program.",
    RejectReason.INVALID_SHAPE: "It can be read, but has none of the shapes that this topic accepts: compare "
    "it with the snippet of the device.",
    RejectReason.TOO_LARGE: "Send fewer results in one message: at most 262,144 bytes and 10,000 results.",
    RejectReason.TOO_FAST: "Send less often, or fewer bytes, and send a backlog slowly: messages beyond "
    "the limit are not read. A device that goes on is cut off for a while.",
    RejectReason.TOO_DEEP: "Nest at most 8 levels of lists and objects in one message.",
    RejectReason.WRONG_TYPE: "Send a number (or true and false where the datastream is of that kind), not a "
    "text, without quotes.",
    RejectReason.UNKNOWN_ALIAS: "The edge node used an alias that none of its births defines; it was asked "
    "for a birth. Replay once the birth has arrived.",
    RejectReason.UNIT_MISMATCH: "The message names a unit that cannot be converted to the datastream's: "
    "correct the unit that the device sends, or map the field in that unit, then replay.",
    RejectReason.CALLED_BAD: "A field beside the results, such as a quality or a status, calls them bad. "
    "Where they count all the same, map that field with ignore, then replay.",
    RejectReason.NOT_FINITE: "NaN and infinity are no measurements: leave the result out when the sensor "
    "gives none.",
    RejectReason.CLOCK_OUT_OF_RANGE: "Set the clock of the device (NTP), or correct the start of its "
    "deployment, then replay.",
    RejectReason.CONFLICTING_RESULT: "Another result is already stored for that time, and the first one is "
    "kept. Give each result its own time.",
    RejectReason.CONFLICTING_MESSAGE: "Another message had the same boot and seq: begin a new boot at every "
    "start of the device, then replay.",
    RejectReason.DATABASE_REFUSED: "The database could not hold this row: tell the lab, with the number of "
    "the reject.",
    RejectReason.INTERNAL_ERROR: "A defect of Insitu, not of the device: tell the lab, with the number of "
    "the reject; replay once it is fixed.",
}

BASES: Final = {
    "": "not stated",
    "public_task": "public task",
    "consent": "consent",
    "contract": "contract",
    "legal_obligation": "legal obligation",
    "legitimate_interests": "legitimate interests",
    "vital_interests": "vital interests",
}
"""Legal bases of article 6 of the GDPR."""
REMARKS: Final = {
    RemarkCode.BOOT_REUSED: "It uses its boot {subject} again: a new boot at every start tells its messages "
    "apart.",
    RemarkCode.ZERO_BYTE: "Its messages end in a zero byte, which is removed: send strlen() bytes, not "
    "sizeof().",
    RemarkCode.BYTE_ORDER_MARK: "Its messages begin with a byte-order mark, which is removed: write UTF-8 "
    "without one.",
    RemarkCode.PERSONAL_DATA: "Something in its refused messages looks like personal data ({subject}) "
    "and was masked: have the device leave it out.",
}
GATEWAY_CLOCKS: Final = {
    "behind": "The clock of gateway {subject} is {span} behind: its times are not used.",
    "ahead": "The clock of gateway {subject} is {span} ahead: its times are not used.",
}

CHANNELS: Final = {"mail": "E-mail", "mqtt": "MQTT", "webhook": "Webhook"}
NOTICE_EVENTS: Final = {
    "open": "alert",
    "remind": "reminder",
    "resolve": "end of an alert",
    "test": "test",
    "digest": "summary of the week",
}
NOTICE_OUTCOMES: Final = {
    "waits": "waits",
    "delivered": "delivered",
    "given_up": "given up after a day",
    "dropped": "not sent",
}
ALERT_ADVICE: Final = {
    "webhook": "Write an https address, such as https://example.org/alerts, without a user and password.",
    "mail": "Write one e-mail address, such as name@example.org.",
    "channels": "A person has at most 10 channels: remove one first.",
    "twice": "You have that channel already.",
    "code": "That is not the code of the test: copy it from the newest mail.",
    "tests": "There were many tests today: try again tomorrow.",
    "test": "A test is on its way: the next one may follow in a minute.",
    "scope": "Write trial:CODE, site:CODE or device:TRIAL/CODE.",
    "installation": "Such a rule is about the whole installation, not about a trial, site or device.",
    "reminder": "Reminders come every 1 to 720 hours; 0 is never.",
}
"""Errors of trials/workflow/alert_acts.py that a person can meet on the page."""
EVERY: Final = {
    "PT1M": "every minute",
    "PT5M": "every 5 minutes",
    "PT10M": "every 10 minutes",
    "PT15M": "every quarter of an hour",
    "PT30M": "every half hour",
    "PT1H": "every hour",
    "P1D": "every day",
}
"""Planned time between two results → English word."""
OUTCOMES_OF_FIELDS: Final = {
    "stored": "would be stored",
    "health": "would be health",
    "ignored": "would be ignored",
    "refused": "would still be refused",
}
"""Outcome of a field in a trial run → English words."""
IMPORT_OPTIONS: Final = {
    "device": "Device",
    "zone": "Clock of the file",
    "columns": "Columns",
    "time_columns": "Columns of the time",
    "time_format": "Form of the time",
    "device_column": "Column that names the device",
    "long": "Columns of property and result",
    "decimal": "Decimal sign",
    "delimiter": "Between the columns",
    "encoding": "Encoding",
    "names": "Names of the columns",
    "missing": "Marks for no result",
    "keep": "Numbers that are results all the same",
    "ignore": "Statements of the file that are wrong",
    "where": "Only rows with",
    "sheet": "Sheet",
    "member": "File in the zip file",
    "skip_lines": "Lines above the header",
    "skip_after": "Lines below the header",
    "units_row": "The line below the header has units",
}
"""Field of the form of an import → English word; the refusals of an import name them."""
