"""The verdict, its consequence, and the parties."""

from __future__ import annotations

from dataclasses import replace

from insitu.model import Verdict
from trials.designs.registry import unit_of
from trials.evaluation import Afterwards, CriterionResult, EndpointResult, TargetChange
from trials.report.blocks import Banner, Paragraph
from trials.report.labels import is_plain
from trials.report.words import WORDS
from trials.report.writer import AFTER_THE_FACT, LATE_MARK, MARKS, Writer


def _banner(w: Writer) -> Banner:
    notes = [
        note
        for one in w.e.afterwards or []
        for note in (w.pick(one.text), *(_other_target(w, one, target) for target in one.targets))
    ]
    notes += [w.pick(one.text) for one in w.e.cautions or []]
    return replace(_plain_banner(w), notes=tuple(notes))


def _other_target(w: Writer, said: Afterwards, change: TargetChange) -> str:
    """A sentence about a criterion: its target, and its target in the version before."""
    planned = [endpoint for endpoint in w.e.protocol["endpoints"] if endpoint["name"] == change.endpoint]
    title = w.pick(planned[0]["title"]) if planned else change.endpoint
    unit = unit_of(change.statistic, planned[0]["unit"]) if planned else ""
    before, after = (None if t is None else w.target(t, unit) for t in (change.before, change.after))
    if after is None:
        text = w._("{title}, {statistic}: nothing is asked for now; it was {before} in version {version}.")
    elif before is None:
        text = w._("{title}, {statistic}: {after}; version {version} asked for nothing of it.")
    else:
        text = w._("{title}, {statistic}: {after}; it was {before} in version {version}.")
    return text.format(
        title=title,
        statistic=w.statistic(change.statistic),
        before=before,
        after=after,
        version=said.evidence.get("before"),
    )


def _plain_banner(w: Writer) -> Banner:
    if w.e.blinded:
        told = w._("The verdict is withheld until the evaluator unblinds the primary endpoints.")
        return Banner(str(Verdict.NOT_EVALUABLE), MARKS[Verdict.NOT_EVALUABLE], w._(WORDS["blinded"]), told)
    if w.e.interim:
        seen = {Verdict.NOT_MET: "harm_seen", Verdict.NOT_EVALUABLE: "not_judged_yet"}.get(
            w.e.verdict, "no_harm_seen"
        )
        word = "stop_for_harm" if w.e.verdict is Verdict.NOT_MET else "interim"
        return Banner(str(w.e.verdict), MARKS[w.e.verdict], w._(WORDS[word]), w._(WORDS[seen]))
    decision = w.pick(w.e.protocol["decisions"][str(w.e.verdict)])
    leads_to = f"{w._(WORDS['would_lead_to' if w.e.after_the_fact else 'leads_to'])} {decision}"
    word, colour = w.verdict(w.e.verdict, w.e.after_the_fact), str(w.e.verdict)
    if w.e.after_the_fact and w.e.verdict is Verdict.MET:
        return Banner(AFTER_THE_FACT, LATE_MARK, word, leads_to)
    return Banner(colour, MARKS[w.e.verdict], word, leads_to)


def verdict(w: Writer) -> None:
    """The verdict with its question and the conclusion of each criterion that decides."""
    w.add(_banner(w))
    w.add(Paragraph(w.pick(w.e.protocol["question"]), "lead"))
    for endpoint in w.e.endpoints:
        if endpoint.rank == "primary":
            for text in _conclusions(w, endpoint):
                w.add(Paragraph(text))


def _conclusions(w: Writer, endpoint: EndpointResult) -> list[str]:
    """A sentence for each criterion with an estimate, or why there is none."""
    planned = w.planned(endpoint.name)
    title = w.pick(endpoint.title) + ("" if is_plain(planned) else f" ({w.day_value(planned)})")
    if endpoint.blinded:
        return [
            w._("{title}: blinded; its result is told when the evaluator unblinds it.").format(title=title)
        ]
    if all(criterion.estimate is None for criterion in endpoint.criteria):
        return [w._("{title}: it cannot be evaluated; the findings below say why.").format(title=title)]
    return [_conclusion(w, endpoint, title, criterion) for criterion in endpoint.criteria]


def _conclusion(w: Writer, endpoint: EndpointResult, title: str, criterion: CriterionResult) -> str:
    estimate, statistic = criterion.estimate, w.statistic(criterion.statistic)
    if estimate is None:
        text = w._("{title}: there is no estimate of {statistic}; the findings below say why.")
        return text.format(title=title, statistic=statistic)
    exact = estimate.low == estimate.high == estimate.value
    if w.e.interim:
        text = w._(
            "{title}: so far the estimate ({statistic}) is {value}, with a {level} % interval from {low} to "
            "{high}; the target at the end is {target}. No verdict yet."
        )
    elif exact:
        text = w._(
            "{title}: {statistic} is {value}, counted without sampling error; the target is {target}. "
            "Verdict: {verdict}."
        )
    else:
        text = w._(
            "{title}: the estimate ({statistic}) is {value}, with a {level} % interval from {low} to {high}; "
            "the target is {target}. Verdict: {verdict}."
        )
    return text.format(
        title=title,
        statistic=statistic,
        value=w.near_with_unit(estimate.value, estimate),
        level=w.number(100 * estimate.level),
        low=w.near(estimate.low, estimate),
        high=w.near_with_unit(estimate.high, estimate),
        target=w.target(criterion.target, estimate.unit),
        verdict=w.verdict(criterion.verdict, endpoint.after_the_fact).lower(),
    )
