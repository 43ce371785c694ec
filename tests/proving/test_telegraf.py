"""The pace of the yardstick is worked out from how its table grows, and left to its experts' settings."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from insitu.errors import InsituError
from proving.throughput.servers import WINDOW
from proving.throughput.telegraf import _configuration, pace


@pytest.mark.parametrize("rows_a_page", [1, 40, 160])
def test_the_pace_is_that_of_the_steady_part(rows_a_page: int) -> None:
    """20,000 messages a second; the last thousand wait two seconds for the timer."""
    grown = [(0.05 * step, 1000 * step // rows_a_page * 8192) for step in range(1, 100)]
    grown.append((grown[-1][0] + 2.0, 100_000 // rows_a_page * 8192))
    assert pace(grown, 100_000) == pytest.approx(20_000, rel=0.01)


def test_a_table_that_grew_once_tells_no_pace() -> None:
    with pytest.raises(InsituError, match="more messages"):
        pace([(1.0, 8192)], 1000)


def test_a_batch_fits_into_the_window_several_times() -> None:
    """With a batch above the window, Telegraf waits for its timer: the timer is what would be measured."""
    address = SimpleNamespace(host="127.0.0.1", port=1, username="u", password="p")
    bench = cast(Any, SimpleNamespace(address=address, postgres=SimpleNamespace(url="postgresql://x")))
    lines = dict(line.strip().split(" = ", 1) for line in _configuration(bench).splitlines() if " = " in line)
    assert int(lines["max_undelivered_messages"]) == WINDOW
    assert 2 * int(lines["metric_batch_size"]) <= WINDOW
