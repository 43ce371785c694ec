"""Messages to devices: receipts (latest wins, one a second for each) and refusals (ten a minute for each, the
rest as a count).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ingest import sequences
from ingest.decode.sparkplug import rebirth_command
from ingest.outcome import Outcome
from ingest.ports import Spoken
from insitu.model import Reject
from insitu.times import to_datetime
from insitu.wire import RECEIPT, REJECTED, SPARKPLUG_COMMAND, Receipt, Refusal, Topic
from store.sequences import Ranges

RECEIPT_EVERY_S = 1.0
REFUSALS_A_MINUTE = 10
REBIRTH_EVERY_S = 30.0
EXCERPT = 120


class Outbound:
    """Holds pending messages; `send` publishes those that may be sent now, all at once: a message of its own
    costs as much as decoding ten. Uses wall time: a link has no trial clock.
    """

    def __init__(self, publish: Callable[[Sequence[Spoken]], None]) -> None:
        self._publish = publish
        self._ready: list[Spoken] = []
        self._due: dict[tuple[str, str], tuple[str, Ranges]] = {}
        self._receipt_at: dict[tuple[str, str], float] = {}
        self._minute: dict[tuple[str, str], tuple[float, int]] = {}
        self._unsent: dict[tuple[str, str], int] = {}
        self._asked_at: dict[tuple[str, str], float] = {}

    def note(self, outcome: Outcome) -> None:
        """Queue the messages for a committed batch."""
        for (trial, device, boot), ranges in outcome.receipts.items():
            self._due[trial, device] = (boot, ranges)
        for group, edge in outcome.rebirths:
            self._ask_for_birth(group, edge)
        for reject, seq in outcome.refusals:
            self._refuse(reject, seq)

    def send(self) -> None:
        """Publish what is ready, and receipts to devices that received none within the last second."""
        now = time.monotonic()
        for key in [
            key for key in self._due if now - self._receipt_at.get(key, -RECEIPT_EVERY_S) >= RECEIPT_EVERY_S
        ]:
            boot, ranges = self._due.pop(key)
            self._receipt_at[key] = now
            seq, missing = sequences.accounted(ranges)
            receipt = Receipt(boot=boot, seq=seq, missing=missing)
            self._ready.append((str(Topic(*key, RECEIPT)), receipt.model_dump_json().encode()))
        if self._ready:
            self._publish(self._ready)
            self._ready = []

    def _ask_for_birth(self, group: str, edge: str) -> None:
        """Latest wins; the edge node answers with its own birth and a birth of each of its devices."""
        now = time.monotonic()
        if now - self._asked_at.get((group, edge), -REBIRTH_EVERY_S) >= REBIRTH_EVERY_S:
            self._asked_at[group, edge] = now
            topic = SPARKPLUG_COMMAND.replace("+", group, 1).replace("+", edge, 1)
            self._ready.append((topic, rebirth_command(int(time.time() * 1e6))))

    def _refuse(self, reject: Reject, seq: int | None) -> None:
        key = (reject.trial, reject.device)
        now = time.monotonic()
        since, count = self._minute.get(key, (now, 0))
        if now - since >= 60:
            since, count = now, 0
        if count >= REFUSALS_A_MINUTE:
            self._unsent[key] = self._unsent.get(key, 0) + 1
            return
        self._minute[key] = (since, count + 1)
        refusal = Refusal(
            reason=reject.reason,
            detail=reject.detail,
            time=to_datetime(reject.received_us),
            seq=seq,
            excerpt=reject.payload[:EXCERPT].decode("utf-8", "replace"),
            more=self._unsent.pop(key, 0),
        )
        self._ready.append((str(Topic(*key, REJECTED)), refusal.model_dump_json().encode()))
