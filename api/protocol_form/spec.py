"""Every field of a protocol, in the order of the form. A test compares them with `trials.plan`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from api.protocol_form.kinds import (
    CHOICE,
    CODE,
    FLAG,
    HOURS,
    LINE,
    MOMENT,
    NUMBER,
    SCALAR,
    SPAN,
    TEXT_OF,
    Kind,
)


@dataclass(frozen=True, slots=True)
class Leaf:
    """One field. `options`: the name of its list in `choices`."""

    name: str
    kind: Kind
    label: str
    hint: str = ""
    options: str = ""
    is_required: bool = True


@dataclass(frozen=True, slots=True)
class Names:
    """Several of a list, as ticks; a text with commas where the list is empty."""

    name: str
    label: str
    options: str
    hint: str = ""
    is_required: bool = True


@dataclass(frozen=True, slots=True)
class Words:
    """The same sentence in both languages."""

    name: str
    label: str
    hint: str = ""
    is_required: bool = True


@dataclass(frozen=True, slots=True)
class Pairs:
    """An object whose names are free: parameters, people."""

    name: str
    label: str
    kind: Kind
    hint: str = ""
    options: str = ""


@dataclass(frozen=True, slots=True)
class Fixed:
    """A field that the form neither shows nor changes."""

    name: str


@dataclass(frozen=True, slots=True)
class Group:
    """An object. `short`: the field that stands for the whole object if it has no other."""

    name: str
    label: str
    parts: tuple[Part, ...]
    hint: str = ""
    short: str = ""


@dataclass(frozen=True, slots=True)
class Rows:
    """A list of objects; of single values if `parts` is one field without a name."""

    name: str
    label: str
    one: str
    add: str
    parts: tuple[Part, ...]
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Either:
    """Prose, or a rule with `parts` whose words are its `reason`."""

    name: str
    label: str
    parts: tuple[Part, ...]
    hint: str = ""


Part = Leaf | Names | Words | Pairs | Fixed | Group | Rows | Either

RULE_OF_EXCLUSION: Final = (
    Leaf("event", CHOICE, "Event", options="events"),
    Leaf("strategy", CHOICE, "Results that it touches", options="strategies"),
    Leaf("settles", SPAN, "Time after it that counts with it", "PT6H, P1D", "spans", is_required=False),
)

CRITERION: Final = (
    Leaf("statistic", CHOICE, "Statistic", options="statistics"),
    Group(
        "target",
        "Target",
        (
            Leaf("low", NUMBER, "At least", is_required=False),
            Leaf("high", NUMBER, "At most", is_required=False),
        ),
        "One bound is enough; an equivalence needs both.",
    ),
    Words("justification", "Why this margin and no other"),
    Leaf(
        "alternative_to",
        CHOICE,
        "Or else",
        "Another statistic of this endpoint: one of the two is enough.",
        "statistics",
        is_required=False,
    ),
)
AGGREGATION: Final = (
    Leaf("name", CHOICE, "A day becomes", options="aggregations", is_required=False),
    Leaf("q", NUMBER, "Percentile", is_required=False),
    Leaf("threshold", NUMBER, "Threshold", is_required=False),
    Leaf("step", SPAN, "Step", "PT15M, PT1H", "spans", is_required=False),
)
FILTER: Final = (
    Leaf("hours", HOURS, "Hours of the day", "07:00-19:00", is_required=False),
    Names("weekdays", "Days of the week", "weekdays", is_required=False),
    Leaf("holidays", CHOICE, "Public holidays", options="holidays", is_required=False),
    Names("sites", "Sites", "sites", is_required=False),
    Names("devices", "Devices", "devices", is_required=False),
)
ENDPOINT: Final = (
    Leaf("name", CODE, "Code", "small letters, digits, - and _"),
    Words("title", "Title"),
    Leaf("rank", CHOICE, "Rank", options="ranks", is_required=False),
    Leaf("property", CODE, "Observed property", options="properties"),
    Leaf("unit", LINE, "Unit (UCUM)", options="units"),
    Leaf("design", CHOICE, "Design", options="designs"),
    Group(
        "arms",
        "Arms that it compares",
        tuple(
            Leaf(role, CHOICE, label, options="arms", is_required=False)
            for role, label in (
                ("candidate", "Candidate"),
                ("reference", "Reference"),
                ("control", "Control"),
            )
        ),
    ),
    Rows("criteria", "Criteria", "Criterion", "Add a criterion", CRITERION),
    Group("aggregation", "Value of a day", AGGREGATION, short="name"),
    Group("filter", "Only these results", FILTER, "Everything is planned where this says nothing."),
    Leaf("grid", SPAN, "Step of the pairs of a collocation", "PT1H, P1D", "spans", is_required=False),
    Leaf("averaging_scale", CHOICE, "Averaging scale", options="scales", is_required=False),
    Pairs(
        "parameters",
        "Parameters of the design",
        SCALAR,
        'A number, true or false, a text, or a list as ["a", "b"].',
        "design_parameters",
    ),
    Rows(
        "schedule",
        "Blocks of a crossover",
        "Block",
        "Add a block",
        (
            Leaf("start", MOMENT, "From"),
            Leaf("end", MOMENT, "Until (not included)"),
            Leaf("on", FLAG, "The device is", options="switched"),
        ),
    ),
    Leaf("profile", CHOICE, "Published targets", options="profiles", is_required=False),
    Leaf("blinded", FLAG, "Blinded until the evaluator unblinds it", options="yes", is_required=False),
    Words("independent", "Why its values do not depend on each other", is_required=False),
)

ABOUT: Final = (
    Fixed("schema"),
    Fixed("trial"),
    Leaf("version", NUMBER, "Version", is_required=False),
    Words("reason", "Changes of this amendment, and why", "From version 2 on.", is_required=False),
    Words("title", "Title"),
    Words("question", "Question"),
    Words("hypothesis", "Hypothesis"),
    Leaf("need", CODE, "Need", options="needs", is_required=False),
    Leaf("time_zone", CODE, "Time zone", "Its midnights bound the days.", is_required=False),
)
PERIODS: Final = Rows(
    "periods",
    "Periods",
    "Period",
    "Add a period",
    (
        Leaf("name", CHOICE, "Period", options="periods"),
        Leaf("start", MOMENT, "From"),
        Leaf("end", MOMENT, "Until (not included)"),
    ),
    "Local times of the time zone above. No result counts during washout.",
)
ARMS: Final = Rows(
    "arms",
    "Arms",
    "Arm",
    "Add an arm",
    (
        Leaf("name", CODE, "Code", "small letters, digits, - and _"),
        Leaf("role", CHOICE, "Role", options="roles"),
        Leaf("site", CODE, "Site", options="sites"),
        Names("devices", "Devices", "devices"),
    ),
    "A group of devices with one role.",
)
MEASUREMENTS: Final = Rows(
    "measurements",
    "Measurements",
    "Measurement",
    "Add a measurement",
    (
        Leaf("property", CODE, "Observed property", options="properties"),
        Names("arms", "Arms", "arms"),
        Leaf("interval", SPAN, "Planned time between two results", "PT15M, PT1H", "spans"),
        Leaf("holds", SPAN, "How long a result holds at most", "", "spans", is_required=False),
    ),
)
CHECKS: Final = Rows(
    "checks",
    "Quality checks",
    "Check of quality",
    "Add a check",
    (
        Leaf("property", CODE, "Observed property", options="properties"),
        Leaf("check", CHOICE, "Check of quality", options="checks"),
        Names("arms", "Arms", "arms", "None: every arm.", is_required=False),
        Pairs("parameters", "Parameters", SCALAR, options="check_parameters"),
    ),
)
CAPTURE: Final = Group(
    "capture",
    "Enough data",
    (
        Leaf("share", NUMBER, "Share of the planned intervals", "0.75", is_required=False),
        Leaf("days", NUMBER, "on this share of the days", "0.75", is_required=False),
        Leaf("day", NUMBER, "A day counts with this share", "0.75", is_required=False),
    ),
    "An arm and period below this cannot be evaluated.",
)
ENDPOINTS: Final = Rows("endpoints", "Endpoints", "Endpoint", "Add an endpoint", ENDPOINT)
EXCLUSIONS: Final = Rows(
    "exclusions",
    "Exclusions",
    "Exclusion",
    "Add an exclusion",
    (Either("", "Exclusion", RULE_OF_EXCLUSION),),
)
MISSING: Final = Either(
    "missing_data",
    "Missing data",
    (Leaf("worst_percentile", NUMBER, "Plausible worst value, as a percentile", "95", is_required=False),),
)
DECISIONS: Final = Group(
    "decisions",
    "Consequence of each verdict",
    (
        Words("met", "If it is met"),
        Words("not_met", "If it is not met"),
        Words("inconclusive", "If it is inconclusive"),
        Words("not_evaluable", "If it cannot be evaluated"),
    ),
    "Agreed before anyone knows the verdict.",
)
FURTHER: Final = (
    Leaf("confidence", NUMBER, "Confidence of the intervals", "0.95", is_required=False),
    Rows(
        "interim_looks",
        "Early looks",
        "Look",
        "Add an early look",
        (Leaf("", MOMENT, "When"),),
        "They may stop a trial for harm, and for nothing else.",
    ),
    Leaf("evaluate_by", MOMENT, "Evaluate by", is_required=False),
    Leaf("seed", NUMBER, "Seed of random numbers", is_required=False),
    Pairs("roles", "Who does what", TEXT_OF, "Role, and who has it."),
)
SECTIONS: Final[tuple[tuple[str, tuple[Part, ...]], ...]] = (
    ("Subject", ABOUT),
    ("Time", (PERIODS,)),
    ("Comparison", (ARMS, MEASUREMENTS)),
    ("Endpoints and criteria", (ENDPOINTS,)),
    ("Results that count", (CHECKS, CAPTURE, MISSING, EXCLUSIONS)),
    ("Consequences", (DECISIONS,)),
    ("Further settings", FURTHER),
)
PARTS: Final = tuple(part for _, parts in SECTIONS for part in parts)
WHOLE: Final = Group("", "", PARTS)
