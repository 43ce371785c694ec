"""The sentence of a statement: the one place where codes become words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import numpy as np

from trials.designs import DESIGNS, clocks, early_look, trends
from trials.judge import corrections, exclusions, piles
from trials.sentences import SHARED
from trials.statement import Kind, Sentence, Statement, Value


def sentences(kind: Kind) -> Iterator[Sentence]:
    """Every sentence of that kind: first the catalogue's, then the designs' own."""
    yield from (sentence for sentence in SHARED if sentence.kind is kind)
    for design in DESIGNS.values():
        yield from (sentence for sentence in design.sentences if sentence.kind is kind)
        reason = design.reason_not_foretold
        if reason is not None and reason.kind is kind:
            yield reason
    shared = (
        *clocks.SENTENCES,
        *early_look.SENTENCES,
        trends.TREND_TURNS,
        *piles.SENTENCES,
        *corrections.SENTENCES,
        exclusions.EXCLUSIONS_TURN,
    )
    yield from (sentence for sentence in shared if sentence.kind is kind)


def rounded(value: float) -> str:
    """The number as people read it: four significant digits, with an exponent only where it is very large or
    very small.
    """
    number = float(f"{value:.4g}")
    if number and not 1e-5 <= abs(number) < 1e9:
        return f"{value:.4g}"
    return str(np.format_float_positional(number, trim="-"))


def for_people(name: str, value: Value) -> object:
    """Evidence as a terminal shows it: rounded numbers, times in UTC to the minute."""
    if isinstance(value, float):
        return rounded(value)
    if isinstance(value, str) and name.endswith("_at"):
        return f"{datetime.fromisoformat(value).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return value


def sentence_of(
    statement: Statement,
    *,
    translate: Callable[[str], str] = str,
    show: Callable[[str, Value], object] = for_people,
) -> str:
    """The sentence of a statement; an unknown code is shown as it is.

    `translate`: English template → the reader's language. `show`: name and value of a piece of evidence → its
    form for the reader, by default for a terminal.
    """
    texts = (sentence.text for sentence in sentences(statement.kind) if sentence.code == statement.code)
    text = next(texts, "")
    shown = {name: _written(show(name, value)) for name, value in statement.evidence.items()}
    try:
        return translate(text).format(**shown) if text else f"{statement.code}: {shown}"
    except (KeyError, IndexError):
        return f"{statement.code}: {shown}"


def _written(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, list) else "–" if value is None else value
