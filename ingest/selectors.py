"""Names of results in lists of objects, selected by a key: `messages[measurementId=4097].measurementValue`.

`meters[0].power` selects by the position, where nothing else tells the objects apart. `[]` takes every object
of a list; each then needs a time of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from ingest.decode.flatten import Record, Step
from ingest.field_times import looks_like_time

_PART: Final = re.compile(r"([^\[\]]*)\[([^\]]*)\]\.?")
_KEY: Final = re.compile(r"\s*([^=,]+?)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^,]*?))\s*(?:,|$)")
_NUMBER: Final = re.compile(r"-?\d{1,18}(\.\d{1,18})?")
_MOST_COMPARED: Final = 16
_BRACKETS: Final = re.compile(r"[\[\]\"']")


class _Step(NamedTuple):
    path: str
    keys: tuple[tuple[str, str], ...]
    position: int | None = None


class Selector(NamedTuple):
    """A field name that selects in lists."""

    field: str
    steps: tuple[_Step, ...]
    leaf: str

    @property
    def keys(self) -> int:
        return sum(len(step.keys) for step in self.steps)

    def selects(self, record: Record) -> bool:
        return (
            self.leaf == record.leaf
            and len(self.steps) == len(record.steps)
            and all(map(_matches, self.steps, record.steps))
        )

    def names(self, record: Record) -> bool:
        """True if this result is one of the keys by which the list is selected."""
        if len(self.steps) != len(record.steps):
            return False
        last = self.steps[-1]
        return last.path == record.steps[-1].path and any(key == record.leaf for key, _ in last.keys)


def _matches(wanted: _Step, step: Step) -> bool:
    return (
        wanted.path == step.path
        and wanted.position in (None, step.position)
        and all(key in step.keys and _says(step.keys[key], text) for key, text in wanted.keys)
    )


def _says(found: object, text: str) -> bool:
    if _text(found) == text:
        return True
    return _is_number(found) and _NUMBER.fullmatch(text) is not None and found == float(text)


def _text(found: object) -> str:
    if isinstance(found, bool):
        return "true" if found else "false"
    return str(int(found)) if isinstance(found, float) and found.is_integer() else str(found)


def selectors(fields: Iterable[str]) -> list[Selector]:
    """Those of the fields that select in lists, the one with most keys first."""
    found = [selector for field in fields if "[" in field and (selector := parse(field)) is not None]
    return sorted(found, key=lambda selector: -selector.keys)


@lru_cache(maxsize=4096)
def parse(field: str) -> Selector | None:
    """None if the name has brackets of another kind."""
    steps, at = [], 0
    while (part := _PART.match(field, at)) is not None:
        path, keys = part.groups()
        if keys.isdecimal():
            steps.append(_Step(path, (), int(keys)))
        else:
            pairs = tuple((m[1], m[2] or m[3] or m[4] or "") for m in _KEY.finditer(keys))
            if bool(keys.strip()) is not bool(pairs):
                return None
            steps.append(_Step(path, pairs))
        at = part.end()
    leaf = field[at:]
    return Selector(field, tuple(steps), leaf) if steps and leaf and "[" not in leaf else None


def suggestion(record: Record) -> str:
    """A field name that selects this result by a key; for a key or a text, the number beside it. Objects with
    times have `[]`; those that nothing else tells apart, their position.
    """
    parts = []
    leaf = record.leaf
    for step in record.steps:
        key = _best_key(step)
        said = f"{key}={_written(step.keys[key])}" if key else "" if _has_time(step) else str(step.position)
        parts.append(f"{step.path}[{said}]")
        if step is record.steps[-1] and (key == leaf or not _is_result(step, leaf)):
            leaf = next((name for name in step.keys if name != key and _is_result(step, name)), leaf)
    return ".".join([*parts, leaf])[:160]


def _best_key(step: Step) -> str:
    """An entry that only this object of the list has: an id, else a name or type, else a text."""
    names = [key for key in step.keys if _is_unique(step, key)]
    texts = [key for key in names if isinstance(step.keys[key], str)]
    for endings in (("id",), ("name", "type", "channel", "key")):
        for key in names:
            if key.lower().endswith(endings) and not key.lower().endswith("humid"):
                return key
    return next(iter(texts), "")


def _is_unique(step: Step, key: str) -> bool:
    """True if the entry may tell the object apart: a short text or whole number that no other one has."""
    entry = step.keys[key]
    if isinstance(entry, bool) or not isinstance(entry, str | int) or looks_like_time(key, entry):
        return False
    text = _text(entry)
    if not text.strip() or len(text) > 40 or _BRACKETS.search(key + text) or set(key) & set("=,"):
        return False
    return _others(step, key) <= 1


def _others(step: Step, key: str) -> int:
    """How many objects of the list say the same under a key, among the first."""
    same = _text(step.keys[key])
    listed = step.among[:_MOST_COMPARED]
    return sum(isinstance(one, dict) and key in one and _text(one[key]) == same for one in listed)


def _is_result(step: Step, name: str) -> bool:
    """True for a number that is no time; also for what is nested deeper."""
    entry = step.keys.get(name, 0)
    return _is_number(entry) and not looks_like_time(name, entry)


def _has_time(step: Step) -> bool:
    """True if each object of the list has a time of its own."""
    return any(looks_like_time(key, entry) and _others(step, key) <= 1 for key, entry in step.keys.items())


def _written(entry: object) -> str:
    text = _text(entry)
    return f'"{text}"' if set(text) & set(",=") else text


def _is_number(entry: object) -> bool:
    return isinstance(entry, int | float) and not isinstance(entry, bool)
