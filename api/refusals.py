"""Refusals in the reader's language.

The rooms below the pages write their refusals in English, with the values in them: programs, logs and stored
rejects hold that sentence. Here it is recognised again by its form, and said in French with the same values.
`locale/refusals/fr.po` has the forms; `{value:t}` in a French sentence is itself put into French, and
`{value:or}` gets its "or" in French.
`tests/api/test_refusals.py` reads every refusal out of the source, and fails for one without French.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
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
_BETWEEN: Final = {"\n": 200, "; ": 24, ", ": 12}
"""Between the parts of a refusal → the most parts that are looked at: a device may choose the text."""
_MOST_TRIES: Final = 300
"""Texts that are looked at for one refusal; what is left then stays as it is."""
_LEAST_END: Final = 12
"""Letters of a sentence whose subject may be anything."""
_FIELD: Final = re.compile(r"([^\n:;]{1,120}): (.+)", re.DOTALL)
"""A field and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Form:
    """A sentence with places for values: literals with a name between every two of them."""

    literals: tuple[str, ...]
    names: tuple[str, ...]
    said: str = ""

    @property
    def weight(self) -> int:
        """Letters outside its values: of two forms that fit, the heavier one is meant."""
        return sum(map(len, self.literals))

    def fit(self, text: str, *, whole: bool = True) -> tuple[dict[str, str], str] | None:
        """(the values, the text behind it), each value as short as can be; None if the form does not fit.
        `whole`: nothing may follow. In linear time, because a device chooses parts of the text.
        """
        first, *between = self.literals
        if not text.startswith(first):
            return None
        at, values = len(first), list[str]()
        for number, literal in enumerate(between, 1):
            is_last = whole and number == len(between)
            end = len(text) - len(literal) if is_last else text.find(literal, at)
            if end < at or not text.startswith(literal, end):
                return None
            values.append(text[at:end])
            at = end + len(literal)
        named = self._named(values)
        return None if named is None else (named, text[at:])

    def _named(self, values: list[str]) -> dict[str, str] | None:
        """Name → value; None if a name that comes twice has two values. Where two values touch, a name that
        comes again says where the first one ends.
        """
        for number, (name, literal) in enumerate(zip(self.names, self.literals[1:], strict=True)):
            again = self.names[number + 1 :].count(name)
            if literal == "" and again and number + 1 < len(values):
                whole = values[len(self.names) - 1 - self.names[::-1].index(name)]
                if not values[number + 1].startswith(whole):
                    return None
                values[number], values[number + 1] = whole, values[number + 1][len(whole) :]
        named: dict[str, str] = {}
        for name, value in zip(self.names, values, strict=True):
            if named.setdefault(name, value) != value:
                return None
        return named


@dataclass(frozen=True, slots=True)
class _Way:
    """How deep in a refusal, and how many more texts may be looked at."""

    language: Language
    deep: int
    tries: Iterator[int]

    def deeper(self) -> _Way:
        return _Way(self.language, self.deep + 1, self.tries)


class _Value(str):
    """A value in a sentence. `{value:t}` asks for it in the reader's language, `{value:or}` for a list of
    words with an "or" before the last one.
    """

    __slots__ = ("way",)
    way: _Way

    def __format__(self, spec: str) -> str:
        if spec == "or" and self.way.language == "fr":
            return str(self).replace(" or ", " ou ")
        return _say(str(self), self.way.deeper()) if spec == "t" else str(self)


def say(text: str, language: Language) -> str:
    """A refusal in `language`; a part that no form fits stays as it is."""
    if language == "en" or not text or len(text) > _MOST_LETTERS:
        return text
    return _say(text, _Way(language, 0, iter(range(_MOST_TRIES))))


def is_known(text: str, language: Language) -> bool:
    """Whether all of it has words in `language`."""
    return language == "en" or say(text, language) != text


def _say(text: str, way: _Way) -> str:
    if way.deep > _MOST_DEEP or not text.strip() or next(way.tries, None) is None:
        return text
    found = _whole(text, way)
    return _in_parts(text, way) if found is None else found


def _whole(text: str, way: _Way) -> str | None:
    """The sentence of the heaviest form that fits all of `text`, or what is wrong with a field."""
    exact, forms = _forms(way.language)
    if text in exact:
        return exact[text]
    field = _FIELD.fullmatch(text)
    if field is not None and field[2] in exact:  # before a comma in it takes it apart
        return f"{field[1]}\u00a0: {exact[field[2]]}"
    for form in forms:
        found = form.fit(text)
        if found is not None:
            return form.said.format(**_values(found[0], way))
    return None


def _values(found: dict[str, str], way: _Way) -> dict[str, _Value]:
    values = {}
    for name, text in found.items():
        value = _Value(text)
        value.way = way
        values[name] = value
    return values


def _in_parts(text: str, way: _Way) -> str:
    """Sentences that were put together: lines, lists, a beginning and its end, a field and its problem."""
    begun = _begun(text, way)
    if begun is not None:
        return begun
    for between, most in _BETWEEN.items():
        if 0 < text.count(between) < most:
            parts = text.split(between)
            said = [_apart(part, way) if " " in part.strip() else part for part in parts]
            if said != parts:
                return ("\u202f; " if between == "; " else between).join(said)
    field = _FIELD.fullmatch(text)
    if field is not None:
        said_of = _say(field[2], way.deeper())
        if said_of != field[2]:
            return f"{field[1]}\u00a0: {said_of}"
    ended = _ended(text, way)
    if ended is not None:
        return ended
    if text.endswith("."):
        said_less = _say(text[:-1], way.deeper())
        if said_less != text[:-1]:
            return said_less + "."
    return text


def _apart(part: str, way: _Way) -> str:
    """A line or a member of a list, with the blanks before it."""
    bare = part.lstrip()
    whole = _whole(part, way)
    return part[: len(part) - len(bare)] + _say(bare, way.deeper()) if whole is None else whole


def _begun(text: str, way: _Way) -> str | None:
    """A form that ends open, and the rest."""
    exact, forms = _forms(way.language)
    for start, said in exact.items():
        if start.endswith((" ", "\n")) and text.startswith(start):
            return said + _say(text[len(start) :], way.deeper())
    for form in forms:
        if form.said.endswith((" ", "\n")):
            found = form.fit(text, whole=False)
            if found is not None:
                values, rest = found
                return form.said.format(**_values(values, way)) + _say(rest, way.deeper())
    return None


def _ended(text: str, way: _Way) -> str | None:
    """A subject, such as the name of a file, and the sentence about it."""
    exact, _ = _forms(way.language)
    bare = text.removesuffix(".")
    ends = [end for end in exact if len(end) >= _LEAST_END and bare.endswith(f" {end.removesuffix('.')}")]
    if not ends:
        return None
    end = max(ends, key=len)
    cut = len(bare) - len(end.removesuffix("."))
    return bare[:cut] + exact[end].removesuffix(".") + text[len(bare) :]


@cache
def _forms(language: Language) -> tuple[dict[str, str], list[Form]]:
    """Sentences without values, and those with values, the heaviest first."""
    exact = {text: said for text, said in catalogue(PAGES, language).items() if "{" not in text}
    forms: list[Form] = []
    for text, said in catalogue(LOCALE, language).items():
        form = form_of(text, said)
        if form.names:
            forms.append(form)
        else:
            exact[text.format()] = said.format()
    return exact, sorted(forms, key=lambda form: -form.weight)


def form_of(text: str, said: str = "") -> Form:
    """The form of a sentence with `{names}`."""
    literals, names = [""], []
    for literal, name, _, _ in Formatter().parse(text):
        literals[-1] += literal
        if name is not None:
            names.append(name)
            literals.append("")
    return Form(tuple(literals), tuple(names), said)
