"""Documents of older rules: what they did not hold is left out."""

from __future__ import annotations

from typing import TypeVar

from trials.evaluation import CriterionResult, EndpointResult, Estimate, Sensitivity

Judged = TypeVar("Judged", CriterionResult, Sensitivity)


def without_counts(endpoint: EndpointResult) -> EndpointResult:
    """The endpoint as rules 1 write it: `n` alone."""
    parts = {
        "criteria": [_without(one) for one in endpoint.criteria],
        "sensitivity": [_without(one) for one in endpoint.sensitivity],
        "estimates": [_plain(one) for one in endpoint.estimates],
    }
    return endpoint.model_copy(update=parts)


def _without(judged: Judged) -> Judged:
    if judged.estimate is None:
        return judged
    return judged.model_copy(update={"estimate": _plain(judged.estimate)})


def _plain(estimate: Estimate) -> Estimate:
    return estimate.model_copy(update={"counts": None, "inference_by": None})
