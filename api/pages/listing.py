"""Long lists: search, order and pages, kept in the address, so that a selection can be kept and sent. They
work without JavaScript.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Generic, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Query

Item = TypeVar("Item")
PER_PAGE: Final = 50
Key = Callable[[Item], Any]
"""Gives texts, numbers or times to order by, or None, which comes last in both directions."""


@dataclass(frozen=True, slots=True)
class Asked:
    """`sort`: the name of a column, with a minus before it for the other direction. `number`: of the page."""

    q: str
    sort: str
    number: int

    @property
    def is_plain(self) -> bool:
        """Whether nobody searches and this is the first page."""
        return not self.q.strip() and self.number == 1


async def _asked(
    q: Annotated[str, Query(max_length=100)] = "",
    sort: Annotated[str, Query(max_length=40)] = "",
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Asked:
    return Asked(q, sort, page)


Asking = Annotated[Asked, Depends(_asked)]


@dataclass(frozen=True, slots=True)
class Arranged(Generic[Item]):
    """One page of a list. `total`: how many the search found; `filters`: further parameters of its
    address.
    """

    items: list[Item]
    total: int
    number: int
    pages: int
    asked: Asked
    sort: str
    """The order that holds; empty: the list's own."""
    path: str
    filters: Mapping[str, str | None]

    @property
    def is_whole(self) -> bool:
        return self.pages == 1 and not self.asked.q.strip()

    @property
    def first(self) -> int:
        """The place of the first item in the whole list, from 1."""
        return (self.number - 1) * PER_PAGE + 1

    def address(self, **changes: str | int | None) -> str:
        """The address of the list with some parameters changed."""
        chosen: dict[str, Any] = {**self.filters, "q": self.asked.q.strip(), "sort": self.sort}
        chosen |= {"page": self.number, **changes}
        kept = {name: text for name, text in chosen.items() if text and (name, text) != ("page", 1)}
        return self.path + (f"?{urlencode(kept)}" if kept else "")

    def turned(self, column: str) -> str:
        """The address that orders by a column; by the same one again, in the other direction."""
        return self.address(sort=f"-{column}" if self.sort == column else column, page=None)

    def direction(self, column: str) -> str:
        """The value of `aria-sort`; empty for a column by which nothing is ordered."""
        return {column: "ascending", f"-{column}": "descending"}.get(self.sort, "")


def arrange(
    items: Sequence[Item],
    asked: Asked,
    *,
    path: str,
    text: Key[Item],
    columns: Mapping[str, Key[Item]],
    filters: Mapping[str, str | None] | None = None,
) -> Arranged[Item]:
    """The page that was asked for, of the items whose `text` has every word of the search. An unknown column
    leaves the order as it is; a page behind the last one is the last one.
    """
    words = fold(asked.q).split()
    found = [one for one in items if all(word in fold(str(text(one))) for word in words)]
    column = asked.sort.removeprefix("-")
    sort = asked.sort if column in columns else ""
    if sort:
        key = columns[column]
        known = sorted(
            (one for one in found if key(one) is not None),
            key=lambda one: _comparable(key(one)),
            reverse=sort.startswith("-"),
        )
        found = known + [one for one in found if key(one) is None]
    pages = max(1, -(-len(found) // PER_PAGE))
    number = min(asked.number, pages)
    start = (number - 1) * PER_PAGE
    shown = found[start : start + PER_PAGE]
    return Arranged(shown, len(found), number, pages, asked, sort, path, filters or {})


def fold(text: str) -> str:
    """Without accents and capitals, so that `hopital` finds `Hôpital`."""
    apart = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in apart if not unicodedata.combining(letter)).casefold()


def _comparable(value: Any) -> Any:
    return fold(value) if isinstance(value, str) else value
