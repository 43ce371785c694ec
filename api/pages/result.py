"""The result of a trial for its page: what the newest evaluation found about each primary endpoint."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from insitu.language import Language
from store.database import Connection
from store.read.progress import EvaluationHead
from store.trials import evaluation
from trials.evaluation import CriterionResult, EndpointResult, Estimate, Evaluation
from trials.report.writer import Writer

WIDTH: Final = 320
_MARGIN: Final = 12


@dataclass(frozen=True, slots=True)
class Scale:
    """Places on a line of WIDTH: the target from `low` to `high`, the interval, and the estimate."""

    target: tuple[float, float]
    edges: list[float]
    interval: tuple[float, float]
    estimate: float


@dataclass(frozen=True, slots=True)
class Found:
    """A criterion in the reader's words. `level`: of its interval; `is_exact`: it has no sampling error."""

    statistic: str
    estimate: str
    interval: str
    level: str
    is_exact: bool
    target: str
    verdict: str
    word: str
    scale: Scale | None


@dataclass(frozen=True, slots=True)
class Result:
    """A primary endpoint; no criteria where its result is withheld or could not be estimated."""

    title: str
    blinded: bool
    criteria: list[Found]


def load_result(conn: Connection, newest: EvaluationHead | None, language: Language) -> list[Result] | None:
    """Each primary endpoint of the newest evaluation; the reader may read evaluations. None for a stored
    document that is none.
    """
    stored = None if newest is None else evaluation(conn, newest.evaluation_id)
    if stored is None:
        return []
    try:
        document = Evaluation.model_validate(json.loads(stored.document))
    except ValueError:  # also of JSON, and of pydantic
        return None
    writer = Writer(document, language)
    return [_result(writer, one) for one in document.endpoints if one.rank == "primary"]


def _result(w: Writer, endpoint: EndpointResult) -> Result:
    criteria = []
    if not endpoint.blinded:
        criteria = [
            _found(w, endpoint, one, one.estimate) for one in endpoint.criteria if one.estimate is not None
        ]
    return Result(w.pick(endpoint.title), bool(endpoint.blinded), criteria)


def _found(w: Writer, endpoint: EndpointResult, criterion: CriterionResult, estimate: Estimate) -> Found:
    return Found(
        statistic=w.statistic(criterion.statistic),
        estimate=w.near_with_unit(estimate.value, estimate),
        interval=w.interval(estimate),
        level=w.number(100 * estimate.level),
        is_exact=estimate.low == estimate.high == estimate.value,
        target=w.target(criterion.target, estimate.unit),
        verdict=str(criterion.verdict),
        word=w.verdict(criterion.verdict, endpoint.after_the_fact),
        scale=_scale(criterion, estimate),
    )


def _scale(criterion: CriterionResult, estimate: Estimate) -> Scale | None:
    """None where the places would be no numbers."""
    edges = [edge for edge in (criterion.target.low, criterion.target.high) if edge is not None]
    marks = [estimate.low, estimate.high, estimate.value, *edges]
    low, span = min(marks), max(marks) - min(marks)
    if not 0 < span < 1e300:
        return None

    def place(value: float) -> float:
        return round(_MARGIN * 2 + (WIDTH - 4 * _MARGIN) * (value - low) / span, 1)

    return Scale(
        (
            0.0 if criterion.target.low is None else place(criterion.target.low),
            float(WIDTH) if criterion.target.high is None else place(criterion.target.high),
        ),
        [place(edge) for edge in edges],
        (place(estimate.low), place(estimate.high)),
        place(estimate.value),
    )
