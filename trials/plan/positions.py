"""Finds the line of each field in a JSON text, for messages that name it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Final

Path = tuple[str | int, ...]
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_DECODER: Final = json.JSONDecoder()


class Lines:
    """Lines of the fields of a text that `json.loads` accepts. An element of a list can be named by its
    number or its `name`.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]
        self._offsets: dict[Path, int] = {}
        self._named: dict[Path, Path] = {}
        """(list, name of an element) → path of the element."""
        self._walk(_SPACE.match(text, 0).end(), ())  # type: ignore[union-attr]  # matches nothing too

    def of(self, path: Sequence[str | int]) -> int:
        """Line of the field, 1 the first. For a field that is not there (missing, or a made-up step), the
        line of the nearest one around it.
        """
        found: Path = ()
        for step in path:
            inside = (*found, int(step) if isinstance(step, str) and step.isdecimal() else step)
            further = self._named.get((*found, step), inside)
            if further not in self._offsets:
                break
            found = further
        return self._line(self._offsets[found])

    def _line(self, offset: int) -> int:
        low, high = 0, len(self._starts)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._starts[middle] <= offset else (low, middle)
        return low + 1

    def _walk(self, at: int, path: Path) -> int:
        """Notes the value that begins at `at`, and the values in it; returns where it ends."""
        self._offsets.setdefault(path, at)
        if self._text[at] == "{":
            return self._object(at, path)
        if self._text[at] == "[":
            return self._list(at, path)
        value, end = _DECODER.raw_decode(self._text, at)
        if path and path[-1] == "name" and isinstance(value, str):
            self._named[(*path[:-2], value)] = path[:-1]
        return end

    def _object(self, at: int, path: Path) -> int:
        at = self._skip(at + 1)
        while self._text[at] != "}":
            name, end = _DECODER.raw_decode(self._text, at)
            self._offsets[(*path, name)] = at
            colon = self._skip(end)
            at = self._after(self._walk(self._skip(colon + 1), (*path, name)))
        return at + 1

    def _list(self, at: int, path: Path) -> int:
        at, number = self._skip(at + 1), 0
        while self._text[at] != "]":
            at, number = self._after(self._walk(at, (*path, number))), number + 1
        return at + 1

    def _after(self, at: int) -> int:
        """Where the next part begins, or the closing bracket is, after a part that ended at `at`."""
        at = self._skip(at)
        return self._skip(at + 1) if self._text[at] == "," else at

    def _skip(self, at: int) -> int:
        found = _SPACE.match(self._text, at)
        return found.end() if found else at
