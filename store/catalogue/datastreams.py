"""Datastreams: one property of one device. The caller owns the transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from insitu.model import AveragingScale, DatastreamRole, Stamp
from insitu.spacing import Spacing
from store.catalogue.deployments import Deployment, list_deployments
from store.database import Connection, require_found, rows, scalar
from store.queries import Queries


class _SQL(Queries, file="catalogue/datastreams"):
    add_datastream: str
    datastreams_of_trial: str


@dataclass(frozen=True, slots=True)
class TrialDatastream:
    """`unit` is the property's (results are stored in it); `sent_unit` is the device's."""

    datastream_id: int
    device_id: int
    device: str
    name: str
    property: str
    unit: str
    sent_unit: str
    role: DatastreamRole
    scale: float
    shift: float
    averaging_scale: AveragingScale
    expected_interval_s: float | None
    """About, if it is a number of months."""
    expected_months: int
    stamp: Stamp
    sensor: str
    sensor_serial: str | None
    calibrated_at: datetime | None
    retired_at: datetime | None
    deployments: list[Deployment] = field(default_factory=list)

    def every(self) -> Spacing | None:
        """The declared interval."""
        if self.expected_interval_s is None:
            return None
        if self.expected_months:
            return Spacing(months=self.expected_months)
        return Spacing(timedelta(seconds=self.expected_interval_s))


def add_datastream(
    conn: Connection,
    *,
    device_id: int,
    name: str,
    property: str,
    unit: str,
    role: DatastreamRole,
    scale: float = 1.0,
    shift: float = 0.0,
    expected_interval: Spacing | timedelta | None = None,
    stamp: Stamp = Stamp.INSTANT,
    sensor_id: int | None = None,
    result_type: str = "number",
) -> int:
    """`name` is the key in the device's payload. Stored result = sent · scale + shift, in the property's
    unit. `expected_interval`: planned time between two results.
    """
    spacing = None if expected_interval is None else Spacing.of(expected_interval)
    number = scalar(
        conn,
        _SQL.add_datastream,
        device_id=device_id,
        sensor_id=sensor_id,
        property=property,
        name=name,
        unit=unit,
        scale=scale,
        shift=shift,
        role=str(role),
        result_type=result_type,
        months=None if spacing is None else spacing.months,
        seconds=None if spacing is None else spacing.fixed.total_seconds(),
        stamp=str(stamp),
    )
    return require_found(number, f"There is no observed property {property!r}.")


def list_datastreams(conn: Connection, trial: str) -> list[TrialDatastream]:
    """With the deployments of their devices."""
    streams = rows(conn, TrialDatastream, _SQL.datastreams_of_trial, trial=trial)
    places = list_deployments(conn, trial)
    for stream in streams:
        stream.deployments.extend(place for place in places if place.device_id == stream.device_id)
    return streams
