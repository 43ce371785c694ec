"""The verdict of an endpoint from its statistics: each criterion, alternatives, all together.
`trials.statistics.criteria` has the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from insitu.model import Verdict
from trials.designs import Answer, Known
from trials.evaluation import CriterionResult, Estimate
from trials.plan.endpoint import Endpoint
from trials.plan.parts import Criterion, Target
from trials.sentences import finding
from trials.statement import Statement
from trials.statistics import criteria

Rule = Callable[[str, float, float, Target], Verdict]
"""(statistic, ends of its interval, target) → verdict."""


DECIDED: Final = (Verdict.MET, Verdict.NOT_MET)


def at_the_end(_statistic: str, low: float, high: float, target: Target) -> Verdict:
    """The rule of `trials.statistics.criteria`, the same for every statistic."""
    return criteria.judge(low, high, target)


def verdict_of(
    endpoint: Endpoint, known: dict[str, Known], level: float, *, blocked: bool, rule: Rule = at_the_end
) -> tuple[list[CriterionResult], Verdict, list[Statement]]:
    """Each criterion at the level, and the endpoint: alternatives first, then all together, not_met at level
    1 − α/m.
    """
    more = []
    results: list[CriterionResult] = []
    strict: list[Verdict] = []
    count = len(endpoint.criteria)
    for criterion in endpoint.criteria:
        found = known.get(criterion.statistic)
        if found is None:
            verdict = Verdict.NOT_EVALUABLE
            if not blocked:
                more.append(finding("margin_missing", statistic=criterion.statistic))
            strict.append(verdict)
        else:
            verdict = rule(found.statistic, *found.interval(level), criterion.target)
            strict.append(rule(found.statistic, *found.interval(1 - (1 - level) / count), criterion.target))
        results.append(
            CriterionResult(
                statistic=criterion.statistic,
                target=criterion.target,
                level=level,
                estimate=found.estimate(level) if found else None,
                verdict=verdict,
                justification=criterion.justification,
            )
        )
    if blocked or more:
        return results, Verdict.NOT_EVALUABLE, more
    pairs = list(zip([r.verdict for r in results], strict, strict=True))
    joined = [
        _together(endpoint.criteria, pairs, statistics) for statistics in alternatives(endpoint.criteria)
    ]
    return results, criteria.all_of([one for one, _ in joined], [other for _, other in joined]), more


def left_open(answer: Answer, verdict: Verdict) -> Verdict:
    """`inconclusive` in place of a decided verdict on an answer that stays open."""
    return Verdict.INCONCLUSIVE if answer.is_open and verdict in DECIDED else verdict


def alternatives(planned: Sequence[Criterion]) -> list[list[str]]:
    """The statistics of the criteria in groups; a criterion and its alternative belong to one group."""
    groups: list[list[str]] = []
    for criterion in planned:
        names = [criterion.statistic, *([criterion.alternative_to] if criterion.alternative_to else [])]
        touched = [group for group in groups if set(group) & set(names)]
        merged = [name for group in touched for name in group]
        groups = [group for group in groups if group not in touched] + [list(dict.fromkeys(merged + names))]
    return groups


def _together(
    planned: Sequence[Criterion], pairs: Sequence[tuple[Verdict, Verdict]], statistics: Sequence[str]
) -> tuple[Verdict, Verdict]:
    """(verdict, strict verdict) of alternatives: one statistic is enough, but it must meet all the criteria
    that name it.
    """
    verdicts, stricts = [], []
    for statistic in statistics:
        own = [
            pair for criterion, pair in zip(planned, pairs, strict=True) if criterion.statistic == statistic
        ]
        if own:
            strict = [other for _, other in own]
            verdicts.append(criteria.all_of([one for one, _ in own], strict))
            stricts.append(criteria.all_of(strict, strict))
    return criteria.any_of(verdicts), criteria.any_of(stricts)


def judged(endpoint: Endpoint, estimate: Estimate, rule: Rule = at_the_end) -> Verdict:
    """Judges an estimate by every criterion that names its statistic."""
    verdicts = [
        rule(c.statistic, estimate.low, estimate.high, c.target)
        for c in endpoint.criteria
        if c.statistic == estimate.statistic
    ]
    return criteria.all_of(verdicts, verdicts)
