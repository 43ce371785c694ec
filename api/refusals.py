"""Refusals in the reader's language.

The rooms below the pages write their refusals in English, with the values in them: programs, logs and stored
rejects hold that sentence. Here it is recognised again by its form, and said in French with the same values.
`locale/refusals/fr.po` has the forms; `{value:t}` in a French sentence is itself put into French.
`tests/api/test_refusals.py` reads every refusal out of the source, and fails for one without French.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Final

from insitu.language import Language, catalogue

PAGES: Final = Path(__file__).parent / "locale"
LOCALE: Final = PAGES / "refusals"
_MOST_DEEP: Final = 4
"""Refusals in refusals: deeper ones stay in English."""
_MOST_LETTERS: Final = 4000
_LEAST_END: Final = 12
"""Letters of a sentence whose subject may be anything."""
_FIELD: Final = re.compile(r"([^\n:;]{1,120}): (.+)", re.DOTALL)
"""A field and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class _Form:
    """A sentence with places for values."""

    pattern: re.Pattern[str]
    said: str
    weight: int
    """Letters outside its values: of two forms that fit, the heavier one is meant."""


class _Value(str):
    """A value in a sentence; `{value:t}` asks for it in the reader's language."""

    __slots__ = ("deep", "language")
    language: Language
    deep: int

    def __format__(self, spec: str) -> str:
        return _say(str(self), self.language, self.deep + 1) if spec == "t" else str(self)


def say(text: str, language: Language) -> str:
    """A refusal in `language`; a part that no form fits stays as it is."""
    if language == "en" or not text or len(text) > _MOST_LETTERS:
        return text
    return _say(text, language, 0)


def is_known(text: str, language: Language) -> bool:
    """Whether all of it has words in `language`."""
    return language == "en" or say(text, language) != text


def _say(text: str, language: Language, deep: int) -> str:
    if deep > _MOST_DEEP or not text.strip():
        return text
    found = _whole(text, language, deep)
    return _in_parts(text, language, deep) if found is None else found


def _whole(text: str, language: Language, deep: int) -> str | None:
    """The sentence of the heaviest form that fits all of `text`."""
    exact, forms = _forms(language)
    if text in exact:
        return exact[text]
    for form in forms:
        match = form.pattern.fullmatch(text)
        if match is not None:
            return form.said.format(**_values(match, language, deep))
    return None


def _values(match: re.Match[str], language: Language, deep: int) -> dict[str, _Value]:
    values = {}
    for name, text in match.groupdict().items():
        value = _Value(text)
        value.language, value.deep = language, deep
        values[name] = value
    return values


def _in_parts(text: str, language: Language, deep: int) -> str:
    """Sentences that were put together: lines, lists, a beginning and its end, a field and its problem."""
    begun = _begun(text, language, deep)
    if begun is not None:
        return begun
    for between in ("\n", "; ", ", "):
        if between in text:
            parts = text.split(between)
            said = [_apart(part, language, deep) if " " in part.strip() else part for part in parts]
            if said != parts:
                return (" ; " if between == "; " else between).join(said)
    field = _FIELD.fullmatch(text)
    if field is not None:
        said_of = _say(field[2], language, deep + 1)
        if said_of != field[2]:
            return f"{field[1]} : {said_of}"
    ended = _ended(text, language)
    if ended is not None:
        return ended
    if text.endswith("."):
        said_less = _say(text[:-1], language, deep + 1)
        if said_less != text[:-1]:
            return said_less + "."
    return text


def _apart(part: str, language: Language, deep: int) -> str:
    """A line or a member of a list, with the blanks before it."""
    bare = part.lstrip()
    whole = _whole(part, language, deep)
    return part[: len(part) - len(bare)] + _say(bare, language, deep + 1) if whole is None else whole


def _begun(text: str, language: Language, deep: int) -> str | None:
    """A form that ends open, and the rest."""
    exact, forms = _forms(language)
    for start, said in exact.items():
        if start.endswith((" ", "\n")) and text.startswith(start):
            return said + _say(text[len(start) :], language, deep + 1)
    for form in forms:
        if form.said.endswith((" ", "\n")):
            match = form.pattern.match(text)
            if match is not None:
                rest = _say(text[match.end() :], language, deep + 1)
                return form.said.format(**_values(match, language, deep)) + rest
    return None


def _ended(text: str, language: Language) -> str | None:
    """A subject, such as the name of a file, and the sentence about it."""
    exact, _ = _forms(language)
    bare = text.removesuffix(".")
    ends = [end for end in exact if len(end) >= _LEAST_END and bare.endswith(f" {end.removesuffix('.')}")]
    if not ends:
        return None
    end = max(ends, key=len)
    cut = len(bare) - len(end.removesuffix("."))
    return bare[:cut] + exact[end].removesuffix(".") + text[len(bare) :]


@cache
def _forms(language: Language) -> tuple[dict[str, str], list[_Form]]:
    """Sentences without values, and those with values, the heaviest first."""
    exact = {text: said for text, said in catalogue(PAGES, language).items() if "{" not in text}
    forms: list[_Form] = []
    for text, said in catalogue(LOCALE, language).items():
        pattern, weight = pattern_of(text)
        if pattern is None:
            exact[text.format()] = said.format()
        else:
            forms.append(_Form(pattern, said, weight))
    return exact, sorted(forms, key=lambda form: -form.weight)


def pattern_of(text: str) -> tuple[re.Pattern[str] | None, int]:
    """The pattern of a form, None for one without values, and the number of its letters."""
    written, weight, known = "", 0, set()
    for literal, name, _, _ in Formatter().parse(text):
        written += re.escape(literal)
        weight += len(literal)
        if name is not None:
            written += f"(?P={name})" if name in known else f"(?P<{name}>.*?)"
            known.add(name)
    return (re.compile(written, re.DOTALL) if known else None), weight
