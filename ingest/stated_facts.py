"""Facts that a message states beside its results, in fields that no mapping explains: another time, a factor,
or that the sender itself calls them bad. A result beside such a fact must not be stored as if it said
nothing. Pure.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from ingest.decode import Decoded
from ingest.decode.judgement import about, calls_bad, judges
from ingest.decode.stray import is_factor, is_factor_key, is_stated_time, is_time_key
from ingest.stated_units import names_unit
from insitu.model import Reading, RejectReason

_ENVELOPES: Final = frozenset({"meta", "metadata", "header", "head", "envelope", "msg", "message"})
"""Objects whose time is that of the results around them."""

Fact = tuple[RejectReason, str]
"""Why a result beside it is refused."""
_LATE: Final[Fact] = (RejectReason.INVALID_SHAPE, "")
"""Stands for a time until the result beside it is known."""


class _Around(NamedTuple):
    """The scope of a fact: results of one item of a list, of one time and source, in or below an object, or
    the one of that name.
    """

    item: int
    time_us: int | None
    source: str
    path: str


@lru_cache(maxsize=8192)
def may_state_facts(name: str) -> bool:
    """True if a field of that name may be no result but a fact about others; every result is asked."""
    leaf = name.rpartition(".")[2]
    return is_time_key(leaf) or is_factor_key(leaf) or names_unit(name) or judges(name)


def stated_facts(
    decoded: Decoded, names: Sequence[str | None], is_result: Callable[[int], bool]
) -> tuple[dict[int, Fact], dict[int, Fact]]:
    """(times, faults): index of each reading that a fact is about, or that states it → the fact. `names`:
    what datastreams and mappings call each reading. `is_result`: whether it would become an observation.
    """
    times: dict[_Around, tuple[int, Fact]] = {}
    faults: dict[_Around, tuple[int, Fact]] = {}
    for index, reading in enumerate(decoded.readings):
        name = names[index]
        if name is not None and "*" not in name:  # a pattern that leaves many out says nothing about this one
            continue
        if not may_state_facts(reading.property):
            continue
        late = times if name is None else {}
        for found, path, fact in _facts_in(reading, decoded.network_time, late, faults):
            found.setdefault(_around(decoded, index, path), (index, fact))
    return _told(decoded, names, times, is_result), _told(decoded, names, faults, is_result)


_Found = dict[_Around, tuple[int, Fact]]


def _facts_in(
    reading: Reading, by_network: bool, times: _Found, faults: _Found
) -> Iterator[tuple[_Found, str, Fact]]:
    """Each fact of the reading, with where it belongs and what it is about."""
    path, _, leaf = reading.property.rpartition(".")
    if (reading.time_us is None or by_network) and is_stated_time(leaf, reading.result):
        outer, _, last = path.rpartition(".")
        yield times, _below(outer if last.casefold() in _ENVELOPES else path), _LATE
    if is_factor(leaf, reading.result):
        yield faults, _below(path), (RejectReason.UNIT_MISMATCH, _factor(reading))
    if calls_bad(reading.property, reading.result):
        fact = RejectReason.CALLED_BAD, _fault(reading)
        yield from ((faults, one, fact) for one in about(reading.property))


def _told(
    decoded: Decoded, names: Sequence[str | None], found: _Found, is_result: Callable[[int], bool]
) -> dict[int, Fact]:
    told: dict[int, Fact] = {}
    if not found:
        return told
    for index, reading in enumerate(decoded.readings):
        if not is_result(index):
            continue
        for path in _paths(reading.property):
            stated = found.get(_around(decoded, index, path))
            if stated is not None:
                by, fact = stated
                if fact is _LATE:
                    fact = _time_fact(decoded.readings[by].property, names[index] or "")
                told[index] = told[by] = fact
                break
    return told


def _around(decoded: Decoded, index: int, path: str) -> _Around:
    reading = decoded.readings[index]
    item = bisect_right(decoded.starts, index) if decoded.starts else 0
    return _Around(item, reading.time_us, reading.source, path)


def _paths(name: str) -> Iterator[str]:
    """Scopes that hold this result: the result, what is below it, the objects around it."""
    yield name
    yield f"{name}."
    at = name.rfind(".")
    while at >= 0:
        yield name[: at + 1]
        at = name.rfind(".", 0, at)
    yield ""


def _below(path: str) -> str:
    return f"{path}." if path else ""


def _time_fact(sent: str, beside: str) -> Fact:
    """`sent`: the field with the time; `beside`: the mapped result, which may select in a list."""
    field = f"{beside.rpartition('.')[0]}.{sent.rpartition('.')[2]}" if "[" in beside else sent
    return (
        RejectReason.INVALID_SHAPE,
        f"The time is in {sent[:60]!r}, and no mapping reads it. Have its time mapped, as field = "
        f'{field[:160]!r} with time = "auto", or with `ignore` where the time of receipt is right, '
        f"then replay.",
    )


def _factor(reading: Reading) -> str:
    return (
        f"{reading.property[:60]!r} says {str(reading.result)[:20]}, a factor that no mapping reads: have "
        "the fields beside it mapped with that `scale`, or as they are where it is in them already, and "
        f"{reading.property[:60]!r} with `ignore`; then replay."
    )


def _fault(reading: Reading) -> str:
    said = reading.result if isinstance(reading.result, str) else str(reading.result).lower()
    return (
        f"{reading.property[:60]!r} says {said[:40]!r}: the device itself calls the results beside it bad. "
        "Where they count all the same, have that field mapped with `ignore`; where it has a word for good "
        'ones, with expect = ["ok"]; then replay.'
    )
