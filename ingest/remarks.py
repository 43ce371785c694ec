"""Remarks about the devices of a batch: somebody should mend something although the results are stored."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.outcome import Booked, content_digest
from insitu.model import RejectReason, Remark, RemarkCode
from store.database import Connection
from store.rejects import is_refused_before
from store.remarks import gather, save_remarks


def note_remarks(conn: Connection, batch: Sequence[Booked]) -> None:
    """Count the remarks of the messages, and the boots that are used again."""
    found: list[tuple[int, Remark, int]] = []
    for one in batch:
        message = one.message
        if not (message.remarks or one.counted_before) or message.known is None or message.source:
            continue
        received_us = message.message.received_us
        if not one.repeated:
            found += [(message.known.device_id, remark, received_us) for remark in message.remarks]
        if _uses_number_again(conn, one):
            remark = Remark(RemarkCode.BOOT_REUSED, message.sequences[0][0])
            found.append((message.known.device_id, remark, received_us))
    save_remarks(conn, gather(found))


def _uses_number_again(conn: Connection, one: Booked) -> bool:
    """True if another message had this `boot` and `seq`. New results are no sign of it if the message itself
    was refused before.
    """
    if not one.counted_before or one.repeated:
        return False
    if RejectReason.CONFLICTING_MESSAGE in one.refused:
        return True
    return one.stored > 0 and not is_refused_before(conn, content_digest(one.message.message))
