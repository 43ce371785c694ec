"""The options of the fields: names of the catalogue and of the document itself, and what Insitu knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from insitu.language import Reader
from insitu.model import AveragingScale, DatastreamRole, PeriodName, WindowKind
from store.catalogue.datastreams import TrialDatastream
from trials import quality
from trials.designs import DESIGNS
from trials.designs.registry import find_statistic
from trials.plan.profiles import profiles
from trials.report.labels import AGGREGATION_WORDS, FILTER_WORDS
from trials.report.writer import LOCALE as REPORTS

LOCALE: Final = Path(__file__).parent / "locale"
_SPANS: Final = ("PT1M", "PT5M", "PT10M", "PT15M", "PT30M", "PT1H", "P1D", "P1W", "P1M")
_PARAMETERS: Final = (
    *("covariates", "family", "limit_value", "season"),
    *("trend_tolerance", "u_meas", "u_reference"),
)
"""Names that some design reads; a test compares them with the designs."""
WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "kinds": {"prose": "text for the reader", "rule": "rule that is computed"},
    "periods": {
        PeriodName.BASELINE: "baseline",
        PeriodName.WASHOUT: "washout",
        PeriodName.REPORTING: "reporting",
    },
    "roles": {
        DatastreamRole.CANDIDATE: "candidate",
        DatastreamRole.CONTROL: "control",
        DatastreamRole.REFERENCE: "reference",
    },
    "ranks": {"primary": "primary", "secondary": "secondary", "exploratory": "exploratory"},
    "switched": {"true": "on", "false": "off"},
    "yes": {"true": "yes", "false": "no"},
    "strategies": {"exclude": "do not count, and none is missing", "keep": "count all the same"},
    "events": {
        WindowKind.MAINTENANCE: "maintenance",
        WindowKind.ACCESS: "access",
        WindowKind.INCIDENT: "incident",
        "swap": "swap of a device",
    },
    "scales": {
        AveragingScale.ARITHMETIC: "arithmetic",
        AveragingScale.ENERGETIC: "energetic, of levels in dB",
        AveragingScale.CIRCULAR: "circular, of directions",
        AveragingScale.TIME_WEIGHTED: "weighted by time",
        AveragingScale.SUM: "sum, of amounts",
    },
}
"""Lists with words of their own."""
_OF_REPORTS: Final[Mapping[str, Iterable[str]]] = {
    "aggregations": AGGREGATION_WORDS,
    "weekdays": ("mon", "tue", "wed", "thu", "fri", "sat", "sun"),
    "holidays": ("without", "only"),
}
"""Lists with the words of reports."""


class Option(NamedTuple):
    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Choices:
    """`streams`: those of the trial; `sites`, `needs`: code → name in the reader's language."""

    reader: Reader
    streams: Sequence[TrialDatastream]
    sites: Mapping[str, str]
    needs: Mapping[str, str]

    def of(self, name: str, around: Sequence[Mapping[str, Any]]) -> Iterator[Option]:
        """`around`: the objects that hold the field, from the whole document inwards."""
        say, report = self.reader.translator(LOCALE), self.reader.translator(REPORTS)
        if name in WORDS:
            yield from (Option(str(value), say(text)) for value, text in WORDS[name].items())
        elif name in _OF_REPORTS:
            for value in _OF_REPORTS[name]:
                text = AGGREGATION_WORDS.get(value) or FILTER_WORDS[value]
                yield Option(value, report(text).format(q="q", threshold="…"))
        elif name == "designs":
            yield from (Option(one.name, report(one.title)) for one in DESIGNS.values())
        elif name == "statistics":
            yield from self._statistics(around, report)
        else:
            yield from (Option(value, label or value) for value, label in self._codes(name, around).items())

    def _statistics(
        self, around: Sequence[Mapping[str, Any]], report: Callable[[str], str]
    ) -> Iterator[Option]:
        """Those of the endpoint's design; of every design while it has none."""
        named = next((one["design"] for one in reversed(around) if isinstance(one.get("design"), str)), "")
        designs = [DESIGNS[named]] if named in DESIGNS else list(DESIGNS.values())
        for statistic in dict.fromkeys(name for design in designs for name in design.statistics):
            known = find_statistic(statistic)
            yield Option(statistic, f"{report(known.words) if known else statistic} ({statistic})")

    def _codes(self, name: str, around: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
        if name in ("sites", "needs"):
            return self.sites if name == "sites" else self.needs
        if name in _OF_STREAMS:
            return dict.fromkeys(sorted({getattr(one, _OF_STREAMS[name]) for one in self.streams}), "")
        if name == "arms":
            return dict.fromkeys(_names(around[0].get("arms")), "")
        if name == "check_parameters":
            check = quality.CHECKS.get(str(around[-1].get("check")))
            return dict.fromkeys(check.parameters.model_fields if check else (), "")
        return dict.fromkeys(_FIXED[name](), "")


_OF_STREAMS: Final = {"devices": "device", "properties": "property", "units": "unit"}
"""List → the field of a datastream."""
_FIXED: Final[Mapping[str, Callable[[], Iterable[str]]]] = {
    "spans": lambda: _SPANS,
    "checks": lambda: quality.CHECKS,
    "design_parameters": lambda: _PARAMETERS,
    "profiles": lambda: [
        f"{one}/{entry.name}" for one, found in profiles().items() for entry in found.entries
    ],
}


def _names(rows: Any) -> Iterator[str]:
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict) and isinstance(row.get("name"), str) and row["name"]:
            yield row["name"]


def needs_of(design: str, reader: Reader) -> tuple[list[str], list[str]]:
    """(arms, periods) that a design needs, in words; nothing for a name that is no design."""
    say, known = reader.translator(LOCALE), DESIGNS.get(design)
    if known is None:
        return [], []
    periods = [say(WORDS["periods"][one]) for one in known.periods]
    return [say(WORDS["roles"][DatastreamRole(one)]) for one in known.arms], periods
