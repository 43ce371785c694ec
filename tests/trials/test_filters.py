"""Filters that separate what belongs together, and protocols that name filters."""

from __future__ import annotations

import json
from typing import Any

import pytest

from insitu.errors import CorrectInput
from tests.trials.test_aggregate import BY_HAND, ONE, PERCENTILE, REFUSED, evaluated, office, written
from tests.trials.world import (
    criterion,
    endpoint,
    protocol_json,
    series,
)
from trials.designs.reading import read_for_designs
from trials.evaluation import document_of
from trials.plan.endpoint import Endpoint
from trials.plan.reading import document_of as protocol_document
from trials.plan.reading import read_protocol
from trials.report.build import build
from trials.report.labels import day_value
from trials.report.texts import summary


def test_the_report_names_aggregation_and_filter_in_both_languages() -> None:
    kept = {
        "hours": ["22:00", "06:00"],
        "weekdays": ["mon", "tue"],
        "holidays": "without",
        "devices": ["candidate-1"],
    }
    evaluation, _ = evaluated([series("candidate-1", office())], days=20, aggregation=PERCENTILE, filter=kept)
    en, fr = (
        json.dumps(
            [getattr(b, "text", "") for b in build(document_of(evaluation), language).blocks],
            ensure_ascii=False,
        )
        for language in ("en", "fr")
    )
    what = (
        "percentile 95 of means over 2\u202fh, 22:00–06:00, Monday, Tuesday, without public holidays, "
        "devices candidate-1"
    )
    assert f"Day value: {what}." in en
    assert f"Nitrogen dioxide ({what}): it cannot be evaluated" in en
    quoi = (
        "centile 95 des moyennes sur 2\u202fh, 22:00–06:00, lundi, mardi, hors jours fériés, appareils "
        "candidate-1"
    )
    assert f"Valeur du jour\u00a0: {quoi}." in fr
    assert f"Dioxyde d’azote ({quoi})" in fr
    assert f"limit_compliance, {what})" in summary(evaluation)


def test_a_threshold_is_told_with_the_unit_of_the_property() -> None:
    share = {"name": "exceedance_share", "threshold": 20}
    evaluation, _ = evaluated([series("candidate-1", office())], days=20, aggregation=share, unit="%")
    texts = [getattr(b, "text", "") for b in build(document_of(evaluation), "en").blocks]
    assert any("share of steps above 20\u202fµg/m³" in text for text in texts)


def test_every_aggregation_has_words() -> None:
    for aggregation, _ in BY_HAND:
        made = endpoint("limit_compliance", [criterion("mean", high=30)], arms=["candidate"])
        text = day_value(Endpoint.model_validate(made).model_copy(update={"aggregation": aggregation}))
        assert "{" not in text
        assert text


def test_an_aggregation_without_numbers_is_a_name_and_one_with_them_an_object() -> None:
    for stated, shown in (
        ("lden", "lden"),
        ({"name": "max"}, "max"),
        (PERCENTILE, {"name": "percentile", "q": 95.0, "step": "PT2H"}),
    ):
        document = protocol_document(read_protocol(written(aggregation=stated)))
        assert document["endpoints"][0]["aggregation"] == shown
        assert protocol_document(read_protocol(json.dumps(document))) == document
    assert "filter" not in document["endpoints"][0]


@pytest.mark.parametrize(("more", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_cannot_be_computed_is_refused_by_its_field(more: dict[str, Any], message: str) -> None:
    with pytest.raises(CorrectInput) as caught:
        read_protocol(written(**more), source="plan.json")
    assert f"plan.json: {message}" in str(caught.value) or message in str(caught.value)


def test_a_collocation_compares_means() -> None:
    made = endpoint(
        "reference_collocation",
        [criterion("r2", low=0.7)],
        arms=["candidate", "reference"],
        aggregation="max",
    )
    with pytest.raises(
        CorrectInput,
        match=r"endpoints\.main\.aggregation: reference_collocation compares means on its grid, not max",
    ):
        read_for_designs(json.dumps(protocol_json(made, periods=ONE)))
