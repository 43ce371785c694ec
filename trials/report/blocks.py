"""The blocks of a report. A renderer lays them out and adds nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from insitu.language import Language


@dataclass(frozen=True, slots=True)
class Heading:
    text: str
    level: int = 2
    kind: Literal["heading"] = "heading"


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str
    style: Literal["plain", "lead", "small", "warning"] = "plain"
    kind: Literal["paragraph"] = "paragraph"


@dataclass(frozen=True, slots=True)
class Banner:
    """The verdict: a word and a mark besides the colour. `notes`: sentences that qualify it."""

    verdict: str
    """Names the colour: a verdict, or `after_the_fact`."""
    mark: str
    word: str
    text: str
    notes: tuple[str, ...] = ()
    kind: Literal["banner"] = "banner"


@dataclass(frozen=True, slots=True)
class Table:
    caption: str
    head: list[str]
    rows: list[list[str]]
    numeric: tuple[int, ...] = ()
    kind: Literal["table"] = "table"


@dataclass(frozen=True, slots=True)
class Figure:
    spec: dict[str, Any]
    alt: str
    caption: str
    kind: Literal["figure"] = "figure"


@dataclass(frozen=True, slots=True)
class PageBreak:
    """The next block begins a new page, where there are pages."""

    kind: Literal["page_break"] = "page_break"


Block = Heading | Paragraph | Banner | Table | Figure | PageBreak


@dataclass(slots=True)
class ReportModel:
    language: Language
    title: str
    subtitle: str
    number: str
    """Of the report, on every page."""
    notices: list[str]
    """Printed on every page: simulated time, interim look."""
    blocks: list[Block] = field(default_factory=list)
    watermark: str = ""
    """Behind every page of a report that is not a verdict."""
