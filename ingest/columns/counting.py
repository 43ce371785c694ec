"""Columns → ledger, signs of life, and whom to send receipts to. Pure."""

from __future__ import annotations

from collections.abc import Set

import numpy as np

from ingest.columns.plain import Plain
from insitu.arrays import Ints
from store.ledger import Key, Ledger
from store.signs import Heard

HOUR_US = 3_600_000_000


def count(plain: Plain, opened: Set[int], ledger: Ledger) -> int:
    """Add the messages, except the `opened` ones, which are counted as objects; returns their results."""
    kept = np.ones(len(plain), bool)
    kept[list(opened)] = False
    hours = plain.received_us[kept] // HOUR_US
    if not len(hours):
        return 0
    senders, widths = plain.senders[kept], plain.widths[kept]
    first = int(hours.min())
    spread = int(hours.max()) - first + 1
    groups, members = np.unique(senders * spread + hours - first, return_inverse=True)
    messages = np.bincount(members)
    results = np.bincount(members, widths).astype(np.int64)
    for group, number, contained in zip(groups.tolist(), messages.tolist(), results.tolist(), strict=True):
        known = plain.devices[group // spread]
        entry = ledger.entry(Key(known.trial, known.device, (first + group % spread) * HOUR_US))
        entry.received += number
        entry.accepted += number
        entry.contained += contained
        entry.stored += contained
    return int(widths.sum())


def heard(plain: Plain) -> dict[int, Heard]:
    """Device → its messages."""
    if not len(plain):
        return {}
    order = np.argsort(plain.senders, kind="stable")
    senders, received = plain.senders[order], plain.received_us[order]
    starts = np.flatnonzero(np.r_[True, senders[1:] != senders[:-1]])
    offsets_us = plain.times_us[order] - received
    columns: list[Ints] = [
        senders[starts],
        np.minimum.reduceat(received, starts),
        np.maximum.reduceat(received, starts),
        np.maximum.reduceat(offsets_us, starts),
    ]
    return {
        plain.devices[sender].device_id: Heard(first_us, last_us, None, offset_us / 1e6)
        for sender, first_us, last_us, offset_us in zip(*(c.tolist() for c in columns), strict=True)
    }


def listening(plain: Plain) -> dict[int, tuple[str, str]]:
    """Device → (trial, device), for devices that hear receipts: all that send plain messages."""
    known = [plain.devices[sender] for sender in np.unique(plain.senders).tolist()]
    return {one.device_id: (one.trial, one.device) for one in known}
