"""Observed properties. The caller owns the transaction."""

from __future__ import annotations

import json
from dataclasses import dataclass

from insitu.errors import CorrectInput
from insitu.model import AveragingScale, require_code
from insitu.scales import is_level, require_scale, turn_of
from store.database import Connection, rows, scalar
from store.queries import Queries


class _SQL(Queries, file="catalogue/properties"):
    add_property: str
    name_scale: str
    properties: str


@dataclass(frozen=True, slots=True)
class ObservedProperty:
    property_id: int
    code: str
    name: dict[str, str]
    unit: str
    averaging_scale: AveragingScale


def add_property(
    conn: Connection,
    *,
    code: str,
    name: dict[str, str],
    unit: str,
    averaging_scale: AveragingScale | None = None,
) -> int:
    """Its number. CorrectInput if the unit does not admit the averaging scale, or demands that one is named;
    AlreadyExists.
    """
    require_code(code, "property")
    scale = require_scale(code, unit, averaging_scale)
    return int(
        scalar(
            conn,
            _SQL.add_property,
            code=code,
            name=json.dumps(name),
            unit=unit,
            averaging_scale=str(scale),
        )
    )


def agree_on_scale(conn: Connection, code: str, scale: AveragingScale | None) -> bool:
    """For a property that exists: whether `scale` is new to it, and stored. A level or an angle may have been
    registered without a word; any other change would make another quantity of the results so far.

    CorrectInput if it has another scale. `scale` None agrees with any.
    """
    known = next(one for one in list_properties(conn) if one.code == code)
    if scale is None or scale is known.averaging_scale:
        return False
    require_scale(code, known.unit, scale)
    silent = is_level(known.unit) or turn_of(known.unit) is not None
    if not silent or scalar(conn, _SQL.name_scale, code=code, averaging_scale=str(scale)) is None:
        raise CorrectInput(
            f"{code} is registered with the averaging scale {known.averaging_scale}, not {scale}: correct "
            "the line, or enter a property with another code."
        )
    return True


def list_properties(conn: Connection) -> list[ObservedProperty]:
    return rows(conn, ObservedProperty, _SQL.properties)
