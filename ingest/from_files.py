"""Results from a file, unlike those of a live device; for an import and its replay."""

from __future__ import annotations

from ingest.prepared import Prepared
from insitu.model import ClockQuality, Observation, RejectReason
from insitu.times import to_datetime
from store.catalogue.snapshot import KnownDevice

_FILE = int(ClockQuality.FILE)


def from_file(item: Prepared) -> Prepared:
    """The same, with the clock quality of a file, and without results from outside the device's deployments.

    A live device gets a day of grace for its clock. A file gets none: its first day may be the bench, or the
    place of the device that was there before.
    """
    known = item.known
    observations = [one._replace(clock_quality=_FILE) for one in item.observations]
    if known is None:
        return item._replace(observations=tuple(observations))
    inside = [one for one in observations if _is_deployed(known, one.time_us)]
    outside = len(observations) - len(inside)
    refused = dict(item.refused)
    if outside:
        first = next(one for one in observations if not _is_deployed(known, one.time_us))
        before, detail = refused.get(RejectReason.NOT_DEPLOYED, (0, _outside(known, first)))
        refused[RejectReason.NOT_DEPLOYED] = before + outside, detail
    return item._replace(observations=tuple(inside), refused=refused)


def _is_deployed(known: KnownDevice, time_us: int) -> bool:
    """Both ends count: a time may mark either end of its interval."""
    return any(start <= time_us and (end is None or time_us <= end) for start, end in known.deployments)


def _outside(known: KnownDevice, one: Observation) -> str:
    nearest = min(
        known.deployments,
        key=lambda stay: max(
            stay[0] - one.time_us, one.time_us - (one.time_us if stay[1] is None else stay[1])
        ),
    )
    start, end = nearest
    early = one.time_us < start
    option, edge = ("--start", start) if early else ("--end", start if end is None else end)
    return (
        f"{_utc(one.time_us)} is {'before' if early else 'after'} the deployment of {known.device}, which "
        f"{'began' if early else 'ended'} at {_utc(edge)}. If it was there: `insitu deployment {known.trial} "
        f"{known.device} {option} TIME --reason WHY`, then `insitu replay --trial {known.trial}`."
    )


def _utc(time_us: int) -> str:
    return f"{to_datetime(time_us):%Y-%m-%d %H:%M:%S} UTC"
