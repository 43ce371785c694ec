"""Limits the bytes that a device may send: each has a bucket that fills at a fixed rate and that its messages
empty.

A backlog is no flood: the broker kept it because we could not take it. So while we are away, every bucket
fills without its cap.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from insitu.wire import SPARKPLUG, parse_below, parse_network_topic

PREPAID_BYTES: Final = 65_536
"""Taken from a bucket at once, so that the next small messages need no look at the clock."""
MOST_TOPICS: Final = 20_000
OVER_S: Final = 1.0
"""A device floods once it has been over its budget for this long."""
CALM_S: Final = 2.0
"""A flood has ended after this long without a refusal."""

Away = Literal["connection", "commit"]


@dataclass(slots=True)
class Bucket:
    who: str
    left: float
    at: float
    away_s: float
    """Seconds of our time away for which this bucket has already been filled."""
    settled: int
    prepaid: int = 0
    over_since: float | None = None
    over_last: float = 0.0
    sent: int = 0
    """Bytes since `over_since`."""


@dataclass(frozen=True, slots=True)
class Flood:
    """A device, `trial/device` or an address at a network server, that sent `sent` bytes within `seconds` and
    is still sending.
    """

    who: str
    sent: int
    seconds: float


class Budget:
    """Budgets of all devices of a session. The receiving thread calls `allows`; any thread may call the
    rest.
    """

    def __init__(self, rate: int, burst: int, *, now: Callable[[], float] = time.monotonic) -> None:
        """`rate`: sustained, in bytes a second; `burst` in bytes."""
        self._rate, self._burst, self._now = rate, burst, now
        self._topics: dict[str, Bucket] = {}
        self._buckets: dict[str, Bucket] = {}
        self._over: dict[str, Bucket] = {}
        self._lock = threading.Lock()
        self._causes: set[Away] = {"connection"}
        self._away_since, self._away_total = now(), 0.0
        self._settled, self._settled_s = 0, 0.0

    def allows(self, topic: str, size: int) -> bool:
        """True if the device may send `size` bytes now; they are then paid for."""
        bucket = self._topics.get(topic)
        if bucket is not None and bucket.prepaid >= size:  # nearly always
            bucket.prepaid -= size
            return True
        return self._pay(bucket or self._bucket(topic), size)

    def _pay(self, bucket: Bucket, size: int) -> bool:
        now = self._now()
        self._fill(bucket, now)
        if bucket.left + bucket.prepaid < size:
            if bucket.over_since is None or now - bucket.over_last > CALM_S:
                bucket.over_since, bucket.sent = now, self._burst
            bucket.over_last = now
            bucket.sent += size
            self._over[bucket.who] = bucket
            return False
        drawn = min(bucket.left, max(size, PREPAID_BYTES))
        bucket.left -= drawn
        bucket.prepaid += int(drawn) - size
        bucket.sent += size
        return True

    def _fill(self, bucket: Bucket, now: float) -> None:
        away_s = self.away_s(now)
        if bucket.settled < self._settled:
            bucket.settled, bucket.left = self._settled, min(bucket.left, self._burst)
            bucket.away_s = max(bucket.away_s, self._settled_s)
        missed = away_s - bucket.away_s
        here = max(0.0, now - bucket.at - missed)
        bucket.left = (
            max(bucket.left, min(self._burst, bucket.left + self._rate * here)) + self._rate * missed
        )
        bucket.at, bucket.away_s = now, away_s

    def _bucket(self, topic: str) -> Bucket:
        if len(self._topics) >= MOST_TOPICS:
            self._forget()
        who = sender(topic)
        bucket = self._buckets.get(who)
        if bucket is None:
            now = self._now()
            away_s = self.away_s(now)
            left = self._burst + self._rate * (away_s - self._settled_s)
            bucket = self._buckets[who] = Bucket(who, left, now, away_s, self._settled)
        self._topics[topic] = bucket
        return bucket

    def _forget(self) -> None:
        """Forget all buckets except those that are over their budget now; these must not get a full bucket
        that way.
        """
        now = self._now()
        self._buckets = {who: b for who, b in self._over.items() if now - b.over_last <= CALM_S}
        self._over = dict(self._buckets)
        self._topics.clear()

    # -- while we cannot take what is sent

    def away(self, cause: Away) -> None:
        """From now on we have no connection, or cannot commit."""
        with self._lock:
            if not self._causes:
                self._away_since = self._now()
            self._causes.add(cause)

    def back(self, cause: Away) -> None:
        with self._lock:
            if cause in self._causes:
                self._causes.discard(cause)
                if not self._causes:
                    self._away_total += self._now() - self._away_since

    def was_away(self, seconds: float) -> None:
        """Add time away from before this process began."""
        with self._lock:
            self._away_total += max(0.0, seconds)

    def away_s(self, now: float) -> float:
        """Seconds away so far, in total."""
        with self._lock:
            return self._away_total + (now - self._away_since if self._causes else 0.0)

    def caught_up(self) -> None:
        """The backlog has arrived: from now on every bucket has its cap again."""
        settled_s = self.away_s(self._now())
        if settled_s > self._settled_s:
            self._settled_s = settled_s
            self._settled += 1

    # -- those that do not stop

    def floods(self) -> list[Flood]:
        """Senders that have been over their budget for more than a second and still are."""
        now = self._now()
        found = []
        for who, bucket in list(self._over.items()):
            since, last = bucket.over_since, bucket.over_last
            if now - last > CALM_S:
                self._over.pop(who, None)
            elif since is not None and last - since > OVER_S:
                found.append(Flood(who, bucket.sent, last - since))
        return found


def sender(topic: str) -> str:
    """The sender to charge for a topic: `trial/device`, an address at a network server, or a Sparkplug edge
    node including its devices; else the topic itself, which is never written like a device.
    """
    parts = parse_below(topic)
    if parts is not None:
        return f"{parts.trial}/{parts.device}"
    network = parse_network_topic(topic)
    if network is None:
        return f"/{topic}"
    return (
        "/".join(network.address.split("/")[:3]) if network.address.startswith(SPARKPLUG) else network.address
    )
