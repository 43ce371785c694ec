"""An evaluation in a few lines, for a terminal."""

from __future__ import annotations

from trials.evaluation import EndpointResult, Estimate, Evaluation
from trials.judge.cautions import beside_the_verdict
from trials.plan.endpoint import Endpoint
from trials.report.labels import counted, day_value, is_plain
from trials.report.sentence import rounded, sentence_of


def _counted(estimate: Estimate) -> str:
    return counted(estimate) if estimate.counts else f"n = {counted(estimate)}"


def _word(judged: Evaluation | EndpointResult) -> str:
    return "blinded" if judged.blinded else f"{judged.verdict}{_qualification(judged)}"


def _qualification(judged: Evaluation | EndpointResult) -> str:
    return ", criteria set after the fact" if judged.after_the_fact else ""


def summary(evaluation: Evaluation) -> str:
    """Verdict, each criterion with its interval, and the findings in words."""
    lines = [
        f"{evaluation.trial}: {_word(evaluation)}"
        + (" (interim look: not a verdict)" if evaluation.interim else "")
    ]
    lines += [f"  {text.en}" for text in beside_the_verdict(evaluation)]
    for endpoint in evaluation.endpoints:
        planned = next(
            Endpoint.model_validate(e) for e in evaluation.protocol["endpoints"] if e["name"] == endpoint.name
        )
        of_days = "" if is_plain(planned) else f", {day_value(planned)}"
        lines.append(f"  {endpoint.name} ({endpoint.rank}, {endpoint.design}{of_days}): {_word(endpoint)}")
        for criterion in endpoint.criteria:
            target = criterion.target
            wanted = (
                f"[{'' if target.low is None else f'{target.low:g}'}, "
                f"{'' if target.high is None else f'{target.high:g}'}]"
            )
            found = "no estimate"
            if criterion.estimate is not None:
                e = criterion.estimate
                found = f"{rounded(e.value)} [{rounded(e.low)}, {rounded(e.high)}] {e.unit}, {_counted(e)}"
            verdict = f"{criterion.verdict}{_qualification(endpoint)}"
            lines.append(f"    {criterion.statistic}: {found}; wanted in {wanted}: {verdict}")
        lines += [f"    - {sentence_of(f)}" for f in endpoint.findings]
    lines += [f"  deviation: {sentence_of(d)}" for d in evaluation.deviations]
    lines += [f"  since the last evaluation: {sentence_of(c)}" for c in evaluation.causes or []]
    return "\n".join(lines)
