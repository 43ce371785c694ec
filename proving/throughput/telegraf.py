"""A yardstick that people would pick instead: Telegraf, mqtt_consumer into postgresql, if its program is on
the PATH.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from insitu.embedded.child import Child
from insitu.errors import InsituError
from insitu.wire import OBS, PREFIX
from proving.throughput.drain import Bench
from proving.throughput.servers import WINDOW
from store.database import count_table, table_bytes

SESSION: Final = "insitu-telegraf"
TABLE: Final = "telegraf_obs"
PATIENCE_S: Final = 300.0
SETTLED_S: Final = 0.5
"""A table that has not grown for so long is counted: all rows may be there."""
MEASURED: Final = 0.9
"""The share of the rows that is timed."""


def binary() -> Path | None:
    """The program; None where it is not installed."""
    found = shutil.which("telegraf")
    return Path(found) if found else None


def make_session(bench: Bench) -> None:
    """Subscribe and leave: from now on the broker keeps messages for it."""
    with _running(bench) as child:
        limit = time.monotonic() + 30
        while "Connected" not in (child.last_words(50) or ""):
            _require_alive(child, limit)
            time.sleep(0.05)
        time.sleep(0.5)  # the subscription follows the connection


def drain(bench: Bench, messages: int) -> float:
    """Messages a second, from the first rows in its table to nine tenths of them: the last batch waits for a
    timer, which says nothing of its speed. Its table is watched by its size, as counting would slow it down.
    """
    limit = time.monotonic() + PATIENCE_S
    seen: list[tuple[float, int]] = []
    with _running(bench) as child:
        while True:
            size, now = _bytes(bench), time.perf_counter()
            if size and (not seen or size != seen[-1][1]):
                seen.append((now, size))
            elif seen and now - seen[-1][0] > SETTLED_S and _rows(bench) >= messages:
                return pace(seen, messages)
            _require_alive(child, limit)
            time.sleep(0.01)


def pace(seen: Sequence[tuple[float, int]], messages: int) -> float:
    """Messages a second from (time (s), size of the table), one for each growth, up to the first that holds
    nine tenths of the last size. Every message is a row of one width. InsituError if it grew only once.
    """
    (began, first), whole = seen[0], seen[-1][1]
    ended, last = next(one for one in seen if one[1] >= MEASURED * whole)
    if ended == began:
        raise InsituError("Telegraf wrote everything at once: give it more messages (--messages).")
    return messages * (last - first) / whole / (ended - began)


def _bytes(bench: Bench) -> int:
    found = table_bytes(bench.conn, TABLE)
    bench.conn.rollback()
    return found


def _rows(bench: Bench) -> int:
    found = count_table(bench.conn, TABLE)
    bench.conn.rollback()
    return found


@contextmanager
def _running(bench: Bench) -> Iterator[Child]:
    program = binary()
    assert program is not None
    configuration = bench.folder / "telegraf.conf"
    configuration.write_text(_configuration(bench), encoding="utf-8")
    configuration.chmod(0o600)
    child = Child([str(program), "--config", str(configuration)], log=bench.folder / "telegraf.log")
    child.start()
    try:
        yield child
    finally:
        child.stop()


def _require_alive(child: Child, limit: float) -> None:
    if child.poll() is not None or time.monotonic() > limit:
        raise InsituError(f"Telegraf did not get there: {child.last_words(3)}")


def _configuration(bench: Bench) -> str:
    """QoS 1, a persistent session and the same window as ours. A batch is a quarter of the window: with a
    batch above the window only the timer would write, at most a window each time.
    """
    address = bench.address
    text = json.dumps
    return f"""
[agent]
  interval = "1s"
  flush_interval = "1s"
  metric_batch_size = {WINDOW // 4}
  metric_buffer_limit = 500000
  omit_hostname = true
[[inputs.mqtt_consumer]]
  servers = [{text(f"tcp://{address.host}:{address.port}")}]
  topics = [{text(f"{PREFIX}/+/+/{OBS}")}]
  qos = 1
  client_id = {text(SESSION)}
  persistent_session = true
  max_undelivered_messages = {WINDOW}
  username = {text(address.username)}
  password = {text(address.password)}
  name_override = {text(TABLE)}
  data_format = "json"
  json_time_key = "time"
  json_time_format = "2006-01-02T15:04:05Z07:00"
  fieldexclude = ["seq"]
[[outputs.postgresql]]
  connection = {text(bench.postgres.url)}
"""
