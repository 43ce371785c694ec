"""Remarks about a device as sentences."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from api.pages.words import GATEWAY_CLOCKS, REMARKS
from api.rendering import Page
from insitu.model import RemarkCode
from store.database import Connection
from store.remarks import DeviceRemark, list_remarks

WITHIN: Final = timedelta(days=30)
"""A remark that no message has made for this long is no longer shown."""


@dataclass(frozen=True, slots=True)
class ShownRemark:
    text: str
    messages: int
    last_at: datetime


def show_remarks(conn: Connection, page: Page, device_id: int) -> list[ShownRemark]:
    """Newest first."""
    found = list_remarks(conn, [device_id], page.now - WITHIN)
    return [ShownRemark(_sentence(page, one), one.messages, one.last_at) for one in found]


def _sentence(page: Page, remark: DeviceRemark) -> str:
    subject = remark.subject or "?"
    if remark.code == RemarkCode.GATEWAY_CLOCK:
        ahead_s = remark.amount or 0.0
        words = GATEWAY_CLOCKS["ahead" if ahead_s > 0 else "behind"]
        return page.t(words, subject=subject, span=page.span(timedelta(seconds=abs(ahead_s))))
    return page.t(REMARKS[RemarkCode(remark.code)], subject=subject)
