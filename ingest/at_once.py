"""Batches with refusals that one statement may write: nearly all. Single statements write the others, as they
always may.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ingest.deliveries import Turn, recognise
from ingest.outcome import Booked, content_digest
from insitu.model import Reject
from store.at_once import NothingSaved, save_at_once
from store.database import Connection
from store.deliveries import Delivery
from store.ledger import Ledger
from store.rejects import Quota, Refused

MOST: Final = 256
"""Refusals, and as many KiB of them: more are dear by themselves, and may be a flood, which is only counted.
"""
PAUSE: Final = 100
"""Batches with refusals after one that had something in the way: it is likely to be there still."""


@dataclass(slots=True)
class AtOnce:
    """Writes them within `quota` while that is worth trying. One thread owns it."""

    quota: Quota
    skip: int = 0
    """Batches that are not tried."""

    def may_try(self, batch: Sequence[Booked], candidates: Sequence[Booked]) -> bool:
        """`batch`: messages that came now. `candidates`: those that only their delivery identifies. Whether
        these are repeats need not be known before the end if none is marked as one and all are refused as a
        whole.
        """
        refused = [one for one in batch if one.message.refused]
        if not refused or len(refused) > MOST:
            return False
        if sum(len(one.message.message.payload) for one in refused) > MOST * 1024:
            return False
        if not all(_waits(one) for one in candidates):
            return False
        self.skip -= self.skip > 0
        return self.skip == 0

    def save(
        self,
        conn: Connection,
        rejects: Sequence[Reject],
        candidates: Sequence[Booked],
        ledger: Ledger,
        *,
        client_id: str,
        turn: Turn,
    ) -> set[Refused] | None:
        """As `save_at_once`. The candidates are not marked."""
        try:
            return save_at_once(
                conn,
                rejects,
                _deliveries(candidates),
                ledger,
                self.quota,
                client_id=client_id,
                above=turn.above,
                number=turn.number,
            )
        except NothingSaved:
            self.skip = PAUSE
            raise


def _waits(one: Booked) -> bool:
    message = one.message
    return bool(
        message.refused
        and not message.observations
        and not message.sequences
        and message.status is None
        and message.frame is None
        and not message.message.repeat
    )


def _deliveries(candidates: Sequence[Booked]) -> Mapping[Delivery, int]:
    messages = [(one.message.message, content_digest(one.message.message)) for one in candidates]
    return recognise(messages, {})[1]
