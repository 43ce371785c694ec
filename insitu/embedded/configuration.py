"""Configuration of the NATS server, and the size of its store."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from insitu.embedded.monitor import Monitor

MAX_PAYLOAD = 1_572_864
"""A larger publish ends the connection; up to here the ingestor refuses it with a readable reason."""


SILENT_S = 3
"""A client that connects and says nothing is cut after this time."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """One start of the server."""

    folder: Path
    native_port: int
    mqtt: tuple[str, int]
    tls: tuple[Path, Path] | None
    """Certificate and key, readable by the server's account."""
    ack_wait_s: int
    window: int
    max_file_store: int
    sync_always: bool
    monitor: Monitor | None = None

    def text(self) -> str:
        host, port = self.mqtt
        tls = ""
        if self.tls is not None:
            cert, key = self.tls
            tls = f"  tls {{ cert_file: {_quoted(cert)}, key_file: {_quoted(key)} }}\n"
        monitor = ""
        if self.monitor is not None:
            monitor = f'http: "127.0.0.1:{self.monitor.port}"\nhttp_base_path: "/{self.monitor.path}"\n'
        return (
            "server_name: insitu\nhost: 127.0.0.1\n"
            f"port: {self.native_port}\n"
            f"log_file: {_quoted(self.folder / 'server.log')}\nlogfile_size_limit: 20MB\nlogfile_max_num: "
            "3\nlogtime: true\n"
            # An ingestor must not be cut off as a slow consumer while all its messages in flight are of the
            # largest size.
            f"max_payload: {MAX_PAYLOAD}\nmax_pending: {max(64 * 2**20, self.window * MAX_PAYLOAD)}\n"
            'write_deadline: "60s"\nmax_connections: 20000\n'
            f"jetstream {{\n  store_dir: {_quoted(self.folder / 'store')}\n  max_file_store: "
            f"{self.max_file_store}\n"
            "  max_memory_store: 64MB\n"
            + ("  sync_interval: always\n" if self.sync_always else "")
            + "}\nmqtt {\n"
            f"  host: {_quoted(host)}\n  port: {port}\n{tls}"
            f'  ack_wait: "{self.ack_wait_s}s"\n  max_ack_pending: {self.window}\n'
            f"  authorization {{ timeout: {SILENT_S} }}\n"
            "}\n"
            f'{monitor}include "users.conf"\n'
        )


def store_limit(store: Path, wanted: int) -> int:
    """Bytes that the broker may store: its present size plus a third of the free space, at most `wanted`, but
    never less than its present size.
    """
    held = sum(
        (Path(place) / name).lstat().st_blocks * 512 for place, _, names in os.walk(store) for name in names
    )
    return min(max(wanted, held), held + shutil.disk_usage(store).free // 3)


def reserved(store: Path) -> int:
    """The cap that an earlier start put on the stream of device messages, read from the server's own file.

    A server whose store limit is below that cap refuses changes to the stream. One whose limit is below its
    present size lets nobody in ("unable to persist session").
    """
    try:
        text = (store / "jetstream" / "$G" / "streams" / "$MQTT_msgs" / "meta.inf").read_text("utf-8")
        return max(0, int(json.loads(text)["max_bytes"]))
    except (OSError, ValueError, KeyError, TypeError):
        return 0  # no stream yet, or a fault that the server itself will report


def _quoted(text: object) -> str:
    return json.dumps(str(text), ensure_ascii=False)  # NATS knows no \u escapes
