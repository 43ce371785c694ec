"""Evaluation document → blocks of a report in one language: every sentence is made here, the renderers only
lay out.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, cast
from zoneinfo import ZoneInfo

from insitu.language import Language, Reader, catalogue
from insitu.model import Verdict
from trials.designs.question import unit_of
from trials.evaluation import CriterionResult, EndpointResult, Estimate, Evaluation
from trials.findings import sentence
from trials.plan import profiles
from trials.plan.endpoint import Endpoint
from trials.plan.parts import Target
from trials.report import charts
from trials.report.blocks import Banner, Figure, Heading, Paragraph, ReportModel, Table
from trials.report.history import History
from trials.report.labels import day_value, is_plain
from trials.report.words import (
    DESIGN_WORDS,
    METHODS,
    SENSITIVITY_WORDS,
    STATISTIC_WORDS,
    UNITS,
    VERDICT_WORDS,
    WORDS,
)

LOCALE = Path(__file__).parent / "locale"
MOST_GAPS = 20
"""So many gaps a report prints, the longest first."""


MARKS = {Verdict.MET: "✓", Verdict.NOT_MET: "✗", Verdict.INCONCLUSIVE: "≈", Verdict.NOT_EVALUABLE: "–"}


def build(document: dict[str, Any], language: Language) -> ReportModel:
    """The whole report."""
    evaluation = Evaluation.model_validate(document)
    return _Builder(evaluation, language).build()


class _Builder:
    def __init__(self, evaluation: Evaluation, language: Language) -> None:
        self.e = evaluation
        self.reader = Reader(language, evaluation.time_zone)
        self.texts = catalogue(LOCALE, language)
        self._: Callable[[str], str] = self.reader.translator(LOCALE)
        self.model = ReportModel(language, self.pick(evaluation.title), self._(WORDS["subtitle"]), [])
        self.add = self.model.blocks.append
        self.history = History(evaluation, self.reader, self._, self.finding, self.number)

    def pick(self, text: Any) -> str:
        return self.reader.pick(text if isinstance(text, dict) else text.model_dump())

    def number(self, value: float | None, digits: int = 3) -> str:
        """So many significant digits, in the reader's way, without an exponent."""
        if value is None:
            return "–"
        size = abs(value)
        decimals = digits - 1
        while size >= 10 and decimals > 0:
            size, decimals = size / 10, decimals - 1
        return self.reader.number(
            round(value, decimals + (2 if size < 0.1 and value else 0)), decimals + (2 if size < 0.1 else 0)
        )

    def unit(self, unit: str) -> str:
        return UNITS.get(unit, unit)

    def with_unit(self, value: float | None, unit: str) -> str:
        shown = self.unit(unit)
        return self.number(value) + (f"\u202f{shown}" if shown and shown != "1" else "")

    def build(self) -> ReportModel:
        if self.e.simulated_time:
            self.model.notices.append(self._(WORDS["simulated"]))
        if self.e.interim:
            self.model.notices.append(self._(WORDS["interim"]))
            self.model.watermark = self._(WORDS["interim"])
        self._verdict()
        self._endpoints()
        self._capture()
        self._happened()
        self._sensitivity()
        self._method()
        self._protocol()
        self._recompute()
        return self.model

    # -- verdict and endpoints

    def _word(self, verdict: Verdict, blinded: bool | None) -> str:
        """A verdict with its mark; what is blinded has none."""
        return (
            f"{MARKS[Verdict.NOT_EVALUABLE]} {self._(WORDS['blinded'])}"
            if blinded
            else f"{MARKS[verdict]} {self._(VERDICT_WORDS[verdict])}"
        )

    def _banner(self) -> Banner:
        if self.e.blinded:
            told = self._("The verdict is withheld until the evaluator unblinds the primary endpoints.")
            return Banner(
                str(Verdict.NOT_EVALUABLE), MARKS[Verdict.NOT_EVALUABLE], self._(WORDS["blinded"]), told
            )
        if self.e.interim:
            seen = {Verdict.NOT_MET: "harm_seen", Verdict.NOT_EVALUABLE: "not_judged_yet"}.get(
                self.e.verdict, "no_harm_seen"
            )
            word = "stop_for_harm" if self.e.verdict is Verdict.NOT_MET else "interim"
            return Banner(
                str(self.e.verdict), MARKS[self.e.verdict], self._(WORDS[word]), self._(WORDS[seen])
            )
        decision = self.pick(self.e.protocol["decisions"][str(self.e.verdict)])
        leads_to = f"{self._(WORDS['leads_to'])} {decision}"
        return Banner(
            str(self.e.verdict), MARKS[self.e.verdict], self._(VERDICT_WORDS[self.e.verdict]), leads_to
        )

    def _verdict(self) -> None:
        self.add(self._banner())
        self.add(Paragraph(self.pick(self.e.protocol["question"]), "lead"))
        for endpoint in self.e.endpoints:
            if endpoint.rank == "primary":
                self.add(Paragraph(self._conclusion(endpoint)))
        rows = [[self._(WORDS[role]), name] for role, name in self.e.organisations.items() if name] + [
            [self._(WORDS["sites"]), ", ".join(self.e.sites.values())],
            [self._(WORDS["evaluated_at"]), self.reader.moment(self.e.evaluated_at, "long")],
        ]
        self.add(Table(self._(WORDS["who"]), [self._(WORDS["role"]), self._(WORDS["name"])], rows))

    def _planned(self, name: str) -> Endpoint:
        return next(Endpoint.model_validate(e) for e in self.e.protocol["endpoints"] if e["name"] == name)

    def _day_value(self, planned: Endpoint) -> str:
        """What the day values are, in words: aggregation and filter."""
        unit = next((d.unit for d in self.e.datastreams if d.property == planned.property), "")
        return day_value(
            planned, translate=self._, quantity=lambda v: self.with_unit(v, unit), number=self.number
        )

    def _conclusion(self, endpoint: EndpointResult) -> str:
        planned = self._planned(endpoint.name)
        title = self.pick(endpoint.title) + ("" if is_plain(planned) else f" ({self._day_value(planned)})")
        if endpoint.blinded:
            return self._("{title}: blinded; its result is told when the evaluator unblinds it.").format(
                title=title
            )
        decided = next((c for c in endpoint.criteria if c.estimate is not None), None)
        if decided is None or decided.estimate is None:
            return self._("{title}: it cannot be evaluated; the findings below say why.").format(title=title)
        sentence = (
            self._(
                "{title}: so far {statistic} is {value}, with a {level} % interval from {low} to {high}; "
                "wanted at the end is {target}. No verdict yet."
            )
            if self.e.interim
            else self._(
                "{title}: {statistic} is {value}, with a {level} % interval from {low} to {high}; wanted is "
                "{target}. Verdict: {verdict}."
            )
        )
        return sentence.format(
            title=title,
            statistic=self._(STATISTIC_WORDS.get(decided.statistic, decided.statistic)),
            value=self.with_unit(decided.estimate.value, decided.estimate.unit),
            level=self.number(100 * decided.estimate.level),
            low=self.number(decided.estimate.low),
            high=self.with_unit(decided.estimate.high, decided.estimate.unit),
            target=self.target(decided.target, decided.estimate.unit),
            verdict=self._(VERDICT_WORDS[endpoint.verdict]).lower(),
        )

    def target(self, target: Target, unit: str) -> str:
        if target.low is None:
            return self._("at most {high}").format(high=self.with_unit(target.high, unit))
        if target.high is None:
            return self._("at least {low}").format(low=self.with_unit(target.low, unit))
        return self._("from {low} to {high}").format(
            low=self.number(target.low), high=self.with_unit(target.high, unit)
        )

    def interval(self, estimate: Estimate | None) -> str:
        if estimate is None:
            return "–"
        return f"[{self.number(estimate.low)} ; {self.number(estimate.high)}]"

    def _endpoints(self) -> None:
        self.add(Heading(self._(WORDS["endpoints"])))
        for endpoint in self.e.endpoints:
            label = "" if endpoint.rank == "primary" else f" ({self._(WORDS[endpoint.rank])})"
            self.add(Heading(self.pick(endpoint.title) + label, 3))
            self.add(
                Paragraph(
                    f"{self._word(endpoint.verdict, endpoint.blinded)} · "
                    f"{self._(DESIGN_WORDS.get(endpoint.design, endpoint.design))}"
                )
            )
            self.add(
                Paragraph(
                    self._("Day value: {what}.").format(what=self._day_value(self._planned(endpoint.name)))
                )
            )
            if (named := self._planned(endpoint.name).profile) is not None:
                self.add(Paragraph(self._profile(named), "small"))
            self.add(self._criteria_table(endpoint))
            self._figures(endpoint)
            for found in endpoint.findings:
                style: Literal["plain", "warning"] = "plain" if found.severity == "note" else "warning"
                self.add(Paragraph(self.finding(found.code, dict(found.evidence)), style))

    def _profile(self, name: str) -> str:
        """Whose targets these are, where they stand and when they hold."""
        if not profiles.is_known(name):
            return self._("Targets: profile {name}, which this version does not know.").format(name=name)
        whole, found = profiles.profile(name.partition("/")[0]), profiles.entry(name)
        source, checked = found.source or whole.source, self.pick(found.checked) if found.checked else ""
        return self._("Targets: {title} ({part}); {document}, {section}; valid {validity}. {checked}").format(
            title=self.pick(whole.title),
            part=self.pick(found.title),
            document=source.document,
            section=self.pick(source.section),
            validity=profiles.validity(found),
            checked=checked,
        )

    def finding(self, code: str, evidence: dict[str, Any]) -> str:
        shown: dict[str, object] = {
            key: self.number(value)
            if isinstance(value, float)
            else self._evidence(key, value)
            if isinstance(value, str)
            else value
            for key, value in evidence.items()
        }
        return sentence(code, shown, self.texts)

    def _evidence(self, key: str, text: str) -> str:
        if key == "day":
            return self.reader.day(
                datetime.fromisoformat(text).replace(hour=12, tzinfo=ZoneInfo(self.reader.time_zone))
            )
        return (
            self.reader.moment(datetime.fromisoformat(text), "short") if key.endswith("_at") else self._(text)
        )

    def _criteria_table(self, endpoint: EndpointResult) -> Table:
        rows = []
        for criterion in endpoint.criteria:
            estimate = criterion.estimate
            unit = estimate.unit if estimate else endpoint.unit
            rows.append(
                [
                    self._(STATISTIC_WORDS.get(criterion.statistic, criterion.statistic)),
                    self.with_unit(estimate.value, unit) if estimate else "–",
                    self.interval(estimate),
                    self.target(criterion.target, unit),
                    self._word(criterion.verdict, endpoint.blinded),
                    str(estimate.n) if estimate else "–",
                ]
            )
        head = [self._(WORDS[key]) for key in ("statistic", "estimate", "interval", "target", "verdict", "n")]
        caption = self._("Criteria of {title}, with two-sided intervals.").format(
            title=self.pick(endpoint.title)
        )
        return Table(caption, head, rows, (1, 2, 5))

    def _figures(self, endpoint: EndpointResult) -> None:
        title = self.pick(endpoint.title)
        for criterion in endpoint.criteria[:1]:
            if criterion.estimate is not None:
                self.add(self._interval_figure(title, criterion))
        if endpoint.lines:
            lines = [
                (self._(WORDS.get(line.name, line.name)), [(d.day.isoformat(), d.value) for d in line.days])
                for line in endpoint.lines
            ]
            merged: dict[str, list[tuple[str, float | None]]] = {}
            for name, days in lines:
                merged.setdefault(name, []).extend(days)
            starts = [(p["start"][:10], self._(WORDS[p["name"]])) for p in self.e.protocol["periods"]]
            spec = charts.daily(
                lines=list(merged.items()),
                title=self.unit(unit_of(endpoint.lines[0].name, endpoint.unit)),
                starts=starts,
            )
            alt = self._("Day values of {title}, from {first} to {last}.").format(
                title=title, first=lines[0][1][0][0], last=lines[-1][1][-1][0]
            )
            self.add(
                Figure(
                    spec,
                    alt,
                    self._("Day values, means over the devices of an arm. A missing day breaks the line."),
                )
            )
        found = {e.statistic: e for e in endpoint.estimates}
        if endpoint.pairs and "slope" in found:
            spec = charts.scatter(
                pairs=[(p.x, p.y) for p in endpoint.pairs],
                slope=found["slope"].value,
                intercept=found["intercept"].value,
                x_title=f"{self._(WORDS['reference'])} ({self.unit(endpoint.unit)})",
                y_title=f"{self._(WORDS['candidate'])} ({self.unit(endpoint.unit)})",
            )
            alt = self._(
                "Scatter of {n} pairs of candidate and reference with the line of identity and the fitted "
                "line."
            ).format(n=len(endpoint.pairs))
            self.add(
                Figure(
                    spec,
                    alt,
                    self._(
                        "Candidate against reference on the protocol's grid; dashed: identity; solid: "
                        "fitted line."
                    ),
                )
            )

    def _interval_figure(self, title: str, criterion: CriterionResult) -> Figure:
        estimate = cast(Estimate, criterion.estimate)
        statistic = self._(STATISTIC_WORDS.get(criterion.statistic, criterion.statistic))
        spec = charts.interval(
            label=statistic,
            value=estimate.value,
            low=estimate.low,
            high=estimate.high,
            target_low=criterion.target.low,
            target_high=criterion.target.high,
            unit=self.unit(estimate.unit),
        )
        alt = self._("{statistic} {value}, interval {interval}, target {target}.").format(
            statistic=statistic,
            value=self.number(estimate.value),
            interval=self.interval(estimate),
            target=self.target(criterion.target, estimate.unit),
        )
        return Figure(
            spec,
            f"{title}. {alt}",
            self._("Estimate with its interval; shaded: where the whole interval must lie."),
        )

    # -- what happened

    def _capture(self) -> None:
        self.add(Heading(self._(WORDS["capture"])))
        titles = {e.name: self.pick(e.title) for e in self.e.endpoints}
        rows = [
            [
                g.arm + (f" ({titles[g.endpoint]})" if g.endpoint else ""),
                g.property,
                self._(WORDS[str(g.period)]),
                str(g.planned),
                str(g.excused),
                str(g.valid),
                self.number(100 * g.share) + "\u202f%",
                f"{g.days_valid}/{g.days}",
                "✓" if g.passed else "✗",
            ]
            for g in self.e.gate
        ]
        head = [
            self._(WORDS[k])
            for k in ("arm", "property", "period", "planned", "excused", "valid", "share", "days", "enough")
        ]
        self.add(
            Table(
                self._("Planned and valid intervals; those inside declared windows leave the denominator."),
                head,
                rows,
                (3, 4, 5, 6, 7),
            )
        )
        rows = [
            [
                d.datastream,
                self.unit(d.unit),
                str(d.received),
                *(str(d.by_flag.get(name, 0)) for name in ("PASS", "SUSPECT", "FAIL", "NOT_EVALUATED")),
                f"{d.checks_run}/{d.checks_planned}",
                str(d.late),
            ]
            for d in self.e.datastreams
            if d.arm is not None
            and any(m["property"] == d.property for m in self.e.protocol["measurements"])
            and d.checks_planned
        ]
        head = [
            self._(WORDS[k])
            for k in (
                "datastream",
                "unit",
                "received",
                "pass",
                "suspect",
                "fail",
                "not_evaluated",
                "checks",
                "late",
            )
        ]
        self.add(
            Table(
                self._("Observations by quality flag, for the datastreams that were checked."),
                head,
                rows,
                (2, 3, 4, 5, 6, 8),
            )
        )

    def _happened(self) -> None:
        self.add(Heading(self._(WORDS["happened"])))
        if self.e.deviations or self.e.swaps:
            for deviation in self.e.deviations:
                self.add(Paragraph(self.finding(deviation.code, dict(deviation.evidence)), "warning"))
        else:
            self.add(Paragraph(self._("Nothing deviated from the protocol.")))
        self._table_or_none(
            self._("Windows."),
            ("kind", "target_of", "start", "end", "reason", "declared"),
            [
                [
                    self._(WORDS.get(w.kind, w.kind)),
                    w.target,
                    self.reader.moment(w.start, "short"),
                    self.reader.moment(w.end, "short"),
                    w.reason,
                    self.reader.moment(w.declared_at, "short"),
                ]
                for w in self.e.windows
            ],
            self._("No window was declared."),
        )
        longest = sorted(self.e.gaps, key=lambda g: (g.start - g.end, g.device, g.start))[:MOST_GAPS]
        self._table_or_none(
            self._(
                "Gaps of the primary endpoints' datastreams: the {n} longest of {all}; evaluation.json has "
                "every one."
            ).format(n=len(longest), all=len(self.e.gaps)),
            ("device", "property", "start", "end", "cause", "backfilled"),
            [
                [
                    g.device,
                    g.property,
                    self.reader.moment(g.start, "short"),
                    self.reader.moment(g.end, "short"),
                    self._(WORDS[f"cause_{g.cause}"]),
                    self._(WORDS["yes"] if g.backfilled else WORDS["no"]),
                ]
                for g in longest
            ],
            self._("There was no gap."),
        )
        self._table_or_none(
            self._("Messages refused at the door, by reason."),
            ("device", "reason", "messages", "results"),
            [[r.device, r.reason, str(r.messages), str(r.results)] for r in self.e.rejects],
            self._("No message was refused."),
        )
        for block in [*self.history.looks(), *self.history.changes()]:
            self.add(block)

    def _table_or_none(self, caption: str, head: tuple[str, ...], rows: list[list[str]], none: str) -> None:
        if rows:
            self.add(Table(caption, [self._(WORDS[k]) for k in head], rows))
        else:
            self.add(Paragraph(none))

    def _sensitivity(self) -> None:
        rows = []
        for endpoint in self.e.endpoints:
            shown = {c.statistic for c in endpoint.criteria[:2]}
            for s in endpoint.sensitivity:
                if s.estimate is not None and s.statistic in shown:
                    name, _, what = s.name.partition(":")
                    words = self._(SENSITIVITY_WORDS.get(name, name)) + (f" {what}" if what else "")
                    verdict = f"{MARKS[s.verdict]} {self._(VERDICT_WORDS[s.verdict])}" if s.verdict else "–"
                    rows.append(
                        [
                            self.pick(endpoint.title),
                            words,
                            self._(STATISTIC_WORDS.get(s.statistic, s.statistic)),
                            self.number(s.estimate.value),
                            self.interval(s.estimate),
                            verdict,
                        ]
                    )
        self.add(Heading(self._(WORDS["sensitivity"])))
        self._table_or_none(
            self._("The same under other choices; none of these decides."),
            ("endpoint", "choice", "statistic", "estimate", "interval", "verdict"),
            rows,
            self._("There is nothing to vary."),
        )

    # -- method, protocol, hashes

    def _method(self) -> None:
        self.add(Heading(self._(WORDS["method"])))
        self.add(Paragraph(self._(METHODS["rule"])))
        self.add(Paragraph(self._(METHODS["days"])))
        for design in [
            *dict.fromkeys(e.design for e in self.e.endpoints),
            *(["early_look"] if self.e.interim else []),
        ]:
            if design in METHODS:
                self.add(Paragraph(self._(METHODS[design])))

    def _protocol(self) -> None:
        p = self.e.protocol
        self.add(Heading(self._(WORDS["protocol"])))
        locked = self.e.protocol_locked_at
        state = (
            self._("Locked on {when}.").format(when=self.reader.moment(locked, "long"))
            if locked
            else self._("Not locked.")
        )
        self.add(Paragraph(state))
        for block in self.history.versions():
            self.add(block)
        self.add(Paragraph(f"{self._(WORDS['hypothesis'])} {self.pick(p['hypothesis'])}"))
        self.add(Paragraph(f"{self._(WORDS['missing_data'])} {self.pick(p['missing_data'])}"))
        rows = [
            [
                self._(WORDS[q["name"]]),
                *(self.reader.moment(datetime.fromisoformat(q[edge]), "short") for edge in ("start", "end")),
            ]
            for q in p["periods"]
        ]
        self.add(
            Table(self._("Periods, half-open."), [self._(WORDS[k]) for k in ("period", "start", "end")], rows)
        )
        rows = [
            [
                a["name"],
                self._(WORDS[a["role"]]),
                self.e.sites.get(a["site"], a["site"]),
                ", ".join(a["devices"]),
            ]
            for a in p["arms"]
        ]
        self.add(Table(self._("Arms."), [self._(WORDS[k]) for k in ("arm", "role", "site", "devices")], rows))
        rows = [
            [
                self.pick(e["title"]),
                self._(STATISTIC_WORDS.get(c["statistic"], c["statistic"])),
                self.target(Target.model_validate(c["target"]), unit_of(c["statistic"], e["unit"])),
                self.pick(c["justification"]),
            ]
            for e in p["endpoints"]
            for c in e["criteria"]
        ]
        self.add(
            Table(
                self._("Targets and why they were chosen."),
                [self._(WORDS[k]) for k in ("endpoint", "statistic", "target", "why")],
                rows,
            )
        )

    def _recompute(self) -> None:
        self.add(Heading(self._(WORDS["recompute"])))
        self.add(
            Paragraph(
                self._(
                    "Every number of this report can be recomputed from the trial package, without a "
                    "database: insitu verify PACKAGE."
                )
            )
        )
        rows = [
            [self._("Protocol, SHA-256"), self.e.protocol_sha256],
            [self._("Observations, SHA-256"), self.e.inputs_sha256],
            [self._("Number of observations"), self.reader.number(self.e.observations, 0)],
            [self._("Seed"), str(self.e.seed)],
            *([name, text] for name, text in self.e.code.items()),
        ]
        self.add(
            Table(
                self._("Fingerprints and versions."), [self._(WORDS["what"]), self._(WORDS["content"])], rows
            )
        )
