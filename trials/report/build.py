"""Evaluation document → blocks of a report in one language. Makes every sentence; the renderers only lay
out.
"""

from __future__ import annotations

from typing import Any

from insitu.language import Language
from trials.evaluation import Evaluation
from trials.report.blocks import ReportModel
from trials.report.sections.endpoints import endpoints
from trials.report.sections.happened import capture, happened, sensitivity
from trials.report.sections.method import method, protocol, recompute
from trials.report.sections.verdict import verdict
from trials.report.words import WORDS
from trials.report.writer import Writer

SECTIONS = (verdict, endpoints, capture, happened, sensitivity, method, protocol, recompute)


def build(document: dict[str, Any], language: Language) -> ReportModel:
    """The whole report."""
    evaluation = Evaluation.model_validate(document)
    writer = Writer(evaluation, language)
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
