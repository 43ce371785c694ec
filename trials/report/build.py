"""Evaluation document → blocks of a report in one language. Makes every sentence; the renderers only lay
out.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from insitu.language import Language
from trials.evaluation import Evaluation
from trials.plan.reading import digest
from trials.report.blocks import ReportModel
from trials.report.sections.endpoints import endpoints
from trials.report.sections.glance import glance
from trials.report.sections.happened import capture, happened, sensitivity
from trials.report.sections.method import method, protocol, recompute
from trials.report.sections.verdict import verdict
from trials.report.words import WORDS
from trials.report.writer import Writer

SECTIONS = (verdict, glance, endpoints, capture, happened, sensitivity, method, protocol, recompute)


def report_number(document: dict[str, Any]) -> str:
    """Trial, day in UTC, and the first digits of the SHA-256 of evaluation.json, by which everybody finds it
    again.
    """
    when = datetime.fromisoformat(document["evaluated_at"]).astimezone(UTC)
    return f"{document['trial']}-{when:%Y%m%d}-{digest(document)[:8]}"


def build(document: dict[str, Any], language: Language) -> ReportModel:
    """The whole report."""
    evaluation = Evaluation.model_validate(document)
    writer = Writer(evaluation, language, report_number(document))
    if evaluation.simulated_time:
        writer.model.notices.append(writer._(WORDS["simulated"]))
    if evaluation.interim:
        writer.model.notices.append(writer._(WORDS["interim"]))
        writer.model.watermark = writer._(WORDS["interim"])
    if evaluation.after_the_fact:
        writer.model.notices.append(writer._(WORDS["after_the_fact_notice"]))
    for section in SECTIONS:
        section(writer)
    return writer.model
