"""The first page: what a purchasing committee asks first. Expected sentences are worked out by hand."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from insitu.language import Language
from tests.trials.test_package import small_inputs
from trials.evaluation import Estimate, Evaluation, document_of
from trials.judge.compute import compute
from trials.report.blocks import Figure, PageBreak, Paragraph, Table
from trials.report.build import build, report_number
from trials.report.words import WORDS
from trials.report.writer import Writer

BASE = document_of(compute(small_inputs()))


def changed(**facts: Any) -> dict[str, Any]:
    """The small evaluation with other facts; still a valid document."""
    document = {**json.loads(json.dumps(BASE)), **facts}
    Evaluation.model_validate(document)
    return document


def facts(document: dict[str, Any], language: Language = "en") -> dict[str, str]:
    """The table of the first page."""
    model = build(document, language)
    first = model.blocks[: next(n for n, block in enumerate(model.blocks) if isinstance(block, PageBreak))]
    (table,) = (block for block in first if isinstance(block, Table))
    return {row[0]: row[1] for row in table.rows}


def periods(first: str, middle: str, last: str) -> list[dict[str, str]]:
    return [
        {"name": "baseline", "start": first, "end": middle},
        {"name": "reporting", "start": middle, "end": last},
    ]


def with_periods(document: dict[str, Any]) -> dict[str, Any]:
    """Two periods of whole local days, across the end of summer time, in Paris."""
    document["time_zone"] = "Europe/Paris"
    document["protocol"]["periods"] = periods(
        "2026-10-01T00:00:00+02:00", "2026-10-31T00:00:00+01:00", "2026-11-30T00:00:00+01:00"
    )
    return document


def test_the_number_of_a_report_is_found_again_from_the_file() -> None:
    """Whole floats and all: the digits are those of the canonical bytes, here written without our code."""
    document = {"trial": "t", "evaluated_at": "2026-03-01T23:30:00Z", "a": 1.5, "b": [True, None, "é"]}
    data = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    assert report_number(document) == f"t-20260301-{hashlib.sha256(data).hexdigest()[:8]}"


def test_periods_are_written_as_first_and_last_day_and_counted() -> None:
    document = with_periods(changed())
    assert facts(document)["When"] == (
        "Baseline from 1 October 2026 to 30 October 2026 (30 days); reporting from 31 October 2026 to "
        "29 November 2026 (30 days)."
    )
    assert facts(document, "fr")["Dates"] == (
        "Référence initiale du 1er octobre 2026 au 30 octobre 2026 (30 jours)\u00a0; évaluation du "
        "31 octobre 2026 "
        "au 29 novembre 2026 (30 jours)."
    )


@pytest.mark.parametrize(
    ("locked", "text"),
    [
        (None, "It was never locked."),
        (
            "2026-10-01T00:00:00+02:00",
            "Locked on 1 October 2026 at 00:00, 30 days before the reporting period began.",
        ),
        (
            "2026-10-29T23:00:00+01:00",
            "Locked on 29 October 2026 at 23:00, 2 days before the reporting period began.",
        ),
        (
            "2026-10-30T21:30:00+01:00",
            "Locked on 30 October 2026 at 21:30, 2 hours before the reporting period began.",
        ),
        (
            "2026-10-30T23:59:00+01:00",
            "Locked on 30 October 2026 at 23:59, 1 minute before the reporting period began.",
        ),
        (
            "2026-10-31T00:00:00+01:00",
            "Locked on 31 October 2026 at 00:00, after the reporting period had begun.",
        ),
    ],
)
def test_the_lock_is_told_before_or_after_the_reporting_period(locked: str | None, text: str) -> None:
    document = with_periods(changed(protocol_locked_at=locked, versions=None))
    assert facts(document)["Plan"] == text


def test_amendments_are_counted_beside_the_first_lock() -> None:
    versions = [
        {
            "version": number,
            "locked_at": f"2026-10-{number:02}T00:00:00Z",
            "sha256": "0",
            "reason": None,
            "changed": [],
        }
        for number in (1, 2, 3)
    ]
    plan = facts(with_periods(changed(versions=versions)))["Plan"]
    assert plan.startswith("Locked on 1 October 2026 at 02:00, 30 days before")
    assert plan.endswith("It was amended 2 times since.")


def test_reservations_are_counted_by_where_they_are_named() -> None:
    clean = changed(deviations=[], findings=[], afterwards=None)
    for endpoint in clean["endpoints"]:
        endpoint["findings"] = []
    assert facts(clean)["Reservations"].startswith("None:")
    clean["deviations"] = [{"code": "not_locked", "evidence": {}}] * 2
    clean["endpoints"][0]["findings"] = [
        {"code": "no_control", "severity": "warning", "evidence": {}},
        {"code": "interim", "severity": "note", "evidence": {}},
    ]
    assert facts(clean)["Reservations"] == (
        "3 reservations: 2 deviations from the plan, 1 warning beside the endpoints."
    )


@pytest.mark.parametrize(
    ("value", "low", "high", "shown"),
    [
        (0.0089, -0.4232, 0.4411, ["0.01", "−0.42", "0.44"]),
        (-0.109, -0.4252, 0.206, ["−0.11", "−0.43", "0.21"]),
        (1.00771, 0.99243, 1.023, ["1.008", "0.992", "1.023"]),
        (0.0, -0.5, 0.5, ["0.0", "−0.5", "0.5"]),
        (0.0052, 0.0048, 0.0056, ["0.00520", "0.00480", "0.00560"]),
    ],
)
def test_an_estimate_has_the_digits_that_its_interval_lets_it_have(
    value: float, low: float, high: float, shown: list[str]
) -> None:
    writer = Writer(Evaluation.model_validate(changed()), "en")
    estimate = Estimate.model_validate(
        BASE["endpoints"][0]["criteria"][0]["estimate"] | {"value": value, "low": low, "high": high}
    )
    assert [writer.near(one, estimate) for one in (value, low, high)] == shown


def test_a_number_of_a_finding_has_its_unit() -> None:
    document = changed()
    finding = {"code": "placebo", "severity": "note", "evidence": {"dates": 17, "largest": -0.33}}
    document["endpoints"][0]["findings"] = [finding]
    document["endpoints"][0]["unit"] = "ug/m3"
    for language, words in (
        ("en", "The largest difference at 17 made-up dates within the baseline is −0.33\u202fµg/m³."),
        (
            "fr",
            "La plus grande différence à 17 dates fictives de la référence initiale est −0,33\u202fµg/m³.",
        ),
    ):
        blocks = build(document, language).blocks  # type: ignore[arg-type]
        assert words in [block.text for block in blocks if isinstance(block, Paragraph)]


def test_a_blinded_endpoint_counts_and_tells_nothing_on_the_first_page() -> None:
    document = changed()
    before = facts(document)
    for endpoint in document["endpoints"]:
        endpoint["blinded"] = True
        endpoint["findings"] = [{"code": "no_control", "severity": "warning", "evidence": {}}]
    after = facts(document)
    assert "warning" not in after["Reservations"]
    assert WORDS["others"] not in after
    assert WORDS["tipping"] not in after
    assert after["Tested side"] == before["Tested side"]


def sensor(device: str, serial: str, model: str = "S-1") -> dict[str, Any]:
    return {
        "device": device,
        "make": "Acme",
        "model": model,
        "serial": serial,
        "calibrated_at": None,
        "calibration": "",
        "start": None,
        "end": None,
    }


def test_the_tested_devices_are_named_with_make_model_and_serial_numbers() -> None:
    document = changed()
    document["protocol"]["arms"] = [
        {"name": "treated", "role": "candidate", "site": "s", "devices": ["a", "b", "c"]},
        {"name": "away", "role": "control", "site": "s", "devices": ["d"]},
    ]
    document["sensors"] = [sensor("a", "17"), sensor("b", "18"), sensor("c", "", "S-2"), sensor("d", "99")]
    told = facts(document)
    assert told["Tested side"] == (
        "3 devices in arm treated (candidate): a, b, c. Sensors: Acme S-1 (serial numbers 17, 18), Acme S-2 "
        "(no serial number entered)."
    )
    assert told["Compared with"] == (
        "1 device in arm away (control): d. Sensors: Acme S-1 (serial numbers 99)."
    )
    document["swaps"] = ["b → e", "e → f", "x → y"]
    document["sensors"] = [sensor("f", "30"), sensor("b", "18"), sensor("a", "17"), sensor("e", "29")]
    assert facts(document)["Tested side"] == (
        "3 devices in arm treated (candidate): a, b, c. Sensors: Acme S-1 (serial numbers 17, 18, 29, 30). "
        "Later e in place of b. Later f in place of e."
    ), "in the order of the devices, so that each number is that of its device"
    document["swaps"] = []
    document["protocol"]["arms"].pop()
    assert facts(document)["Compared with"] == "No device: the result is compared with the target alone."


def test_every_criterion_with_an_estimate_has_a_figure_whose_caption_names_it() -> None:
    document = changed()
    names = [
        (endpoint["title"]["en"], criterion["statistic"])
        for endpoint in document["endpoints"]
        for criterion in endpoint["criteria"]
        if criterion["estimate"]
    ]
    captions = [block.caption for block in build(document, "en").blocks if isinstance(block, Figure)]
    assert names
    assert len([one for one in captions if "estimate with its interval" in one]) == len(names)
    assert all(any(one.startswith(title) for one in captions) for title, _ in names)


def test_all_but_everything_is_not_everything() -> None:
    document = changed()
    document["gate"] = [{**document["gate"][0], "share": 0.99997}]
    assert facts(document)["Data capture"].startswith("At least 99.99")
    document["gate"] = [{**document["gate"][0], "share": 1.0}]
    assert facts(document)["Data capture"].startswith("At least 100\u202f%")


def test_the_moment_of_evaluation_is_written_in_the_zone_of_the_trial() -> None:
    when = datetime(2026, 6, 1, 22, 30, tzinfo=UTC)
    document = changed(time_zone="Europe/Paris", evaluated_at=when.isoformat())
    assert facts(document)["Evaluated at"] == "2 June 2026 at 00:30"
    assert facts(document, "fr")["Évalué le"] == "2 juin 2026 à 0\u00a0h\u00a030"
    first = changed(time_zone="Europe/Paris", evaluated_at=(when - timedelta(days=1)).isoformat())
    assert facts(first, "fr")["Évalué le"] == "1er juin 2026 à 0\u00a0h\u00a030"
