"""How devices have gone for some weeks."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel

from api.access import Signed
from api.context import Conn, Ctx
from store.read.fleet import get_device
from trials.workflow.condition import load_device, load_health

router = APIRouter()


class BatteryOut(BaseModel):
    percent: float
    """The last level: the median of six hours."""
    since: datetime
    """It was charged or replaced then, or is not known before."""
    percent_per_day: float
    """Negative: it empties."""
    days_left: float | None
    """A straight line to 0 %, from the last level; null where the levels do not say that it empties."""
    soonest: float | None
    latest: float | None
    """Ends of the 95 % interval of `days_left`; `latest` is null where the battery may also not empty."""


class FirmwareOut(BaseModel):
    firmware: str
    since: datetime | None
    """null: since before the last 90 days."""


class TrafficOut(BaseModel):
    """Messages by what became of them."""

    received: int
    whole: int
    in_part: int
    """Some of their results were refused."""
    refused: int
    repeated: int
    """Came once more; stored nothing."""


class StreamShareOut(BaseModel):
    name: str
    share: float | None
    """Of the planned intervals of the last 14 days; null where nothing was planned."""


class HealthOut(BaseModel):
    """How a device has gone for some weeks."""

    battery: BatteryOut | None
    """null for too few levels: it needs at least 8 over three days."""
    restarts: list[datetime]
    """Of the last 90 days, oldest first."""
    firmwares: list[FirmwareOut]
    """Newest first."""
    ever: TrafficOut
    lately: TrafficOut
    """In the last 7 days."""
    late_share: float | None
    """Of the results of 30 days that it sent: those kept back."""
    streams: list[StreamShareOut]


@router.get("/trials/{trial}/devices/{device}/health")
def get_health(trial: str, device: str, conn: Conn, context: Ctx, viewer: Signed) -> HealthOut:
    """How a device has gone for some weeks: battery, restarts, firmware, and how its messages fared."""
    now = context.clock.now()
    row = get_device(conn, viewer, trial, device, now=now)
    record = load_device(
        conn, row.device_id, now=now, simulated=context.clock.is_simulated, host_id=viewer.host_id
    )
    health = load_health(conn, row.trial, row.device, record, now)
    return HealthOut.model_validate(health, from_attributes=True)
