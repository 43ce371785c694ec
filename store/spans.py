"""Spans of one datastream each, for statements that change stored results.

A columnstore of TimescaleDB unpacks whole batches of rows before it changes one. It finds them by the
constants of a statement, never by a join: a statement without constant bounds unpacks every chunk, up to the
server's limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

_FAR: Final = timedelta(days=1)
"""Times farther apart begin another span: what is between them need not be unpacked."""


@dataclass(frozen=True, slots=True)
class Span:
    """`first` and `last` are inclusive."""

    datastream_id: int
    first: datetime
    last: datetime


def spans_of(keys: Sequence[tuple[int, datetime]]) -> Iterator[tuple[Span, list[int]]]:
    """Each span with the indexes into `keys` that lie in it, in order of datastream and time."""
    order = sorted(range(len(keys)), key=keys.__getitem__)
    starts = [0]
    for n, (one, other) in enumerate(pairwise(order), 1):
        stream, at = keys[one]
        next_stream, next_at = keys[other]
        if next_stream != stream or next_at - at > _FAR:
            starts.append(n)
    for start, end in pairwise([*starts, len(order)]):
        if part := order[start:end]:
            stream, first = keys[part[0]]
            yield Span(stream, first, keys[part[-1]][1]), part
