"""Real collocations: hourly NO2 of a candidate beside a reference analyser in York, against results computed elsewhere."""

from __future__ import annotations

import csv
import itertools
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from insitu.model import PeriodName, Verdict
from tests.trials.world import Floats, criterion, endpoint, period, protocol, question, series
from tests.trials.world import inputs as inputs_of
from trials.compute import compute
from trials.designs import DESIGNS
from trials.metrics import bias, mae, nrmse, ols, orthogonal, r_squared, reu, rmse

pytestmark = pytest.mark.york


def folder() -> Path:
    """INSITU_YORK_DIR, else `shared/data` beside the repository or above it; skips where there is none."""
    given = os.environ.get("INSITU_YORK_DIR")
    above = [parent / "shared" / "data" for parent in Path(__file__).resolve().parents]
    for place in [Path(given)] if given else above:
        if (place / "york_no2_2020.csv").is_file():
            return place
    pytest.skip("the York series are not here: set INSITU_YORK_DIR to the folder of york_no2_2020.csv")


def stated(name: str) -> dict[str, float]:
    """The row of a file in the table of SOURCES.md."""
    text = (folder() / "SOURCES.md").read_text("utf-8")
    found = re.search(rf"^\| {re.escape(name)} \|([^|]+\|){{5}}", text, re.MULTILINE)
    assert found is not None
    cells = [float(cell) for cell in found[0].strip("|").split("|")[1:]]
    return dict(zip(("n", "r2", "slope", "intercept", "rmse"), cells, strict=True))


def read(name: str) -> tuple[datetime, Floats, Floats]:
    """(start, candidate, reference), hour by hour; NaN where a cell is empty."""
    with (folder() / name).open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    times = [datetime.fromisoformat(row[0]) for row in rows]
    assert all(later - earlier == timedelta(hours=1) for earlier, later in itertools.pairwise(times))
    number = [[float(cell) if cell not in ("", "NA", "NaN") else np.nan for cell in row[1:3]] for row in rows]
    reference, candidate = np.array(number).T
    return times[0].astimezone(UTC), candidate, reference


FILES = ["york_no2_2020.csv", "york_no2_2021.csv"]


@pytest.mark.parametrize("name", FILES)
def test_the_metrics_agree_with_the_independent_results(name: str) -> None:
    expected = stated(name)
    _, candidate, reference = read(name)
    line = ols(candidate=candidate, reference=reference)
    assert int((np.isfinite(candidate) & np.isfinite(reference)).sum()) == expected["n"]
    assert r_squared(candidate=candidate, reference=reference) == pytest.approx(expected["r2"], abs=5.1e-5)
    assert line.slope == pytest.approx(expected["slope"], abs=5.1e-5)
    assert line.intercept == pytest.approx(expected["intercept"], abs=5.1e-5)
    assert rmse(candidate=candidate, reference=reference) == pytest.approx(expected["rmse"], abs=5.1e-5)


@pytest.mark.parametrize("name", FILES)
def test_the_design_finds_what_the_metrics_find_with_intervals_around_it(name: str) -> None:
    start, candidate, reference = read(name)
    made = endpoint("reference_collocation", [criterion("slope", 0.65, 1.35)], arms=["candidate", "reference"])
    units = {("candidate", PeriodName.REPORTING): [candidate], ("reference", PeriodName.REPORTING): [reference]}
    answer = DESIGNS["reference_collocation"].answer(question(made, units, start=start))
    found = {known.statistic: known for known in answer.statistics}
    pair = {"candidate": candidate, "reference": reference}
    line, across = ols(**pair), orthogonal(**pair)
    expected = {
        "r2": r_squared(**pair), "slope": line.slope, "intercept": line.intercept, "slope_orthogonal": across.slope,
        "intercept_orthogonal": across.intercept, "rmse": rmse(**pair), "nrmse": nrmse(**pair), "bias": bias(**pair), "mae": mae(**pair),
    }  # fmt: skip
    assert {s: k.value for s, k in found.items()} == pytest.approx(expected, rel=1e-9)
    assert {known.n for known in found.values()} == {int(stated(name)["n"])}
    for known in found.values():
        low, high = known.interval(0.95)
        assert low < known.value < high


def test_a_whole_evaluation_tells_the_good_year_from_the_bad_one() -> None:
    """2020: a slope of .70 and 4.4 ppb of error; 2021: nearly the analyser itself. The EPA's targets for NO2, RMSE within 3 ppb."""
    verdicts = {}
    for name in FILES:
        start, candidate, reference = read(name)
        criteria = [criterion("slope", 0.85, 1.15), criterion("r2", low=0.7), criterion("rmse", high=3)]
        made = endpoint("reference_collocation", criteria, arms=["candidate", "reference"])
        plan = protocol(made, periods=[period("reporting", 0, 62, start)], time_zone="Europe/London")
        streams = [series("candidate-1", candidate, start=start), series("reference-1", reference, start=start, role="reference")]
        verdicts[name] = compute(inputs_of(plan, streams)).verdict
    assert verdicts == {FILES[0]: Verdict.NOT_MET, FILES[1]: Verdict.MET}


def test_the_relative_expanded_uncertainty_separates_them_too() -> None:
    """At 21 ppb (about 40 µg/m³): below the 25 % of indicative measurements in 2021 only."""
    good, bad = (reu(candidate=read(name)[1], reference=read(name)[2], at=21.0) for name in FILES[::-1])
    assert good < 25 < bad
