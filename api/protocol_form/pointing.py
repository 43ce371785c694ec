"""Problems beside their fields, in the reader's language, and what an amendment changes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from api.protocol_form.choices import LOCALE
from api.protocol_form.spec import WHOLE, Either, Fixed, Group, Leaf, Names, Pairs, Part, Rows, Words
from api.protocol_form.taking import form_of, is_rule, join, words_of
from api.refusals import is_known, say
from insitu.language import LANGUAGES, Reader, catalogue
from trials.plan.reading import Problem
from trials.report.sentence import sentences
from trials.report.writer import LOCALE as REPORTS
from trials.statement import Kind

_HOLE: Final = re.compile(r"\{(\w*)\}")
OF_SCALES: Final = ("scale_unfit", "scale_differs", "level_not_by_energy", "angle_not_circular")
"""Findings that keep a protocol from being locked; reports have their words."""
_MOST_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Pointed:
    """A problem at a field of the form; `path` is empty for one that is about the whole."""

    path: str
    labels: Sequence[str]
    sentence: str
    is_translated: bool


@dataclass(frozen=True, slots=True)
class Change:
    """A field that differs from the version before; None: it is not there."""

    path: str
    labels: Sequence[str]
    was: str | None
    now: str | None


def point(document: Mapping[str, Any], problems: Sequence[Problem], reader: Reader) -> list[Pointed]:
    """Each problem with the nearest field that the form shows."""
    found = []
    for problem in problems:
        path, labels, _ = locate(document, problem.field.split("."), reader.translator(LOCALE))
        sentence = say_problem(problem.message, reader)
        rest = problem.field if not path and problem.field != "protocol" else ""
        whole = f"{rest}: {sentence or problem.message}" if rest else sentence or problem.message
        found.append(Pointed(path, labels, whole, sentence is not None))
    return found


def locate(
    document: Mapping[str, Any], steps: Sequence[str], say: Callable[[str], str]
) -> tuple[str, list[str], Sequence[str]]:
    """(path of the nearest field of the form, its labels from outside inwards, the steps beyond it)."""
    part: Part = WHOLE
    value: Any = document
    path, labels = "", list[str]()
    for number, step in enumerate(steps):
        inside = _inside(part, value, step)
        if inside is None:
            return path, labels, steps[number:]
        part, value, name, label = inside
        path = join(path, name)
        if label:
            labels.append(f"{say(label)} {int(name) + 1}" if name.isdecimal() else say(label))
    return path, labels, ()


def _inside(part: Part, value: Any, step: str) -> tuple[Part, Any, str, str] | None:
    """(part, value, name in the path, label) of a step below a part of the form."""
    match part:
        case Words():
            return _inside(words_of(part), value, step)
        case Either():
            return _inside(form_of(part, is_rule(value)), value, step)
        case Pairs():
            names = list(value) if isinstance(value, dict) else []
            if step not in names:
                return None
            at = f"{names.index(step)}.value"
            return Leaf("", part.kind, step), value[step], at, step
        case Group():
            sub = next((one for one in part.parts if one.name == step), None)
            if sub is None or isinstance(sub, Fixed):
                return None
            inside = value.get(step) if isinstance(value, dict) else None
            return sub, inside, step, sub.label
        case Rows():
            number = _number(value, step)
            if number is None:
                return None
            row = part.parts[0] if not part.parts[0].name else Group("", part.one, part.parts)
            return row, value[number], str(number), part.one
        case Leaf() | Names() | Fixed():
            return None


def _number(rows: Any, step: str) -> int | None:
    """Which row: by its number, or by its name."""
    if not isinstance(rows, list):
        return None
    if step.isdecimal() and int(step) < len(rows):
        return int(step)
    return next((n for n, one in enumerate(rows) if isinstance(one, dict) and one.get("name") == step), None)


def say_problem(message: str, reader: Reader) -> str | None:
    """The sentence in the reader's language; None where nobody has translated it, and English serves."""
    if is_known(message, reader.language):
        return say(message, reader.language)
    for pattern, names, text in _patterns(reader.language):
        if found := pattern.fullmatch(message):
            return text.format(**dict(zip(names, found.groups(), strict=True)))
    return None


@cache
def _patterns(language: str) -> list[tuple[re.Pattern[str], list[str], str]]:
    """Of findings of scales: (what matches the English sentence, names of its holes, the text)."""
    known = next(one for one in LANGUAGES if one == language)
    of_scales = {one.text for one in sentences(Kind.FINDING) if one.code in OF_SCALES}
    found = []
    for source, text in catalogue(REPORTS, known).items():
        if source in of_scales:
            parts = _HOLE.split(source)
            pattern = "(.+?)".join(map(re.escape, parts[::2]))
            found.append((re.compile(pattern, re.S), parts[1::2], text))
    return sorted(found, key=lambda one: -len(one[0].pattern))


def list_changes(
    before: Mapping[str, Any], after: Mapping[str, Any], say: Callable[[str], str]
) -> list[Change]:
    """Fields that differ, in the order of the document; rows with a name are compared by it."""
    changes = []
    for steps, was, now in _differences(before, after, ()):
        path, labels, rest = locate(after, steps, say)
        changes.append(Change(path, [*labels, *rest], _shown(was), _shown(now)))
    return changes


def _differences(was: Any, now: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """(steps, value before, value now); None for what is not there."""
    if isinstance(was, dict) and isinstance(now, dict):
        for name in dict.fromkeys((*was, *now)):
            yield from _differences(was.get(name), now.get(name), (*path, str(name)))
    elif isinstance(was, list) and isinstance(now, list):
        yield from _of_lists(was, now, path)
    elif not _same(was, now):
        yield path, was, now


def _of_lists(
    was: list[Any], now: list[Any], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    named = [_by_name(rows) for rows in (was, now)]
    if named[0] is not None and named[1] is not None and (was or now):
        for name in dict.fromkeys((*named[0], *named[1])):
            yield from _differences(named[0].get(name), named[1].get(name), (*path, name))
    elif any(isinstance(one, dict) for one in (*was, *now)):
        for number in range(max(len(was), len(now))):
            before, after = (rows[number] if number < len(rows) else None for rows in (was, now))
            yield from _differences(before, after, (*path, str(number)))
    elif not _same(was, now):
        yield path, was, now


def _by_name(rows: list[Any]) -> dict[str, Any] | None:
    """Name → row, if each has one of its own that is no number."""
    names = [one.get("name") if isinstance(one, dict) else None for one in rows]
    plain = [name for name in names if isinstance(name, str) and not name.isdecimal()]
    return dict(zip(plain, rows, strict=True)) if len(set(plain)) == len(rows) else None


def _same(was: Any, now: Any) -> bool:
    """Whether the two mean the same: null is as good as nothing, 5 is 5.0, true is no 1."""
    if isinstance(was, bool) or isinstance(now, bool):
        return was is now
    return bool(was == now)


def _shown(value: Any) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
