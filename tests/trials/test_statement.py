"""Coded statements: their form in documents, and that each code has one sentence."""

from __future__ import annotations

from collections import Counter

import pytest
from pydantic import BaseModel, ValidationError

from trials.designs import DESIGNS, Design
from trials.judge.expectations import EndpointOutlook
from trials.report.sentence import sentence_of, sentences
from trials.sentences import cause, deviation, finding, note
from trials.statement import AsCause, AsDeviation, AsFinding, Kind, Statement


class Written(BaseModel):
    findings: list[AsFinding] = []
    deviations: list[AsDeviation] = []
    causes: list[AsCause] = []


DOCUMENT = {
    "findings": [{"code": "no_control", "severity": "warning", "evidence": {}}],
    "deviations": [
        {"code": "device_moved", "evidence": {"device": "a", "from": "x/1", "to": "x/2", "day": "2026-03-01"}}
    ],
    "causes": [
        {"code": "flags_changed", "evidence": {"datastream": "a/no2", "flags": ["PASS -3", "SUSPECT +3"]}}
    ],
}


def test_a_document_writes_a_statement_without_its_kind_and_only_a_finding_with_its_severity() -> None:
    moved = deviation("device_moved", device="a", **{"from": "x/1", "to": "x/2", "day": "2026-03-01"})
    flags = cause("flags_changed", datastream="a/no2", flags=["PASS -3", "SUSPECT +3"])
    written = Written(findings=[finding("no_control")], deviations=[moved], causes=[flags])
    document = written.model_dump(mode="json")
    assert document == DOCUMENT
    assert list(document["findings"][0]) == ["code", "severity", "evidence"]
    assert Written.model_validate(document) == written


def test_a_document_without_evidence_is_read_and_gives_the_kind_and_severity_of_its_field() -> None:
    read = Written.model_validate(
        {"deviations": [{"code": "not_locked"}], "causes": [{"code": "of_tomorrow"}]}
    )
    assert read.deviations == [deviation("not_locked")]
    assert (read.causes[0].kind, read.causes[0].severity) == (Kind.CAUSE, "note")


@pytest.mark.parametrize(
    "document",
    [
        {"findings": [{"code": "no_control", "evidence": {}}]},
        {"findings": [{"code": "no_control", "severity": "fatal", "evidence": {}}]},
        {"findings": [{"code": "no_control", "severity": "note", "kind": "finding", "evidence": {}}]},
        {"deviations": [{"code": "not_locked", "severity": "warning", "evidence": {}}]},
        {"causes": [{"code": "other_code", "evidence": {}, "more": 1}]},
        {"causes": ["other_code"]},
    ],
)
def test_a_field_that_no_document_has_or_that_is_missing_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Written.model_validate(document)


def test_a_statement_stands_only_in_the_field_of_its_kind() -> None:
    with pytest.raises(ValidationError, match="not_locked is a deviation, not a finding"):
        Written(findings=[deviation("not_locked")])


def test_an_outlook_writes_code_and_evidence_of_its_notes() -> None:
    made = EndpointOutlook(
        name="main",
        title={"en": "T", "fr": "T"},  # type: ignore[arg-type]
        rank="primary",
        design="replicates",
        level=0.95,
        days=3,
        criteria=[],
        notes=[note("too_few_days", days=3, needed=14)],
    )
    (written,) = made.model_dump(mode="json")["notes"]
    assert written == {"code": "too_few_days", "evidence": {"days": 3, "needed": 14}}


def test_a_statement_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        finding("no_control").severity = "blocking"


@pytest.mark.parametrize("kind", Kind)
def test_each_code_of_a_kind_has_one_sentence_that_ends(kind: Kind) -> None:
    listed = list(sentences(kind))
    assert [code for code, count in Counter(one.code for one in listed).items() if count > 1] == []
    assert {one.kind for one in listed} == {kind}
    assert [one.text for one in listed if not one.text.endswith((".", "{reason}", "{flags}."))] == []


def test_a_code_of_two_kinds_has_the_sentence_of_each() -> None:
    assert sentence_of(finding("blinded")).startswith("This endpoint is blinded")
    assert sentence_of(note("blinded")).startswith("The endpoint is blinded")


def test_a_sentence_lists_names_and_writes_a_dash_for_nothing() -> None:
    assert sentence_of(cause("flags_changed", datastream="a/no2", flags=["PASS -3", "FAIL +3"])) == (
        "a/no2: results count by other flags: PASS -3, FAIL +3."
    )
    assert (
        sentence_of(cause("other_code", name="numpy", before=None, after="2.4")) == "numpy – then, 2.4 now."
    )


def test_a_sentence_is_translated_and_its_numbers_are_written_as_the_reader_writes_them() -> None:
    stated = deviation("other_interval", datastream="a/no2", measured_s=7.5, planned_s=5.0)
    said = sentence_of(
        stated,
        translate=lambda _: "{datastream} : {measured_s} s, {planned_s} s",
        show=lambda name, value: f"{value:.2f}".replace(".", ",") if isinstance(value, float) else value,
    )
    assert said == "a/no2 : 7,50 s, 5,00 s"


def test_a_code_of_another_version_is_shown_as_it_is() -> None:
    unknown = Statement(kind=Kind.FINDING, code="of_tomorrow", severity="note", evidence={"days": 3})
    assert sentence_of(unknown) == "of_tomorrow: {'days': 3}"
    less = Statement(kind=Kind.FINDING, code="too_few_days", severity="blocking", evidence={"days": 3})
    assert sentence_of(less) == "too_few_days: {'days': 3}"


# -- what designs own


@pytest.mark.parametrize("design", DESIGNS.values(), ids=list(DESIGNS))
def test_a_design_has_a_title_a_method_and_words_for_each_statistic(design: Design) -> None:
    assert design.title
    assert design.method.endswith(".")
    assert [name for name, one in design.statistics.items() if name != one.name or not one.words] == []


def test_a_statistic_of_several_designs_is_the_same_in_each() -> None:
    known = [one for design in DESIGNS.values() for one in design.statistics.values()]
    assert [
        one.name for one in known if any(one.name == other.name and one != other for other in known)
    ] == []
