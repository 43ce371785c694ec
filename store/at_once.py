"""The refusals of a batch with their deliveries and counts, by one statement instead of five. The caller owns
the transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from insitu.model import Reject
from insitu.times import LAST, to_datetime
from store.binary import Times
from store.database import Connection
from store.deliveries import Delivery, delivery_columns
from store.ledger import Ledger, entry_columns, reason_columns
from store.queries import Queries
from store.rejects import Quota, Refused, keep_columns, reject_columns, take_back


class _SQL(Queries, file="at_once"):
    save_at_once: str


class NothingSaved(Exception):
    """Something is in the way: nothing was written. Save refusals, deliveries and counts one by one."""


def save_at_once(
    conn: Connection,
    rejects: Sequence[Reject],
    deliveries: Mapping[Delivery, int],
    ledger: Ledger,
    quota: Quota,
    *,
    client_id: str,
    above: int,
    number: int,
) -> set[Refused] | None:
    """Store refusals as they are to be kept, deliveries → received (µs) of one life of the broker, and the
    ledger. `client_id`, `above`, `number`: as in `save_deliveries`.

    Returns None if that was all. If some were refused before, the ledger is left to the caller; then returns
    the new ones. Raises NothingSaved if a delivery may be a repeat, a trial lets texts stay, or the quota
    does not hold all.
    """
    lives = {key.life for key in deliveries} or {""}
    if len(lives) > 1 or not rejects:
        raise NothingSaved()
    kept = keep_columns(rejects)
    times = np.array(list(deliveries.values()), np.int64)
    parameters = {
        "client_id": client_id,
        "above": above,
        "number": number,
        "life": lives.pop(),
        "oldest": to_datetime(int(times.min())) if deliveries else LAST,
        "newest": to_datetime(int(times.max())) if deliveries else LAST,
        "delivered_at": Times(times),
        **delivery_columns(deliveries),
        "per_hour": quota.per_hour,
        "on_disk": quota.on_disk,
        **{f"kept_{name}": column for name, column in kept.items()},
        **reject_columns(rejects),
        **{f"counted_{name}": column for name, column in entry_columns(ledger).items()},
        **{f"why_{name}": column for name, column in reason_columns(ledger).items()},
    }
    ((is_free, is_new, identities, reasons),) = conn.execute(_SQL.save_at_once.encode(), parameters)
    if is_new:
        return None
    new = {(bytes(one), reason) for one, reason in zip(identities or (), reasons or (), strict=True)}
    take_back(conn, rejects, new)
    if not is_free:
        raise NothingSaved()
    return new
