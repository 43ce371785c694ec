"""Each endpoint: criteria, figures, findings."""

from __future__ import annotations

from typing import Literal, cast

from trials.designs.registry import unit_of
from trials.evaluation import CriterionResult, EndpointResult, Estimate
from trials.plan import profiles
from trials.report import charts
from trials.report.blocks import Figure, Heading, Paragraph, Table
from trials.report.words import WORDS
from trials.report.writer import Writer


def endpoints(w: Writer) -> None:
    """Each endpoint with its criteria, figures and findings."""
    w.add(Heading(w._(WORDS["endpoints"])))
    for endpoint in w.e.endpoints:
        label = "" if endpoint.rank == "primary" else f" ({w._(WORDS[endpoint.rank])})"
        w.add(Heading(w.pick(endpoint.title) + label, 3))
        verdict = w.word(endpoint.verdict, endpoint.blinded, endpoint.after_the_fact)
        w.add(Paragraph(f"{verdict} · {w.design(endpoint.design)}"))
        w.add(Paragraph(w._("Day value: {what}.").format(what=w.day_value(w.planned(endpoint.name)))))
        if (named := w.planned(endpoint.name).profile) is not None:
            w.add(Paragraph(_profile(w, named), "small"))
        w.add(_criteria_table(w, endpoint))
        _figures(w, endpoint)
        for found in endpoint.findings:
            style: Literal["plain", "warning"] = "plain" if found.severity == "note" else "warning"
            w.add(Paragraph(w.sentence(found, endpoint.unit), style))


def _profile(w: Writer, name: str) -> str:
    """The source of the targets, and when they are valid."""
    if not profiles.is_known(name):
        return w._("Targets: profile {name}, which this version does not know.").format(name=name)
    whole, found = profiles.profile(name.partition("/")[0]), profiles.entry(name)
    source, checked = found.source or whole.source, w.pick(found.checked) if found.checked else ""
    return w._("Targets: {title} ({part}); {document}, {section}; valid {validity}. {checked}").format(
        title=w.pick(whole.title),
        part=w.pick(found.title),
        document=source.document,
        section=w.pick(source.section),
        validity=profiles.validity(found),
        checked=checked,
    )


def _criteria_table(w: Writer, endpoint: EndpointResult) -> Table:
    rows = []
    for criterion in endpoint.criteria:
        estimate = criterion.estimate
        unit = estimate.unit if estimate else endpoint.unit
        rows.append(
            [
                w.statistic(criterion.statistic),
                w.near_with_unit(estimate.value, estimate) if estimate else "–",
                w.interval(estimate),
                w.target(criterion.target, unit),
                w.word(criterion.verdict, endpoint.blinded, endpoint.after_the_fact),
                w.counted(estimate) if estimate else "–",
            ]
        )
    head = [w._(WORDS[key]) for key in ("statistic", "estimate", "interval", "target", "verdict", "rests_on")]
    caption = w._("Criteria of {title}, with two-sided intervals.").format(title=w.pick(endpoint.title))
    return Table(caption, head, rows, (1, 2))


def _figures(w: Writer, endpoint: EndpointResult) -> None:
    title = w.pick(endpoint.title)
    several = len(endpoint.criteria) > 1
    for criterion in endpoint.criteria:
        if criterion.estimate is not None:
            named = f"{title}, {w.statistic(criterion.statistic)}" if several else title
            w.add(_interval_figure(w, named, criterion))
    if endpoint.lines:
        lines = [
            (w.line(endpoint.design, line.name), [(d.day.isoformat(), d.value) for d in line.days])
            for line in endpoint.lines
        ]
        merged: dict[str, list[tuple[str, float | None]]] = {}
        for name, days in lines:
            merged.setdefault(name, []).extend(days)
        starts = [(p["start"][:10], w._(WORDS[p["name"]])) for p in w.e.protocol["periods"]]
        spec = charts.daily(
            lines=list(merged.items()),
            title=w.unit(unit_of(endpoint.lines[0].name, endpoint.unit)),
            starts=starts,
        )
        alt = w._("Day values of {title}, from {first} to {last}.").format(
            title=title,
            first=w.reader.written_day(endpoint.lines[0].days[0].day),
            last=w.reader.written_day(endpoint.lines[-1].days[-1].day),
        )
        w.add(
            Figure(
                spec,
                alt,
                w._(
                    "{title}: day values, means over the devices of an arm. A missing day breaks the line."
                ).format(title=title),
            )
        )
    found = {e.statistic: e for e in endpoint.estimates}
    if endpoint.pairs and "slope" in found:
        spec = charts.scatter(
            pairs=[(p.x, p.y) for p in endpoint.pairs],
            slope=found["slope"].value,
            intercept=found["intercept"].value,
            x_title=f"{w._(WORDS['reference'])} ({w.unit(endpoint.unit)})",
            y_title=f"{w._(WORDS['candidate'])} ({w.unit(endpoint.unit)})",
        )
        alt = w._(
            "Scatter of {n} pairs of candidate and reference with the line of identity and the fitted line."
        ).format(n=len(endpoint.pairs))
        w.add(
            Figure(
                spec,
                alt,
                w._(
                    "Candidate against reference on the protocol's grid; dashed: identity; solid: "
                    "fitted line."
                ),
            )
        )


def _interval_figure(w: Writer, title: str, criterion: CriterionResult) -> Figure:
    estimate = cast(Estimate, criterion.estimate)
    statistic = w.statistic(criterion.statistic)
    spec = charts.interval(
        label=statistic,
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        target_low=criterion.target.low,
        target_high=criterion.target.high,
        unit="" if estimate.unit == "1" else w.unit(estimate.unit),
    )
    alt = w._("{statistic} {value}, interval {interval}, target {target}.").format(
        statistic=statistic,
        value=w.near(estimate.value, estimate),
        interval=w.interval(estimate),
        target=w.target(criterion.target, estimate.unit),
    )
    caption = w._("{title}: estimate with its interval; shaded: where the whole interval must lie.")
    return Figure(spec, f"{title}. {alt}", caption.format(title=title))
