"""The sentence of a statement: the one place where codes become words."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from trials.designs import DESIGNS, early_look
from trials.sentences import SHARED
from trials.statement import Kind, Sentence, Statement

Value = float | int | str | bool | list[str] | None


def sentences(kind: Kind) -> Iterator[Sentence]:
    """Every sentence of that kind: those of the catalogue, then what the designs say themselves."""
    yield from (one for one in SHARED if one.kind is kind)
    for design in DESIGNS.values():
        yield from (one for one in design.sentences if one.kind is kind)
        reason = design.reason_not_foretold
        if reason is not None and reason.kind is kind:
            yield reason
    yield from (one for one in early_look.SENTENCES if one.kind is kind)


def sentence_of(
    statement: Statement,
    *,
    translate: Callable[[str], str] = str,
    show: Callable[[str, Value], object] = lambda _name, value: value,
) -> str:
    """The sentence of a statement; an unknown code is shown as it is.

    `translate`: English template → the reader's language; `show`: name and value of a piece of evidence → how
    the reader writes it.
    """
    found = next((one.text for one in sentences(statement.kind) if one.code == statement.code), "")
    shown = {name: _written(show(name, value)) for name, value in statement.evidence.items()}
    try:
        return translate(found).format(**shown) if found else f"{statement.code}: {shown}"
    except (KeyError, IndexError):
        return f"{statement.code}: {shown}"


def _written(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, list) else "–" if value is None else value
