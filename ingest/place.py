"""Readings + catalogue snapshot → observations or refusals. Pure.

A result has the device's time, checked against the device's deployments and the time of receipt. Only a
device that sends no time gets the time of receipt, shifted by the offset that it reports.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from ingest.decode import Decoded
from insitu.model import ClockQuality, Observation, Reading, RejectReason
from insitu.times import to_datetime
from store.catalogue.snapshot import KnownDatastream, KnownDevice
from store.fields import FieldRule

DAY_US = 86_400_000_000
FUTURE_US = 600_000_000
"""A device's clock may be ahead by this much."""

_DEVICE, _NETWORK = int(ClockQuality.DEVICE), int(ClockQuality.NETWORK)
_REPAIRED, _ARRIVAL = int(ClockQuality.REPAIRED), int(ClockQuality.ARRIVAL)
_MAX = 1.7976931348623157e308
_MOST_NAMED = 10
_NO_FACTORS = (math.nan, math.nan)


class Placed(NamedTuple):
    observations: list[Observation]
    refused: dict[RejectReason, tuple[int, str]]
    """Reason → (number of results, text about the first)."""


def place(device: KnownDevice, decoded: Decoded, received_us: int) -> Placed:
    """Turn each reading into an observation, or count it in `refused`."""
    observations: list[Observation] = []
    refused: dict[RejectReason, tuple[int, str]] = {}
    streams = device.datastreams
    stamped = _NETWORK if decoded.network_time else _DEVICE
    unknown: list[Reading] = []
    judged: int | None = None
    verdict: tuple[RejectReason, str] | None = None
    for reading in decoded.readings:
        name, result, given_us, repaired, offset_us, unit, source = (
            reading  # unpacked once, for every result that arrives
        )
        stream = streams.get(name) if not source else _named_in_full(reading, streams)
        if stream is None:
            unknown.append(reading)
            continue
        kind = result.__class__
        if stream.result_type == "number" and (kind is float or kind is int):
            if kind is int and not -_MAX <= result <= _MAX:  # type: ignore[operator]
                _refuse(refused, *_no_number(reading, stream))
                continue
        elif stream.result_type != "boolean" or kind is not bool:
            _refuse(refused, RejectReason.WRONG_TYPE, _wrong_type(device, reading, stream))
            continue
        if not unit or unit == stream.unit or kind is bool:
            number: float = result * stream.scale + stream.shift  # type: ignore[operator]
        else:
            scale, shift = stream.accepts.get(unit, _NO_FACTORS)
            number = result * scale + shift  # type: ignore[operator]
        if not -_MAX <= number <= _MAX:  # also if only the factor made it too large
            _refuse(refused, *_no_number(reading, stream))
            continue
        time_us = received_us + offset_us if given_us is None else given_us
        if time_us != judged:
            judged = time_us
            verdict = judge_time(device, time_us, received_us, by_network=decoded.network_time)
        if verdict is not None:
            _refuse(refused, *verdict)
            continue
        quality = _ARRIVAL if given_us is None else _REPAIRED if repaired else stamped
        observations.append(Observation(stream.datastream_id, time_us, number, received_us, quality))
    return Placed(observations, _unknown(unknown, streams) | refused)


def judge_time(
    device: KnownDevice, time_us: int, received_us: int, *, by_network: bool = False
) -> tuple[RejectReason, str] | None:
    """None if the time is plausible: within a deployment, give or take a day, and not in the future.

    `by_network`: the network's clock gave the time, since the device has none.
    """
    places = device.deployments
    if len(places) == 1:  # nearly always
        start, end = places[0]
        if start - DAY_US <= time_us <= received_us + FUTURE_US and (end is None or time_us < end + DAY_US):
            return None
    elif not places:
        return (
            RejectReason.NOT_DEPLOYED,
            "The device is not deployed yet: have the lab enter its deployment, then replay.",
        )
    if time_us > received_us + FUTURE_US or time_us < min(start for start, _ in places) - DAY_US:
        whose, clock = (
            ("network", "correct the clock of the network server or its gateway")
            if by_network
            else ("device", "set its clock")
        )
        return (
            RejectReason.CLOCK_OUT_OF_RANGE,
            f"The {whose} sent the time {_date(time_us)}; it was received at {_date(received_us)}. That is "
            f"outside its deployment: {clock}, or have the lab correct the deployment, then replay.",
        )
    for start, end in places:
        if start - DAY_US <= time_us and (end is None or time_us < end + DAY_US):
            return None
    mend = "have" if by_network else "set its clock, or have"
    return (
        RejectReason.NOT_DEPLOYED,
        f"The device was not deployed at that time: {mend} the lab correct its deployment, then replay.",
    )


def _date(time_us: int) -> str:
    """To the second, in UTC; also of a clock whose year has no date."""
    try:
        return f"{to_datetime(time_us):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError):
        return "after the year 9999" if time_us > 0 else "before the year 1"


def _refuse(refused: dict[RejectReason, tuple[int, str]], reason: RejectReason, detail: str) -> None:
    count, first = refused.get(reason, (0, detail))
    refused[reason] = (count + 1, first)


def _named_in_full(reading: Reading, streams: dict[str, KnownDatastream]) -> KnownDatastream | None:
    """The datastream `source.property`, which distinguishes two sources of one property; else `property`
    alone.
    """
    return streams.get(f"{reading.source}.{reading.property}") or streams.get(reading.property)


def _unknown(
    readings: Sequence[Reading], streams: dict[str, KnownDatastream]
) -> dict[RejectReason, tuple[int, str]]:
    """The refusal of those that no datastream has: a text about the first, with the names of some others.
    Datastreams that begin alike come first.
    """
    if not readings:
        return {}
    name, source = readings[0].property, readings[0].source
    full = f" or {f'{source[-60:]}.{name[:60]}'!r}" if source else ""
    others = list(dict.fromkeys(one.property[:60] for one in readings[1:_MOST_NAMED]))
    more = ", ".join(map(repr, others)) + (" and others" if len(readings) > _MOST_NAMED else "")
    also = f" Nor has it {more}." if others else ""
    alike = sorted(streams, key=lambda known: (known[:3].casefold() != name[:3].casefold(), known))
    rest = f" and {len(alike) - _MOST_NAMED} more" if len(alike) > _MOST_NAMED else ""
    said = (
        f"The device has no datastream {name[:60]!r}{full}; it has "
        f"{', '.join(alike[:_MOST_NAMED]) or 'none'}{rest}. Correct the name, or have the field mapped, "
        f"then replay.{also}"
    )
    return {RejectReason.UNKNOWN_PROPERTY: (len(readings), said)}


def _other_unit(reading: Reading, stream: KnownDatastream) -> str:
    known = ", ".join(sorted(stream.accepts)[:10])
    more = f" or in one of {known}" if known else ""
    return (
        f"{reading.property[:60]!r} came in {reading.unit[:40]!r}; the datastream takes it in "
        f"{stream.unit!r}{more}."
    )


def _no_number(reading: Reading, stream: KnownDatastream) -> tuple[RejectReason, str]:
    """Reason and text why it has no finite result: its unit has no factor to the datastream's, or the result
    itself is not finite.
    """
    if reading.unit and reading.unit != stream.unit and reading.unit not in stream.accepts:
        return RejectReason.UNIT_MISMATCH, _other_unit(reading, stream)
    return (
        RejectReason.NOT_FINITE,
        f"{reading.property[:60]!r}: {str(reading.result)[:40]} is no finite number: leave it out when the "
        "sensor gives none.",
    )


def _wrong_type(device: KnownDevice, reading: Reading, stream: KnownDatastream) -> str:
    wanted = "a number" if stream.result_type == "number" else "true or false"
    name, result = reading.property, reading.result
    advice = _advice(result, device.rules.get(name), wanted)
    return f"{name[:60]!r} must be {wanted}, not {shown(result)}{advice}."


def shown(result: object) -> str:
    """A result as its sender wrote it, cut to 40 characters."""
    if isinstance(result, str):
        return f"the text {result[:40]!r}"
    return "null" if result is None else str(result).lower()[:40]


def _advice(result: object, rule: FieldRule | None, wanted: str) -> str:
    """How a mapping can read it."""
    if result is None:
        return ': leave it out, or have the field mapped with missing = ["null"], then replay'
    if wanted != "a number":
        return ": have the field mapped with `true` and `false`, or `missing`, then replay"
    if not isinstance(result, str):
        return ": where it is no number, have the field mapped as a boolean"
    if rule is not None and (rule.text or rule.decimal == ","):
        mark = "comma" if rule.decimal == "," else "point"
        return (
            f": its mapping reads plain numbers with a {mark}; `decimal` changes that, and `missing` names "
            "what stands for no result"
        )
    return ": send it without quotes, or have the field mapped with `text` or `missing`, then replay"
