"""The flags of a package, compared with each other and with a second run of the quality checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from insitu.arrays import Ints
from insitu.errors import CorrectInput
from insitu.model import Flag
from insitu.times import to_datetime, to_rfc3339, to_us
from trials import quality
from trials.package.catalogue import checked_parameters
from trials.package.columns import Columns
from trials.package.reading import Package
from trials.package.rows import FlagRow
from trials.package.tables import FORMAT_1
from trials.plan.protocol import Protocol
from trials.plan.rules import Rules
from trials.series.inputs import StreamInput

_MOST_LINES: Final = 20


@dataclass(frozen=True, slots=True)
class Rechecked:
    """`lines`: differences. `not_run`: datastreams whose checks could not run again, with the reason."""

    observations: int
    lines: list[str]
    not_run: list[str]


def planned_of(stream: StreamInput) -> list[quality.Planned]:
    """The checks that ran, with their parameters. CorrectInput if they are none."""
    try:
        by_name = checked_parameters(stream.checked_with or "{}")
    except ValueError as error:
        raise CorrectInput(f"{stream.key()}: its parameters of checks cannot be read ({error}).") from error
    if sorted(by_name) != sorted(stream.ran):
        raise CorrectInput(f"{stream.key()}: its parameters are not those of the checks that ran.")
    return quality.plan([(name, by_name[name]) for name in stream.ran])


def recheck(package: Package) -> Rechecked:
    """Compares the flags of every datastream."""
    by_stream: dict[str, list[FlagRow]] = {}
    for row in package.flags:
        by_stream.setdefault(row.datastream, []).append(row)
    streams = {stream.key(): stream for stream in package.inputs.streams}
    lines = [
        f"flags.csv: catalogue.json knows no datastream {key!r}"
        for key in sorted(set(by_stream) - set(streams))
    ]
    lines += _strange(package, set(streams))
    not_run: list[str] = []
    for key, stream in streams.items():
        stated = by_stream.get(key, [])
        lines += _consistent(stream, stated)
        if package.form == FORMAT_1:
            continue
        span = span_of(package.inputs.protocol, stream, package.inputs.rules)
        lines += _placed(package, stream, span)
        if stream.ran and stream.checked_with is None:
            not_run.append(f"{key}: the parameters of its checks are not known")
        else:
            lines += _run_again(package, stream, stated)
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_MOST_LINES], f"… and {len(lines) - _MOST_LINES} more"]
    return Rechecked(sum(len(s.time_us) for s in streams.values()), lines, not_run)


def _strange(package: Package, known: set[str]) -> Iterator[str]:
    for name, keys in (("surroundings.csv", package.surroundings), ("receipts.csv", package.receipts)):
        yield from (
            f"{name}: catalogue.json knows no datastream {key!r}" for key in sorted(set(keys) - known)
        )


def span_of(protocol: Protocol, stream: StreamInput, rules: Rules) -> tuple[datetime, datetime]:
    """`[first, last)` of the times of results that stand for intervals with their middle in the periods."""
    shift = stream.shift_us(protocol.interval_for(stream.property, stream.device), rules)
    first = to_us(min(p.start for p in protocol.periods)) - shift
    last = to_us(max(p.end for p in protocol.periods)) - shift
    return to_datetime(first), to_datetime(last)


def _consistent(stream: StreamInput, stated: Sequence[FlagRow]) -> Iterator[str]:
    """Rows of flags.csv without their observation or check, and observations with another flag than their
    rows.
    """
    key = stream.key()
    order = np.array([row.time_us for row in stated], np.int64)
    at = np.searchsorted(stream.time_us, order)
    worst = np.where(len(stream.ran) > 0, Flag.PASS, Flag.NOT_EVALUATED) * np.ones(
        len(stream.time_us), np.int8
    )
    rolled: dict[int, int] = {}
    for row, index in zip(stated, at.tolist(), strict=True):
        if index == len(stream.time_us) or stream.time_us[index] != row.time_us:
            yield f"flags.csv: {key} has no observation at {_time(row.time_us)}"
        elif row.check not in stream.ran:
            yield f"flags.csv: the check {row.check!r} did not run on {key}"
        else:
            rolled[index] = max(rolled.get(index, 0), row.flag)
    for index, flag in rolled.items():
        worst[index] = flag
    # A result that came after the last run of the checks has no flag yet.
    other = (stream.flag != worst) & ~((stream.flag == Flag.NOT_EVALUATED) & (worst == Flag.PASS))
    for index in np.flatnonzero(other).tolist():
        yield (
            f"observations.csv: {key} at {_time(int(stream.time_us[index]))} has flag {stream.flag[index]}, "
            f"its checks give {worst[index]}"
        )


def _placed(package: Package, stream: StreamInput, span: tuple[datetime, datetime]) -> Iterator[str]:
    """Observations outside the periods, surroundings within them or too far away, receipts of nothing."""
    key, (first, last) = stream.key(), (to_us(span[0]), to_us(span[1]))
    around = package.surroundings.get(key, Columns.none()).time_us
    outside = (stream.time_us < first) | (stream.time_us >= last)
    yield from (
        f"observations.csv: {key} at {_time(time)} lies outside the periods"
        for time in stream.time_us[outside].tolist()
    )
    margin = margin_us(stream)
    wrong = ((around >= first) & (around < last)) | (around < first - margin) | (around >= last + margin)
    yield from (
        f"surroundings.csv: {key} at {_time(time)} is not just outside the periods"
        for time in around[wrong].tolist()
    )
    received = list(package.receipts.get(key, {}))
    known: list[bool] = []
    if received:
        known = np.isin(np.array(received, np.int64), stream.time_us).tolist()
    yield from (
        f"receipts.csv: {key} has no observation at {_time(time)}"
        for time, is_known in zip(received, known, strict=True)
        if not is_known
    )


def margin_us(stream: StreamInput) -> int:
    """How far outside the periods an observation may decide about a flag; 0 if nobody knows the checks."""
    return quality.margin_us(planned_of(stream)) if stream.checked_with is not None else 0


def _run_again(package: Package, stream: StreamInput, stated: Sequence[FlagRow]) -> Iterator[str]:
    key = stream.key()
    flags, rows = run_again(stream, package.surroundings.get(key), package.receipts.get(key, {}))
    for index in np.flatnonzero(flags != stream.flag).tolist():
        yield (
            f"{key} at {_time(int(stream.time_us[index]))}: flag {stream.flag[index]} stated, "
            f"{flags[index]} by running the checks again"
        )
    listed = set(stated)
    for row in sorted(listed ^ rows):
        which = "is not found by running it again" if row in listed else "is missing in flags.csv"
        yield f"{key} at {_time(row.time_us)}: flag {row.flag} of {row.check} {which}"


def run_again(
    stream: StreamInput, around: Columns | None, receipts: Mapping[int, int]
) -> tuple[np.typing.NDArray[np.int8], set[FlagRow]]:
    """The flags of the observations, and the rows of flags.csv, by a second run of the checks."""
    around = around or Columns.none()
    time_us: Ints = np.concatenate([stream.time_us, around.time_us])
    received = time_us.copy()
    own = len(stream.time_us)
    if receipts:
        ahead = np.isin(stream.time_us, np.array(list(receipts), np.int64))
        received[:own][ahead] = [receipts[time] for time in stream.time_us[ahead].tolist()]
    result = quality.run(
        planned_of(stream), time_us, np.concatenate([stream.result, around.result]), received
    )
    rows = {
        FlagRow(stream.key(), int(stream.time_us[index]), check, int(flags[index]))
        for check, flags in result.by_check.items()
        for index in np.flatnonzero(flags[:own] != Flag.PASS).tolist()
    }
    return result.flags[:own], rows


def _time(time_us: int) -> str:
    return to_rfc3339(to_datetime(time_us))
