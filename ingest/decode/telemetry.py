"""`…/telemetry`: the JSON of ThingsBoard's device API, for devices made for it.

`{"key": value}` without a time, `{"ts": ms, "values": {…}}` with one, and lists of either. A key is the name
of a datastream; nested objects are flattened. A wrong item of a list is refused alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ingest.decode import native, times
from ingest.decode.flatten import Leaf, Record, add_readings, items, leaves
from ingest.decode.result import Decoded, Problem, Unreadable, settle
from insitu.model import IgnoreReason, Reading


def decode(payload: bytes, received_us: int) -> Decoded | Unreadable:
    """One object, or a list of them."""
    try:
        document = native.read_json(payload)
        is_list = isinstance(document, list)
        readings: list[Reading] = []
        records: dict[int, Record] = {}
        problems: list[Problem] = []
        starts: list[int] = []
        for number, part in enumerate(document if is_list else [document]):
            starts.append(len(readings))
            try:
                found, time = _read(part, is_item=is_list)
            except native.Refused as refused:
                problems.append(native.problem_of(refused, number if is_list else None))
                continue
            add_readings(found, readings, records, time)
            native.require_bound(readings)
        if not readings and not problems:
            return Decoded([], ignored=IgnoreReason.EMPTY)
        settled = settle(readings, problems)
        if isinstance(settled, Unreadable):
            return settled
        return settled._replace(records=records, starts=tuple(starts) if is_list else ())
    except native.Refused as refused:
        return refused.unreadable


def _read(part: Any, *, is_item: bool) -> tuple[Iterator[Leaf], tuple[int | None, bool]]:
    """Its results, and their time."""
    if not isinstance(part, dict):
        raise native.not_an_object(part, '{"pm25": 12.3}, or with `ts` and `values`')
    if "ts" not in part or "values" not in part:  # ThingsBoard treats either one alone as an ordinary key
        return (next(items([part])) if is_item else leaves(part)), (None, False)
    values = part["values"]
    if not isinstance(values, dict):
        raise native.shape_refused("`values` must be an object.")
    native.require_good({key: given for key, given in part.items() if key not in ("ts", "values")})
    return leaves(values), _time(part["ts"])


def _time(given: Any) -> tuple[int, bool]:
    found = None
    if isinstance(given, int | float) and not isinstance(given, bool):
        found = times.of_number(given, times.MILLISECONDS)
    if found is None:
        raise native.shape_refused("`ts` must be a Unix time in milliseconds.")
    return found
