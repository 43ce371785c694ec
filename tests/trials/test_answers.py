"""The verdict on plain arrays is the one of an evaluation on the same results."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from insitu.arrays import Floats
from insitu.errors import CorrectInput
from insitu.model import Verdict
from tests.trials.test_missing import DAYS, HOURS, evaluated, lowered, silent
from tests.trials.world import HOUR, START
from trials.designs import Answer, ask
from trials.judge.answers import judged

TARGETS = {"effect": (None, 0.0)}


def asked(values: Floats, targets: dict[str, tuple[float | None, float | None]] | None = None) -> Answer:
    return ask(
        "before_after",
        arms={"candidate": {"baseline": values[:HOURS], "reporting": values[HOURS:]}},
        start={"baseline": START, "reporting": START + timedelta(days=DAYS)},
        interval=HOUR,
        time_zone="Europe/Paris",
        targets=TARGETS if targets is None else targets,
    )


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("share", [0.0, 0.1, 0.15])
def test_an_evaluation_finds_the_same(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    values = silent(rng, 0.7, share) if seed % 2 else lowered(rng, 6.0, share)
    found, (endpoint,) = judged(asked(values)), evaluated(values).endpoints
    assert found.verdict is endpoint.verdict
    codes = [one.code for one in endpoint.findings if one.code.startswith(("tipping", "missing_by"))]
    assert [one.code for one in found.findings] == codes
    assert found.missing is not None
    assert endpoint.missing is not None
    assert found.missing.missing == endpoint.missing.missing


def test_too_little_is_not_judged() -> None:
    values = lowered(np.random.default_rng(1), 6.0, 0.0)
    values[HOURS + 20 * 24 :] = np.nan
    found = judged(asked(values))
    assert found.verdict is Verdict.NOT_EVALUABLE
    assert [one.code for one in found.findings] == ["below_capture"]


def test_a_verdict_needs_a_target() -> None:
    answer = asked(lowered(np.random.default_rng(1), 6.0, 0.0), {})
    with pytest.raises(CorrectInput, match="targets="):
        judged(answer)
