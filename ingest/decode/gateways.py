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


def heard(event_us: int, gateways: Any, received_us: int) -> Heard:
    """When a frame was heard. `event_us`: the event's own time, which is one gateway's.

    The network server's clock decides where the event has it. Without it, the event's time counts if another
    gateway agrees, or if it agrees with the receipt.
    """
    listed = [one for one in gateways if isinstance(one, dict)] if isinstance(gateways, list) else []
    network = [us for one in listed if (us := _time(one, "nsTime")) is not None]
    own = [_Gateway(_name(one), us) for one in listed if (us := _time(one, "gwTime", "time")) is not None]
    if network:
        true_us = min(network)
        near = [us for us in (event_us, *(one.time_us for one in own)) if _agree(us, true_us)]
        time_us = (
            event_us if event_us in near else min(near, key=lambda us: abs(us - true_us), default=true_us)
        )
        return Heard(time_us, _wrong(own, true_us))
    agreeing = sum(_agree(one.time_us, event_us) for one in own)
    if agreeing >= 2 and 2 * agreeing > len(own) and event_us <= received_us + TOLERANCE_US:
        return Heard(event_us, _wrong(own, event_us))
    near = [us for us in (event_us, *(one.time_us for one in own)) if _agree(us, received_us)]
    if near:
        time_us = event_us if event_us in near else min(near, key=lambda us: abs(us - received_us))
        return Heard(time_us, _wrong(own, time_us))
    return Heard(None, _wrong(own or [_Gateway(_only(listed), event_us)], received_us))


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
