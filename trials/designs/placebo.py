"""Gates whose scale is the effect seen, never the target: made-up dates in the baseline, a drift that would
explain the effect, and covariates that are not balanced. Rules 2. docs/designs/4-before-after.md has the
measurements.
"""

from __future__ import annotations

import numpy as np

from insitu.arrays import Floats
from trials.designs.question import Answer, Question
from trials.sentences import finding
from trials.statement import Sentence
from trials.statistics.inference import Difference

SIDE = 7
"""Days on either side of a made-up date."""
WHOLE, HALF, STRICT = 1.0, 0.5, 0.4
"""Share of the effect that a made-up date may not reach: half where no covariate checks the season, since a
drift that made the whole effect shows half of it at the middle of a baseline as long as the reporting period.
The strict one, less the noise, by rules 2 and 3, which ask for no step.
"""
COVARIATE_EXPLAINS = Sentence(
    "covariate_explains",
    "blocking",
    "{covariate} differs by {difference} between the periods, which by its slope in the baseline makes an "
    "effect of {shift}, more than the half-width of the interval, {half_width}: use adjusted_before_after.",
)


def is_decided(question: Question, periods: Difference) -> bool:
    """Whether the interval of the effect excludes 0: otherwise there is no effect to explain."""
    low, high = periods.interval(question.level)
    return low > 0 or high < 0


def check_placebo(
    result: Answer, values: Floats, effect: float, ends: tuple[float, float], share: float
) -> None:
    """Blocks if a made-up date in the baseline shows `share` of the effect, in its direction. `values`: day
    values of the baseline. `ends`: of the interval of the effect.
    """
    if ends[0] <= 0 <= ends[1]:
        return
    series = values[np.isfinite(values)]
    sign = 1.0 if effect > 0 else -1.0
    dates = range(SIDE, len(series) - SIDE + 1)
    apart = [sign * float(series[at:].mean() - series[:at].mean()) for at in dates]
    if apart and max(apart) >= share * abs(effect):
        result.findings.append(finding("placebo_as_large", largest=sign * max(apart), effect=effect))


def check_balance(
    question: Question,
    result: Answer,
    name: str,
    x: tuple[Floats, Floats],
    y: Floats,
    periods: Difference,
) -> None:
    """Blocks if the change of a covariate alone would shift the result by more than the interval's
    half-width. `x`: its day values in both periods; `y`: day values of the baseline.
    """
    before, after = x
    both = np.isfinite(before) & np.isfinite(y) if len(before) == len(y) else np.zeros(0, bool)
    later = after[np.isfinite(after)]
    if both.sum() < SIDE or not len(later) or float(np.ptp(before[both])) == 0:
        return
    away = before[both] - before[both].mean()
    slope = float(np.sum(away * (y[both] - y[both].mean())) / np.sum(away**2))
    difference = float(later.mean() - before[both].mean())
    low, high = periods.interval(question.level)
    if abs(slope * difference) > (high - low) / 2:
        result.findings.append(
            COVARIATE_EXPLAINS.state(
                covariate=name,
                difference=difference,
                shift=slope * difference,
                half_width=(high - low) / 2,
            )
        )
