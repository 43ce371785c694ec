"""Brings what a form says into the document from which it was made.

Each field that comes back as it was shown leaves its value alone, with whatever else is beside it: numbers
keep their way of writing, unknown fields stay. Without a field nothing is taken from it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from api.protocol_form.kinds import MOMENT, PROSE, TEXT_OF, Kind
from api.protocol_form.spec import (
    WHOLE,
    Either,
    Fixed,
    Group,
    Leaf,
    Names,
    Pairs,
    Part,
    Rows,
    Words,
)
from insitu.errors import CorrectInput
from insitu.zones import find_zone
from trials.workflow.templates import NAME

Document = dict[str, Any]
USUAL_ZONE: Final = "Europe/Paris"
MOST_ROWS: Final = 500
"""Rows of one list of the form; more are written in the text."""


class Absent:
    """The value of a field that the document does not have."""


ABSENT: Final = Absent()


def is_empty(value: Any) -> bool:
    """Whether a document says nothing there; null says as much as no field."""
    return value is ABSENT or value is None


def zone_of(document: Mapping[str, Any]) -> str:
    zone = document.get("time_zone", USUAL_ZONE)
    return zone if isinstance(zone, str) else USUAL_ZONE


def join(path: str, name: str | int) -> str:
    return f"{path}.{name}" if path and name != "" else str(path or name)


def take_form(document: Document, sent: Mapping[str, Sequence[str]]) -> Document:
    """The document as the form has it. `sent`: path → texts, of the fields that the form had."""
    stated = next(iter(sent.get("time_zone", ())), "").strip()
    before = zone_of(document)
    taker = _Taker(sent, before, stated if find_zone(stated) is not None else before)
    found = taker.group(WHOLE, document, "")
    return {} if found is ABSENT else found


@dataclass(frozen=True, slots=True)
class _Taker:
    sent: Mapping[str, Sequence[str]]
    zone: str
    """In which the times of the form were shown."""
    new_zone: str
    """In which they are meant now."""

    def take(self, part: Part, value: Any, path: str) -> Any:
        """The new value; `value` itself if nothing changes."""
        match part:
            case Fixed():
                return value
            case Leaf():
                return self.leaf(part.kind, value, path)
            case Names():
                return self.names(value, path)
            case Words():
                return self.group(words_of(part), value, path)
            case Pairs():
                return self.pairs(part.kind, value, path)
            case Group():
                return self.group(part, value, path)
            case Rows():
                return self.rows(part, value, path)
            case Either():
                return self.either(part, value, path)

    def text(self, path: str) -> str | None:
        """As typed; None if the form had no such field."""
        texts = self.sent.get(path)
        return None if not texts else texts[-1].replace("\r\n", "\n").replace("\r", "\n")

    def leaf(self, kind: Kind, value: Any, path: str) -> Any:
        text, shown = self.text(path), "" if is_empty(value) else kind.show(value, self.zone)
        if text is None or shown is None:
            return value
        moved = kind is MOMENT and self.zone != self.new_zone and text.strip()
        if text == shown and not moved:
            return value
        return kind.take(text, self.new_zone) if text.strip() else ABSENT

    def names(self, value: Any, path: str) -> Any:
        if not is_list_of_names(value):
            return value
        known = [] if is_empty(value) else value
        text = self.text(f"{path}~text")
        if text is not None:
            chosen = list(dict.fromkeys(part for part in re.split(r"[,;\s]+", text) if part))
        elif self.text(f"{path}~there") is not None:
            chosen = list(dict.fromkeys(self.sent.get(path, ())))
        else:
            return value
        if set(chosen) == set(known):
            return value
        return [*(n for n in known if n in chosen), *(n for n in chosen if n not in known)] or ABSENT

    def group(self, part: Group, value: Any, path: str, *, is_row: bool = False) -> Any:
        whole = {part.short: value} if part.short and isinstance(value, str) else value
        if not is_empty(whole) and not isinstance(whole, dict):
            return value
        before = {} if is_empty(whole) else whole
        after = dict(before)
        for sub in part.parts:
            was = before.get(sub.name, ABSENT)
            now = self.take(sub, was, join(path, sub.name))
            if now is ABSENT:
                after.pop(sub.name, None)
            elif now is not was:
                after[sub.name] = now
        if list(after) == list(before) and all(after[name] is before[name] for name in after):
            return value
        if not after and not is_row:
            return ABSENT
        is_short = part.short and after.keys() == {part.short} and not isinstance(value, dict)
        return after[part.short] if is_short else after

    def rows(self, part: Rows, value: Any, path: str) -> Any:
        if not isinstance(value, list):
            return value
        after = [self.row(part, row, join(path, number)) for number, row in enumerate(value)]
        same = all(now is was for now, was in zip(after, value, strict=True))
        return value if same else after

    def row(self, part: Rows, value: Any, path: str) -> Any:
        if part.parts[0].name:
            return self.group(Group("", part.one, part.parts), value, path, is_row=True)
        found = self.take(part.parts[0], value, path)
        return found if found is not ABSENT else None if isinstance(part.parts[0], Leaf) else {}

    def pairs(self, kind: Kind, value: Any, path: str) -> Any:
        if not is_empty(value) and not isinstance(value, dict):
            return value
        before = [] if is_empty(value) else list(value.items())
        after, changed = dict[str, Any](), False
        for number, (name, was) in enumerate([*before, ("", ABSENT)]):
            new, now = self.pair(kind, name, was, join(path, number))
            changed = changed or new != name or now is not was
            if now is not ABSENT:
                after[_free(new, after)] = now
        return (after or ABSENT) if changed else value

    def pair(self, kind: Kind, name: str, was: Any, path: str) -> tuple[str, Any]:
        """(name, value); ABSENT for one that is taken out."""
        if was is not ABSENT and not is_pair(kind, name, was, self.zone):
            return name, was
        typed = self.text(f"{path}.name")
        new, now = name if typed is None else typed.strip(), self.leaf(kind, was, f"{path}.value")
        if was is ABSENT:
            return (new or NAME, now) if now is not ABSENT else (new, "" if new else ABSENT)
        if now is ABSENT:
            return (name, ABSENT) if not new or new == name else (new, "")
        return (new, now) if new else (name, ABSENT)

    def either(self, part: Either, value: Any, path: str) -> Any:
        if not is_empty(value) and not isinstance(value, dict):
            return value
        rule = is_rule(value)
        found = self.group(form_of(part, rule), value, path, is_row=not part.name)
        chosen = self.text(f"{path}~kind")
        if chosen not in ("prose", "rule") or (chosen == "rule") == rule:
            return found
        stated = {} if is_empty(found) else found
        if chosen == "rule":
            return {"reason": stated}
        words = stated.get("reason")
        return words if isinstance(words, dict) else {}


def words_of(part: Words) -> Group:
    return Group(
        part.name, part.label, (Leaf("en", PROSE, "English"), Leaf("fr", PROSE, "French")), part.hint
    )


def form_of(part: Either, rule: bool) -> Group:
    """The fields of prose, or of the rule."""
    words = Words("reason", "Reason")
    return Group(part.name, part.label, (*part.parts, words) if rule else words_of(words).parts, part.hint)


def is_rule(value: Any) -> bool:
    """As `trials.plan.parts` tells the two apart: prose has `en` and `fr`, and nothing else."""
    return isinstance(value, dict) and not value.keys() <= {"en", "fr"}


def is_list_of_names(value: Any) -> bool:
    """Whether ticks can show it."""
    return is_empty(value) or (
        isinstance(value, list)
        and all(isinstance(one, str) and TEXT_OF.show(one, "") is not None for one in value)
        and len(set(value)) == len(value)
    )


def is_pair(kind: Kind, name: str, value: Any, zone: str) -> bool:
    """Whether two fields can show it."""
    plain = bool(name) and name == name.strip() and TEXT_OF.show(name, zone) is not None
    return plain and value is not None and kind.show(value, zone) is not None


def _free(name: str, taken: Mapping[str, Any]) -> str:
    """The name, or with a number behind it, so that no pair takes the place of another."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    return free


def add_row(document: Document, path: str) -> Document:
    """The document with one more row at the end of a list of the form. CorrectInput if there is no such
    list.
    """
    return dict(_at(document, path.split("."), WHOLE, _one_more))


def remove_row(document: Document, path: str) -> Document:
    """The document without the row that ends the path."""
    steps, _, last = path.rpartition(".")

    def without(part: Part, rows: Any) -> Any:
        if not isinstance(part, Rows) or not last.isdecimal() or not isinstance(rows, list):
            raise CorrectInput(f"There is no row {path!r}: read the draft again.")
        return [row for number, row in enumerate(rows) if number != int(last)]

    return dict(_at(document, steps.split("."), WHOLE, without))


def _one_more(part: Part, rows: Any) -> Any:
    if not isinstance(part, Rows) or not (is_empty(rows) or isinstance(rows, list)):
        raise CorrectInput("There is no such list in the form: read the draft again.")
    before = [] if is_empty(rows) else rows
    if len(before) >= MOST_ROWS:
        raise CorrectInput(f"The form has at most {MOST_ROWS} rows in a list: write more in the text.")
    return [*before, None if isinstance(part.parts[0], Leaf) and not part.parts[0].name else {}]


def _at(value: Any, steps: Sequence[str], part: Part, change: Any) -> Any:
    """`value` with `change` made at the end of the steps."""
    if not steps:
        return change(part, value)
    first, *others = steps
    if isinstance(part, Rows) and first.isdecimal() and isinstance(value, list) and int(first) < len(value):
        row = Group("", part.one, part.parts)
        return [
            _at(one, others, row, change) if number == int(first) else one for number, one in enumerate(value)
        ]
    inside = next((sub for sub in part.parts if sub.name == first), None) if isinstance(part, Group) else None
    if inside is None or not (is_empty(value) or isinstance(value, dict)):
        raise CorrectInput("There is no such row in the form: read the draft again.")
    known = {} if is_empty(value) else value
    return {**known, first: _at(known.get(first, ABSENT), others, inside, change)}
