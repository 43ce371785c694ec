"""Prometheus counters of the process, and gauges read from the database on request."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import Scope

from insitu.readiness import Readiness, Stage
from insitu.room import Room, least_free
from store import access, shards
from store.backups import load_backup_state
from store.broker_events import KEPT, EventKind, list_events
from store.database import Connection
from store.read.fleet import Scope as Rights
from store.read.ledger_lines import list_ledger
from store.read.refused import sum_refusals

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Meters:
    """Counters of this process. Labels are route templates, never a client's input, so their number is
    bounded.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "insitu_http_requests_total", "Answers", ["method", "route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "insitu_http_seconds", "Time to answer", ["route"], buckets=_BUCKETS, registry=self.registry
        )
        self.streams = Gauge("insitu_live_streams", "Open live streams", registry=self.registry)

    def request(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", None) or "other"
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST") else "other"
        self._requests.labels(method, route, str(status)).inc()
        if not route.startswith("/live/"):  # these last as long as somebody watches
            self._seconds.labels(route).observe(seconds)

    def exposition(self, conn: Connection, readiness: Readiness, room: Room) -> bytes:
        """Everything in Prometheus' text format; reads the database's gauges through `conn`."""
        present = CollectorRegistry()
        present.register(_Probed(readiness))
        present.register(_Stored(conn))
        present.register(_Disk(room))
        return generate_latest(self.registry) + generate_latest(present)


class _Probed(Collector):
    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness

    def collect(self) -> Iterator[Metric]:
        yield _gauge(
            "insitu_ready",
            "1 while a device that connects now can deliver a message",
            float(self._readiness.ready),
        )
        stages = GaugeMetricFamily(
            "insitu_ready_failed", "1 at the stage where the probe's message ends", labels=["stage"]
        )
        for stage in Stage:
            stages.add_metric([str(stage)], float(stage is self._readiness.stage))
        yield stages


class _Stored(Collector):
    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def collect(self) -> Iterator[Metric]:
        health = shards.health(self._conn)
        yield _gauge("insitu_ingest_up", "1 while every shard's heartbeat comes back", float(health.alive))
        yield _gauge(
            "insitu_ingest_heartbeat_age_seconds", "Since the oldest heartbeat", health.heartbeat_age_s
        )
        yield _gauge("insitu_ingest_commit_age_seconds", "Since the last batch", health.commit_age_s)
        yield _gauge("insitu_ingest_pending", "Messages received and not committed", health.pending)
        dropped = CounterMetricFamily("insitu_ingest_dropped", "QoS 0 messages that found the queue full")
        dropped.add_metric([], health.dropped)
        yield dropped
        disconnects = CounterMetricFamily(
            "insitu_ingest_disconnects", "Connections to the broker that ended by themselves"
        )
        disconnects.add_metric([], health.disconnects)
        yield disconnects
        cut_off = CounterMetricFamily(
            "insitu_devices_cut_off", "Devices cut off for a while because they flooded"
        )
        cut_off.add_metric([], access.suspensions(self._conn))
        yield cut_off
        yield _gauge(
            "insitu_ingest_window", "Messages in flight a subscription before the broker waits", health.window
        )
        messages = CounterMetricFamily("insitu_messages", "Messages by outcome", labels=["trial", "outcome"])
        results = CounterMetricFamily("insitu_results", "Results by outcome", labels=["trial", "outcome"])
        for trial, sums in _by_trial(self._conn).items():
            for outcome in ("accepted", "partly", "rejected", "repeated"):
                messages.add_metric([trial, outcome], sums[outcome])
            for outcome in ("stored", "duplicate", "conflicting", "refused", "ignored"):
                results.add_metric([trial, outcome], sums[outcome])
        yield messages
        yield results
        refused = CounterMetricFamily(
            "insitu_refused_messages", "Messages refused, whole or in part", labels=["trial", "reason"]
        )
        for one in sum_refusals(self._conn):
            refused.add_metric([one.trial, one.reason], one.messages)
        yield refused
        yield from _of_the_broker(self._conn)
        yield from _of_backups(self._conn)


class _Disk(Collector):
    """The disk of the database, if it is on this machine."""

    def __init__(self, room: Room) -> None:
        self._room = room

    def collect(self) -> Iterator[Metric]:
        folder = self._room.folder
        if folder is None:
            return
        usage = shutil.disk_usage(folder)
        yield _gauge("insitu_disk_free_bytes", "Free on the disk of the database", usage.free)
        yield _gauge(
            "insitu_disk_least_free_bytes",
            "Below it nothing is taken in",
            least_free(self._room.least, usage.total),
        )


def _of_backups(conn: Connection) -> Iterator[Metric]:
    state = load_backup_state(conn)
    made, received = state.made_at, state.received_at
    yield _gauge(
        "insitu_backup_timestamp_seconds", "When the newest backup ended", made.timestamp() if made else None
    )
    yield _gauge("insitu_backup_bytes", "Bytes of the newest backup", state.bytes)
    yield _gauge(
        "insitu_backup_received_timestamp_seconds",
        "When the archive last had every change",
        received.timestamp() if received else None,
    )
    yield _gauge("insitu_backup_failed", "1 while the last attempt failed", float(state.trouble is not None))


def _of_the_broker(conn: Connection) -> Iterator[Metric]:
    denied = CounterMetricFamily(
        "insitu_broker_denied_messages", "Messages that the broker acknowledged and denied", labels=["trial"]
    )
    taken = CounterMetricFamily(
        "insitu_broker_connections_taken_over",
        "Connections that another client with the same client id ended",
        labels=["trial"],
    )
    refused = CounterMetricFamily(
        "insitu_broker_refused_client_ids",
        "Connections that the broker refused because of their client id",
        labels=["trial"],
    )
    families = {
        EventKind.PUBLISH_DENIED: denied,
        EventKind.TAKEN_OVER: taken,
        EventKind.ID_REFUSED: refused,
    }
    sums: dict[tuple[str, str], int] = {}
    for one in list_events(conn, within=KEPT):
        key = (one.kind, one.trial or "unknown")
        sums[key] = sums.get(key, 0) + one.events
    for (kind, trial), events in sums.items():
        families[EventKind(kind)].add_metric([trial], events)
    yield from families.values()


def _gauge(name: str, text: str, reading: float | None) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text)
    if reading is not None:
        family.add_metric([], reading)
    return family


def _by_trial(conn: Connection) -> dict[str, dict[str, int]]:
    sums: dict[str, dict[str, int]] = {}
    names = (
        "accepted",
        "partly",
        "rejected",
        "repeated",
        "stored",
        "duplicate",
        "conflicting",
        "refused",
        "ignored",
    )
    for line in list_ledger(conn, Rights(None, None)):
        known = sums.setdefault(line.trial, dict.fromkeys(names, 0))
        for name in names:
            known[name] += getattr(line, name)
    return sums
