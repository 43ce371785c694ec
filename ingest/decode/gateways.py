"""When a frame was heard, by the clocks of the gateways, of the network server and of Insitu; and which
gateway's clock is wrong.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from ingest.decode import times
from insitu.model import Remark, RemarkCode

TOLERANCE_US: Final = 10_000_000
"""A gateway's time is used within 10 s of the network's. A frame reaches the network within 2 s even over
a slow backhaul, and a gateway that keeps time by NTP is right to 1 s. A clock that is wrong is wrong by
minutes to years.
"""


class Heard(NamedTuple):
    time_us: int | None
    """None: no clock of the network is trusted, so the time of receipt counts."""
    remarks: tuple[Remark, ...] = ()


class _Gateway(NamedTuple):
    name: str
    time_us: int


def heard(event_us: int | None, gateways: Any, received_us: int) -> Heard:
    """When a frame was heard. `event_us`: the event's own time, which is one gateway's; None: it has none.

    The network server's clock decides where the event has it. Without it, the event's time counts if another
    gateway agrees, or if it agrees with the receipt.
    """
    listed = [one for one in gateways if isinstance(one, dict)] if isinstance(gateways, list) else []
    network = [us for one in listed if (us := _time(one, "nsTime")) is not None]
    own = [_Gateway(_name(one), us) for one in listed if (us := _time(one, "gwTime", "time")) is not None]
    event = [] if event_us is None else [event_us]
    candidates = [*event, *(one.time_us for one in own)]
    if network:
        true_us = min(network)
        return Heard(_nearest(candidates, true_us) or true_us, _wrong(own, true_us))
    agreeing = sum(_agree(one.time_us, us) for one in own for us in event)
    if agreeing >= 2 and 2 * agreeing > len(own) and event[0] <= received_us + TOLERANCE_US:
        return Heard(event[0], _wrong(own, event[0]))
    near_us = _nearest(candidates, received_us)
    if near_us is not None:
        return Heard(near_us, _wrong(own, near_us))
    return Heard(None, _wrong(own or [_Gateway(_only(listed), us) for us in event], received_us))


def _nearest(candidates: list[int], true_us: int) -> int | None:
    """The first, if it agrees with `true_us`, else the closest that does."""
    near = [us for us in candidates if _agree(us, true_us)]
    if near and near[0] == candidates[0]:
        return near[0]
    return min(near, key=lambda us: abs(us - true_us), default=None)


def wrong_clocks(gateways: Any, true_us: int) -> tuple[Remark, ...]:
    """A remark for each gateway whose clock differs from the network's, as The Things Stack lists them."""
    listed = [one for one in gateways if isinstance(one, dict)] if isinstance(gateways, list) else []
    own = [_Gateway(_name(one), us) for one in listed if (us := _time(one, "time")) is not None]
    return _wrong(own, true_us)


def _wrong(gateways: list[_Gateway], true_us: int) -> tuple[Remark, ...]:
    return tuple(
        Remark(RemarkCode.GATEWAY_CLOCK, one.name, (one.time_us - true_us) / 1e6)
        for one in gateways
        if not _agree(one.time_us, true_us)
    )


def _agree(us: int, other_us: int) -> bool:
    return abs(us - other_us) <= TOLERANCE_US


def _time(gateway: dict[str, Any], *names: str) -> int | None:
    """µs of the first of these entries that is a time."""
    for name in names:
        given = gateway.get(name)
        if isinstance(given, str) and (us := times.of_text(given)) is not None:
            return us
    return None


def _name(gateway: dict[str, Any]) -> str:
    ids = gateway.get("gateway_ids")
    given = gateway.get("gatewayId") if not isinstance(ids, dict) else ids.get("gateway_id")
    return given[:64] if isinstance(given, str) and given.isprintable() else ""


def _only(listed: list[dict[str, Any]]) -> str:
    return _name(listed[0]) if len(listed) == 1 else ""
