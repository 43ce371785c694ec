"""Observed properties. The caller owns the transaction."""

from __future__ import annotations

import json
from dataclasses import dataclass

from insitu.model import AveragingScale, require_code
from store.database import Connection, rows, scalar
from store.queries import Queries


class _SQL(Queries, file="catalogue/properties"):
    add_property: str
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
    averaging_scale: AveragingScale = AveragingScale.ARITHMETIC,
) -> int:
    require_code(code, "property")
    return int(
        scalar(
            conn,
            _SQL.add_property,
            code=code,
            name=json.dumps(name),
            unit=unit,
            averaging_scale=str(averaging_scale),
        )
    )


def list_properties(conn: Connection) -> list[ObservedProperty]:
    return rows(conn, ObservedProperty, _SQL.properties)
