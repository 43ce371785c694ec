"""The form of a protocol in both languages: its words, and each sentence about what is wrong with a draft."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings

from api.protocol_form import spec
from api.protocol_form.choices import LOCALE, WORDS
from api.protocol_form.pointing import say_problem
from api.protocol_form.spec import Either, Fixed, Group, Part, Rows
from insitu.language import Reader, catalogue
from tests.api.protocols import ROOT, spoilt
from trials.plan import reading
from trials.plan.reading import read_protocol

SOURCES = (
    *(f"trials/plan/{name}.py" for name in ("protocol", "parts", "values", "aggregation", "size", "reading")),
    *("trials/plan/profiles/__init__.py", "trials/workflow/locking.py", "trials/workflow/drafts.py"),
    *("trials/designs/registry.py", "trials/designs/planned_intervals.py"),
    *("insitu/times.py", "insitu/spacing.py"),
)
"""Where the sentences about a draft come from."""
NO_PROBLEM = (
    *("{}, line {}, column {}: {}.", "{}: it ends before it begins", "two entries have the same name"),
    *("{}: it does not say how its numbers were checked", "{} is an alternative that has no target"),
    *("a statistic is listed twice", "endpoints.{}.{}: {}", "profile: {}", "checks: {}: {}"),
    *("are alternatives", "are no alternatives", " on {} UTC", "{}: {} {} in {}"),
)
"""Sentences in those files about something else, or parts of others."""


def sentences_of_drafts() -> Iterator[str]:
    """The English of every sentence, with {} for what it names; read from the source, without the path in
    front.
    """
    for name in SOURCES:
        for node in ast.walk(ast.parse((ROOT / name).read_text("utf-8"))):
            for text in map(_template, _said(node)):
                if text and " " in text.strip() and text not in NO_PROBLEM and not text.startswith("  "):
                    path, colon, rest = text.partition(": ")
                    yield (
                        rest
                        if colon and re.fullmatch(r"[\w.{}]+", path) and name != "insitu/spacing.py"
                        else text
                    )


def _said(node: ast.AST) -> list[ast.expr]:
    match node:
        case ast.Yield(value=ast.expr() as value):
            return [value]
        case ast.YieldFrom(value=ast.GeneratorExp(elt=elt)) | ast.ListComp(elt=elt):
            return [elt]
        case ast.Raise(exc=ast.Call(func=ast.Name(id="ValueError"), args=[ast.IfExp(body=a, orelse=b)])):
            return [a, b]
        case ast.Raise(exc=ast.Call(func=ast.Name(id="ValueError"), args=[one])):
            return [one]
        case ast.Call(func=ast.Name(id="Problem"), args=[_, _, one]):
            return [one]
        case ast.Call(func=ast.Attribute(value=ast.Name(id="problems"), attr="append"), args=[one]):
            return [one]
        case ast.Assign(targets=[ast.Name(id="told")], value=value):
            return [value]
        case _:
            return []


def _template(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(one.value if isinstance(one, ast.Constant) else "{}" for one in node.values)
    return ""


def test_every_sentence_about_a_draft_has_its_french() -> None:
    found = set(sentences_of_drafts())
    assert len(found) > 60
    translated = {re.sub(r"\{\w+\}", "{}", text) for text in catalogue(LOCALE, "fr")}
    assert sorted(found - translated) == []


@given(spoilt())
@settings(max_examples=120, deadline=None)
def test_whatever_is_wrong_with_a_draft_is_said_in_french_too(document: dict[str, Any]) -> None:
    try:
        read_protocol(json.dumps(document))
    except reading.WrongProtocol as error:
        messages = [one.message for one in error.problems]
    else:
        messages = []
    french = Reader("fr", "Europe/Paris")
    assert [one for one in messages if say_problem(one, french) is None] == []


def labels(known: tuple[Part, ...]) -> Iterator[str]:
    for part in known:
        if not isinstance(part, Fixed):
            yield from (part.label, part.hint)
        if isinstance(part, Rows):
            yield from (part.one, part.add)
        if isinstance(part, Group | Rows | Either):
            yield from labels(part.parts)


def test_every_word_of_the_form_has_its_french_and_none_is_left_over() -> None:
    own = {"English", "French", "Reason", "Name", "Value", "It is", *(title for title, _ in spec.SECTIONS)}
    own |= {text for part in labels(spec.PARTS) for text in [part] if text}
    own |= {text for table in WORDS.values() for text in table.values()}
    texts = catalogue(LOCALE, "fr")
    assert sorted(own - texts.keys()) == []
    sentences = {text for text in texts if re.sub(r"\{\w+\}", "{}", text) in set(sentences_of_drafts())}
    of_pydantic = {
        text
        for text in texts
        if re.match(r"Input|String|List|Tuple|Keys|Field|Extra|Datetime|Dur|Unable", text)
    }
    other = {
        text
        for text in texts
        if text.startswith(("{property}", "{trial} ", "There is no profile", "Profile ", "settles: "))
    }
    assert sorted(texts.keys() - own - sentences - of_pydantic - other) == []


def test_a_translated_sentence_has_the_parts_of_the_english_one() -> None:
    holes = re.compile(r"\{(\w+)\}")
    wrong = {
        en
        for en, fr in catalogue(LOCALE, "fr").items()
        if not set(holes.findall(fr)) <= set(holes.findall(en))
    }
    assert wrong == set()
