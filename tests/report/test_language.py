from __future__ import annotations

import ast
import re

from insitu.language import catalogue
from trials.designs import DESIGNS, early_look
from trials.report import words
from trials.report.labels import (
    AGGREGATION_WORDS,
    COUNT_WORDS,
    FILTER_WORDS,
    GLANCE_WORDS,
    INFERENCE_WORDS,
    PERIOD_WORDS,
    VALUE_WORDS,
)
from trials.report.sentence import sentences
from trials.report.writer import LOCALE
from trials.statement import Kind

_PLACE = re.compile(r"\{(\w+)\}")
_TABLES = ("VERDICT_WORDS", "CHOICE_WORDS", "WORDS", "METHODS", "REASON_WORDS", "PROPERTY_WORDS")


def texts() -> set[str]:
    """Every English text that a report may look up a translation for."""
    found = {one.text for kind in Kind if kind is not Kind.NOTE for one in sentences(kind)}
    for design in DESIGNS.values():
        found |= {design.title, design.method, *design.lines.values(), *design.other_choices.values()}
        found |= {statistic.words for statistic in design.statistics.values()}
    found |= {early_look.METHOD_WORDS}
    found |= set(AGGREGATION_WORDS.values()) | set(FILTER_WORDS.values())
    found |= {
        text
        for table in (COUNT_WORDS, VALUE_WORDS, PERIOD_WORDS, GLANCE_WORDS)
        for texts in table.values()
        for text in texts
    }
    found |= set(INFERENCE_WORDS.values())
    for name in _TABLES:
        found |= set(getattr(words, name).values())
    nodes = [
        node
        for module in sorted(LOCALE.parent.rglob("*.py"))
        for node in ast.walk(ast.parse(module.read_text("utf-8")))
    ]
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "_":
            argument = node.args[0]
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                found.add(argument.value)
    return found


def test_every_text_of_a_report_has_a_french_translation() -> None:
    missing = sorted(texts() - catalogue(LOCALE, "fr").keys())
    assert not missing, "\n".join(missing)


def test_the_french_holds_no_text_that_no_report_has() -> None:
    unused = sorted(catalogue(LOCALE, "fr").keys() - texts())
    assert not unused, "\n".join(unused)


def test_a_translated_sentence_has_the_same_parts_as_its_original() -> None:
    different = {
        en: fr
        for en, fr in catalogue(LOCALE, "fr").items()
        if sorted(_PLACE.findall(en)) != sorted(_PLACE.findall(fr))
    }
    assert not different
