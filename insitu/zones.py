"""Time zones by name: tried where they are entered, and survived where a wrong one is stored."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from insitu.errors import CorrectInput


def find_zone(name: str) -> ZoneInfo | None:
    """None if no zone has that name."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, no name at all, a folder of zones
        return None


def require_zone(name: str) -> str:
    """The name itself; CorrectInput if no zone has it."""
    if find_zone(name) is None:
        raise CorrectInput(f"{name!r} is not a time zone: write a name such as Europe/Paris or UTC.")
    return name


def zone_or_utc(name: str) -> ZoneInfo:
    """UTC for a name that is stored and names no zone: one wrong row must not break a list."""
    return find_zone(name) or ZoneInfo("UTC")
