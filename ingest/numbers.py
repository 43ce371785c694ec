"""Messages that only their `boot` and `seq` identify, since they have no time: a repeat has the same bytes;
another message with the number of an earlier one is a conflict.

Only such messages cost anything here. Messages with times are compared result by result when they are merged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from ingest.outcome import Booked
from insitu.model import RejectReason
from insitu.times import to_datetime
from store.database import Connection
from store.digests import BYTES, Numbered, find_digests, save_digests

CONFLICT = (
    "Another message had this `boot` and `seq`, with other content, or too long ago to compare: begin a new "
    "`boot` at every start, then have these replayed."
)


def compare(conn: Connection, batch: Sequence[Booked], now_us: int) -> None:
    """Mark repeats and conflicts among the messages that only a number identifies."""
    numbered = [one for one in batch if not one.message.timed and _is_numbered(one)]
    if not numbered:
        return
    stored = find_digests(conn, [key for one in numbered if one.counted_before for key in _keys(one)])
    new: dict[Numbered, bytes] = {}
    for one in numbered:
        digest = _digest(one)
        keys = _keys(one)
        if not one.counted_before:
            new.update({key: digest for key in keys if key not in new})
            continue
        before = {new.get(key, stored.get(key)) for key in keys}
        if before == {digest} or (one.message.message.repeat and before == {None}):
            one.repeated = True
        else:
            one.refuse_whole(RejectReason.CONFLICTING_MESSAGE, CONFLICT)
    save_digests(conn, new, to_datetime(now_us))


def _is_numbered(one: Booked) -> bool:
    message = one.message
    return bool(
        message.sequences
        and not message.by_delivery
        and not message.reject_id
        and message.known is not None
        and not message.message.retained
        and not one.repeated
    )


def _keys(one: Booked) -> list[Numbered]:
    known = one.message.known
    return [(known.device_id, boot, seq) for boot, seq in one.message.sequences] if known is not None else []


def _digest(one: Booked) -> bytes:
    return hashlib.blake2b(one.message.message.payload, digest_size=BYTES).digest()
