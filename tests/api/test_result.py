"""The trial's page begins with the result. Numbers are compared with those of the stored document."""

from __future__ import annotations

import json
import re
from typing import Any

import psycopg
import pytest

from api.pages.result import WIDTH, _result, _scale
from tests.api.conftest import SignIn
from tests.api.world import World
from tests.trials.test_package import small_inputs
from trials.evaluation import CriterionResult, Estimate, document_of
from trials.evaluation import Evaluation as Document
from trials.judge.compute import compute
from trials.plan.parts import Target
from trials.plan.values import Text
from trials.report.writer import Writer

PATH = "/trials/ward-ventilation"


def stored(url: str, number: int) -> dict[str, Any]:
    with psycopg.connect(url) as conn:
        found = conn.execute("SELECT document FROM evaluation WHERE evaluation_id = %s", (number,)).fetchone()
    assert found is not None
    document: dict[str, Any] = found[0] if isinstance(found[0], dict) else json.loads(found[0])
    return document


def section(text: str) -> str:
    """The card of the result; empty without one."""
    return text.partition('aria-labelledby="result"')[2].partition("</section>")[0]


def test_the_result_is_first_and_has_every_primary_criterion(
    client: SignIn, world: World, world_url: str
) -> None:
    page = client("judge").get(PATH).text
    shown = section(page)
    assert page.index('id="result"') < page.index('id="capture"')
    for endpoint in stored(world_url, world.evaluation_id)["endpoints"]:
        if endpoint["rank"] != "primary":
            continue
        assert endpoint["title"]["en"] in shown
        if endpoint["blinded"]:
            assert "withheld" in shown
        for criterion in endpoint["criteria"]:
            if criterion["estimate"] is not None and not endpoint["blinded"]:
                numbers = [float(n.replace("\u2212", "-")) for n in re.findall(r"[\u2212\d][\d.]*", shown)]
                for name in ("value", "low", "high"):
                    value = criterion["estimate"][name]
                    assert any(n == pytest.approx(value, rel=0.01, abs=0.011) for n in numbers), (name, value)


@pytest.mark.parametrize("login", ["hospital", "boreal", "lab", "auditor", "hospital-buyer"])
def test_only_readers_of_evaluations_find_a_result(client: SignIn, login: str) -> None:
    answer = client(login).get(PATH)
    reads = client(login).get("/api/v1/trials/ward-ventilation/evaluations").status_code == 200
    assert bool(section(answer.text)) == (answer.status_code == 200 and reads)


def test_the_operator_of_the_host_finds_none(client: SignIn) -> None:
    assert section(client("hospital").get(PATH).text) == ""


def test_a_trial_without_an_evaluation_has_no_result(client: SignIn) -> None:
    assert section(client("lab").get("/trials/platform-air").text) == ""


def test_a_blinded_endpoint_shows_nothing_of_its_numbers() -> None:
    document = document_of(compute(small_inputs()))
    for endpoint in document["endpoints"]:
        endpoint["blinded"] = True
    read = Document.model_validate(document)
    for endpoint in read.endpoints:
        shown = _result(Writer(read, "en"), endpoint)
        assert (shown.blinded, shown.criteria) == (True, [])


@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_result_is_written_as_the_report_writes_it(language: Any) -> None:
    document = Document.model_validate(document_of(compute(small_inputs())))
    writer = Writer(document, language)
    for endpoint in document.endpoints:
        for found, criterion in zip(_result(writer, endpoint).criteria, endpoint.criteria, strict=True):
            assert criterion.estimate is not None
            assert found.interval == writer.interval(criterion.estimate)
            assert found.target == writer.target(criterion.target, criterion.estimate.unit)


def criterion(value: float, low: float, high: float, target: Target) -> CriterionResult:
    estimate = Estimate(
        statistic="effect", value=value, low=low, high=high, level=0.95, unit="1", method="x", n=9
    )
    return CriterionResult(
        statistic="effect",
        target=target,
        level=0.95,
        estimate=estimate,
        verdict="met",  # type: ignore[arg-type]
        justification=Text(en="x", fr="x"),
    )


@pytest.mark.parametrize(
    ("given", "inside"),
    [
        ((-11.0, -13.7, -8.2, Target(low=None, high=-5.0)), True),
        ((-3.0, -6.0, 0.0, Target(low=None, high=-5.0)), False),
        ((1.0, 0.99, 1.04, Target(low=0.65, high=1.35)), True),
        ((5.0, 4.0, 6.0, Target(low=7.0, high=None)), False),
    ],
)
def test_the_small_picture_says_what_the_verdict_says(given: Any, inside: bool) -> None:
    one = criterion(*given)
    assert one.estimate is not None
    scale = _scale(one, one.estimate)
    assert scale is not None
    low, high = scale.interval
    assert low <= scale.estimate <= high
    assert (scale.target[0] <= low and high <= scale.target[1]) == inside
    assert all(0 <= place <= WIDTH for place in (*scale.target, low, high, scale.estimate))


def test_a_picture_without_a_width_is_not_drawn() -> None:
    one = criterion(1.0, 1.0, 1.0, Target(low=1.0, high=None))
    assert one.estimate is not None
    assert _scale(one, one.estimate) is None


def test_the_outlook_is_folded_away_only_after_a_verdict(
    client: SignIn, world: World, world_url: str
) -> None:
    page = client("lab").get(PATH).text
    document = stored(world_url, world.evaluation_id)
    decided = not document["interim"] and not document["blinded"]
    folded = "What could be expected before the trial was evaluated" in page
    assert 'id="expected"' in page
    assert folded == decided
