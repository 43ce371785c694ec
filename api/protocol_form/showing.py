"""A document as fields, and what of it no field can show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from api.protocol_form.choices import Choices, Option
from api.protocol_form.kinds import CODE, LINE, Kind
from api.protocol_form.spec import SECTIONS, Either, Fixed, Group, Leaf, Names, Pairs, Part, Rows, Words
from api.protocol_form.taking import (
    ABSENT,
    Document,
    form_of,
    is_empty,
    is_list_of_names,
    is_pair,
    is_rule,
    join,
    words_of,
    zone_of,
)


@dataclass(frozen=True, slots=True)
class Node:
    """A field or a group of fields; `path` is its name in the form, and where problems point."""

    form: str
    """How it is drawn: a kind of `kinds`, or ticks, group, words, rows, row, pairs, pair, either."""
    path: str
    label: str
    hint: str = ""
    text: str = ""
    options: Sequence[Option] = ()
    chosen: Sequence[str] = ()
    parts: Sequence[Node] = ()
    problems: Sequence[str] = ()
    add: str = ""
    number: int = 0
    is_required: bool = True
    is_changed: bool = False
    is_listed: bool = False
    """Its options are suggestions: any other text will do."""


@dataclass(frozen=True, slots=True)
class Shown:
    sections: Sequence[tuple[str, Sequence[Node]]]
    only_in_text: Sequence[str]
    """Paths of what the form leaves alone."""


def show_form(
    document: Document,
    choices: Choices,
    problems: Mapping[str, Sequence[str]] | None = None,
    changed: frozenset[str] = frozenset(),
) -> Shown:
    """`problems`: path → sentences; `changed`: paths that differ from the version before."""
    shower = _Shower(zone_of(document), choices, problems or {}, changed)
    names = {part.name for _, parts in SECTIONS for part in parts}
    shower.left.extend(name for name in document if name not in names)
    around = (document,)
    sections = [
        (title, [node for part in parts for node in shower.show(part, document, "", around)])
        for title, parts in SECTIONS
    ]
    return Shown(sections, shower.left)


@dataclass(frozen=True, slots=True)
class _Shower:
    zone: str
    choices: Choices
    problems: Mapping[str, Sequence[str]]
    changed: frozenset[str]
    left: list[str] = field(default_factory=list)

    def show(self, part: Part, holder: Mapping[str, Any], path: str, around: Any) -> Iterator[Node]:
        """The field of one part of an object; nothing where only the text can show it."""
        if not isinstance(part, Fixed):
            here = join(path, part.name)
            yield from self.of(part, holder.get(part.name, ABSENT), here, around)

    def of(self, part: Part, value: Any, path: str, around: Any) -> Iterator[Node]:
        match part:
            case Leaf():
                yield from self.leaf(part, value, path, around)
            case Names():
                yield from self.names(part, value, path, around)
            case Words():
                yield from self.group("words", words_of(part), value, path, around, part.is_required)
            case Pairs():
                yield from self.pairs(part, value, path, around)
            case Group():
                yield from self.group("group", part, value, path, around)
            case Rows():
                yield from self.rows(part, value, path, around)
            case Either():
                yield from self.either(part, value, path, around)

    def node(self, form: str, path: str, label: str, **more: Any) -> Node:
        changed = path in self.changed
        return Node(form, path, label, problems=self.problems.get(path, ()), is_changed=changed, **more)

    def leaf(self, part: Leaf, value: Any, path: str, around: Any) -> Iterator[Node]:
        text = "" if is_empty(value) else part.kind.show(value, self.zone)
        if text is None:
            self.left.append(path)
            return
        options = list(self.choices.of(part.options, around)) if part.options else []
        yield self.node(
            part.kind.name,
            path,
            part.label,
            hint=part.hint,
            text=text,
            options=options,
            is_required=part.is_required,
            is_listed=bool(options) and not _is_closed(part.kind),
        )

    def names(self, part: Names, value: Any, path: str, around: Any) -> Iterator[Node]:
        if not is_list_of_names(value):
            self.left.append(path)
            return
        chosen = [] if is_empty(value) else list(value)
        options = list(self.choices.of(part.options, around))
        known = {option.value for option in options}
        options += [Option(name, name) for name in chosen if name not in known]
        yield self.node(
            "ticks",
            path,
            part.label,
            hint=part.hint,
            options=options,
            chosen=chosen,
            is_required=part.is_required,
        )

    def group(
        self, form: str, part: Group, value: Any, path: str, around: Any, is_required: bool = True
    ) -> Iterator[Node]:
        whole = {part.short: value} if part.short and isinstance(value, str) else value
        if not is_empty(whole) and not isinstance(whole, dict):
            self.left.append(path)
            return
        known: dict[str, Any] = {} if is_empty(whole) else whole
        parts = self.inside(part, known, path, around)
        yield self.node(form, path, part.label, hint=part.hint, parts=parts, is_required=is_required)

    def inside(self, part: Group, known: dict[str, Any], path: str, around: Any) -> list[Node]:
        names = {sub.name for sub in part.parts}
        self.left.extend(join(path, name) for name in known if name not in names)
        deeper = (*around, known)
        return [node for sub in part.parts for node in self.show(sub, known, path, deeper)]

    def rows(self, part: Rows, value: Any, path: str, around: Any) -> Iterator[Node]:
        if not is_empty(value) and not isinstance(value, list):
            self.left.append(path)
            return
        known = [] if is_empty(value) else value
        parts = [
            node
            for number, row in enumerate(known)
            for node in self.row(part, row, number, join(path, number), around)
        ]
        yield self.node("rows", path, part.label, hint=part.hint, parts=parts, add=part.add)

    def row(self, part: Rows, value: Any, number: int, path: str, around: Any) -> Iterator[Node]:
        if not part.parts[0].name:
            inside = list(self.of(part.parts[0], value, path, around))
        elif isinstance(value, dict):
            inside = self.inside(Group("", part.one, part.parts), value, path, around)
        else:
            self.left.append(path)
            inside = []
        yield self.node("row", path, part.one, parts=inside, number=number + 1)

    def pairs(self, part: Pairs, value: Any, path: str, around: Any) -> Iterator[Node]:
        if not is_empty(value) and not isinstance(value, dict):
            self.left.append(path)
            return
        known = [] if is_empty(value) else list(value.items())
        shown = []
        for number, (name, one) in enumerate([*known, ("", ABSENT)]):
            here = join(path, number)
            if one is not ABSENT and not is_pair(part.kind, name, one, self.zone):
                self.left.append(join(path, name))
                continue
            text = "" if one is ABSENT else part.kind.show(one, self.zone) or ""
            options = list(self.choices.of(part.options, around)) if part.options else []
            fields = [
                self.node(
                    "line", f"{here}.name", "Name", text=name, options=options, is_listed=bool(options)
                ),
                self.node("line", f"{here}.value", "Value", text=text),
            ]
            shown.append(self.node("pair", here, part.label, parts=fields, number=number + 1))
        yield self.node("pairs", path, part.label, hint=part.hint, parts=shown)

    def either(self, part: Either, value: Any, path: str, around: Any) -> Iterator[Node]:
        if not is_empty(value) and not isinstance(value, dict):
            self.left.append(path)
            return
        rule = is_rule(value)
        known: dict[str, Any] = {} if is_empty(value) else value
        parts = self.inside(form_of(part, rule), known, path, around)
        kinds = list(self.choices.of("kinds", around))
        choice = Node("choice", f"{path}~kind", "It is", text="rule" if rule else "prose", options=kinds)
        yield self.node("either", path, part.label, hint=part.hint, parts=[choice, *parts])


def _is_closed(kind: Kind) -> bool:
    """Whether one of the options must be chosen, or nothing."""
    return kind.name not in (CODE.name, LINE.name, "span", "scalar")
