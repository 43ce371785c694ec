"""The condition of devices as a viewer may see it, for pages and routes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from api.context import Context
from store.access import Viewer
from store.database import Connection
from store.read.fleet import FleetRow
from trials.workflow.condition import Judged, load_conditions


def conditions_of(
    conn: Connection,
    context: Context,
    viewer: Viewer,
    devices: Sequence[FleetRow],
    now: datetime,
    *,
    with_days: bool = True,
) -> dict[int, Judged]:
    """By device id, for devices that this viewer may see, judged by the viewer's sites. `with_days`: also
    their completeness.
    """
    return load_conditions(
        conn,
        [row.device_id for row in devices],
        now=now,
        simulated=context.clock.is_simulated,
        host_id=viewer.host_id,
        count=context.strips.counts,
        with_days=with_days,
    )
