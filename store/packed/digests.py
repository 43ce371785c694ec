"""Digests of results in packed days: the same bytes as the database's `result_digest` (migration 0032)."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

import numpy as np

from store.packed.codec import Columns
from store.packed.reading import EPOCH_2000_US

_ROW: Final = np.dtype(
    [
        ("datastream_id", ">i4"),
        ("time", ">i8"),
        ("result", ">f8"),
        ("received", ">i8"),
        ("quality", ">i2"),
        ("flag", ">i2"),
        ("import_id", ">i4"),
    ]
)
_WITHOUT_IMPORT: Final = _ROW.itemsize - 4


def digests_of(datastream_id: int, columns: Columns) -> list[bytes]:
    """SHA-256 of each result, as it would be among the observations."""
    table = np.empty(len(columns.time_us), _ROW)
    table["datastream_id"], table["result"] = datastream_id, columns.result
    table["time"], table["received"] = columns.time_us - EPOCH_2000_US, columns.received_us - EPOCH_2000_US
    table["quality"], table["flag"], table["import_id"] = columns.quality, columns.flag, columns.import_id
    data, size = table.tobytes(), _ROW.itemsize
    lengths = np.where(columns.import_id < 0, _WITHOUT_IMPORT, size).tolist()
    return [sha256(data[n * size : n * size + length]).digest() for n, length in enumerate(lengths)]
