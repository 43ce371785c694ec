"""Shards (persistent sessions of the broker), which shard hears which trial, and the leases of ingestors. The
caller owns the transaction.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from insitu.errors import CorrectInput, NotFound, RetryLater
from insitu.wire import (
    CHECK,
    fixed_filters,
    inbound_filters,
    named_filters,
    named_trial_filter,
    network_filters,
    trial_filter,
)
from store.database import Connection, row, rows, run, scalar
from store.queries import Queries


class _SQL(Queries, file="shards"):
    add_shard: str
    drop_shards: str
    shards: str
    wanted_count: str
    hold_count: str
    count_shards: str
    set_wanted_count: str
    homes: str
    fixed_topics: str
    set_home: str
    seen_ingestor: str
    forget_ingestors: str
    count_ingestors: str
    renew_leases: str
    take_leases: str
    release_lease: str
    holds: str
    hold_for_batch: str
    subscribed: str
    forget_sessions: str
    alive: str
    health: str


HEARTBEAT_LIMIT_S = 15.0
LEASE: Final = timedelta(seconds=10)
LONGEST_PAUSE_S: Final = 20.0
"""The server ends a transaction that holds a shard if its ingestor is silent for this long. Until then nobody
else can take the shard's lease.
"""
MAX_SHARDS: Final = 64


@dataclass(frozen=True, slots=True)
class Shard:
    """`filters`: the subscriptions that the broker has granted so far."""

    shard_id: int
    client_id: str
    filters: list[str]
    subscribed_at: datetime | None
    holder: str | None
    held_by: str | None
    pending: int
    heartbeat_at: datetime | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class Home:
    trial: str
    shard_id: int


@dataclass(frozen=True, slots=True)
class Health:
    heartbeat_age_s: float | None
    commit_age_s: float | None
    pending: int
    dropped: int
    disconnects: int
    window: int | None
    silent: int
    shards: int
    problem: str | None

    @property
    def alive(self) -> bool:
        """True while every shard gives signs of life: its heartbeat comes back through the broker, or it
        commits.
        """
        return self.trouble is None

    @property
    def trouble(self) -> str | None:
        if self.shards == 0 or self.heartbeat_age_s is None:
            return "No ingestor has ever run here."
        if self.silent:
            return f"{self.silent} of {self.shards} shards were never held by an ingestor."
        if self.heartbeat_age_s > HEARTBEAT_LIMIT_S:
            return f"The ingestor gave no sign of life for {self.heartbeat_age_s:.0f} s."
        return self.problem


@dataclass(frozen=True, slots=True)
class Layout:
    """Which shard should hear which trial, and which does."""

    count: int
    homes: list[Home]
    shards: list[Shard]
    topics: Sequence[str] = ()
    """The fixed topics of devices; shard 0 hears them, as it hears network servers."""

    def wanted(self, shard_id: int) -> list[str]:
        """Topic filters that a shard should have: a single shard hears all trials, several share them."""
        if self.count == 1:
            return inbound_filters() + fixed_filters(self.topics) if shard_id == 0 else []
        own = [trial_filter(home.trial) for home in self.homes if home.shard_id == shard_id]
        return own + (network_filters() + fixed_filters(self.topics) if shard_id == 0 else [])

    def spare(self, shard: Shard) -> list[str]:
        """Filters that a shard no longer needs, because the right shard already hears their messages."""
        if any(set(self.wanted(other.shard_id)) - set(other.filters) for other in self.shards):
            return []  # a subscription is still missing somewhere
        wanted = set(self.wanted(shard.shard_id))
        return [topic for topic in shard.filters if topic not in wanted]

    @property
    def is_ready(self) -> bool:
        """True if every trial is heard."""
        by_id = {shard.shard_id: shard for shard in self.shards}
        if not all(number in by_id and by_id[number].subscribed_at for number in range(self.count)):
            return False
        heard = {topic for shard in self.shards for topic in shard.filters}
        if not set(network_filters()) <= heard:
            return False
        everyone = set(inbound_filters()) <= heard or set(named_filters()) <= heard
        return everyone or (self.count > 1 and all(_is_heard(home.trial, heard) for home in self.homes))


def _is_heard(trial: str, heard: Set[str]) -> bool:
    """By a session of this version or, until it has its new filter, of an earlier one."""
    return trial_filter(trial) in heard or named_trial_filter(trial) in heard


def ensure_shards(conn: Connection) -> None:
    """Create the missing shards, each with a client id that nobody can guess; idempotent."""
    for shard_id in range(int(scalar(conn, _SQL.wanted_count))):
        run(conn, _SQL.add_shard, shard_id=shard_id, client_id=f"insitu-{secrets.token_hex(16)}")


def layout(conn: Connection, *, hold: bool = False) -> Layout:
    """`hold`: locks the planned layout against changes until the transaction ends."""
    count = int(scalar(conn, _SQL.hold_count if hold else _SQL.wanted_count))
    topics = [topic for (topic,) in conn.execute(_SQL.fixed_topics.encode())]
    return Layout(count, rows(conn, Home, _SQL.homes), rows(conn, Shard, _SQL.shards), topics)


def shards_ready(conn: Connection) -> bool:
    """True if every trial is heard by a session."""
    return layout(conn).is_ready


def resize(conn: Connection, count: int, *, window: int) -> None:
    """Use `count` shards from now on and spread the trials evenly. Raises CorrectInput if a session would
    have too many trials.

    Ingestors carry out the change by themselves: the new shard of a trial hears it before the old one stops.
    Raises RetryLater while they still carry out an earlier change.
    """
    if not 1 <= count <= MAX_SHARDS:
        raise CorrectInput(f"Between 1 and {MAX_SHARDS} shards, not {count}.")
    _require_settled(conn)
    run(conn, _SQL.set_wanted_count, wanted=count)
    ensure_shards(conn)
    for number, home in enumerate(rows(conn, Home, _SQL.homes)):
        run(conn, _SQL.set_home, trial=home.trial, shard_id=number % count)
    require_room(layout(conn), window)


def _require_settled(conn: Connection) -> None:
    """Raises RetryLater while a session still has filters that it no longer needs: a trial that moves again
    meanwhile would be heard three times.
    """
    found = layout(conn)
    moving = [
        shard.shard_id for shard in found.shards if set(shard.filters) - set(found.wanted(shard.shard_id))
    ]
    if moving:
        raise RetryLater(
            f"Trials still move between shards (shard {moving[0]} hears what it need not): try again in "
            "some seconds, with an "
            "ingestor running."
        )


def set_home(conn: Connection, trial: str, shard_id: int, *, window: int) -> None:
    """Let that shard hear the trial from now on; the change happens as for `resize`."""
    _require_settled(conn)
    count = layout(conn).count
    if not 0 <= shard_id < count:
        raise CorrectInput(f"There are {count} shards, 0 to {count - 1}: `insitu shards --count` makes more.")
    run(conn, _SQL.set_wanted_count, wanted=count)  # waits for a transaction that holds the layout
    if run(conn, _SQL.set_home, trial=trial, shard_id=shard_id) != 1:
        raise NotFound(f"There is no trial {trial!r}.")
    require_room(layout(conn), window)


MOST_IN_FLIGHT: Final = 65_535
"""Number of MQTT packet ids, and so NATS's bound on the sum of messages in flight over all filters of a
session.
"""


def require_room(found: Layout, window: int) -> None:
    """Raises CorrectInput if the broker would refuse a subscription. Counts a filter for the session's own
    heartbeat.
    """
    for number in range(found.count):
        wanted = found.wanted(number)
        filters = (
            len(wanted) + sum(topic.endswith("#") for topic in wanted) + 1
        )  # NATS counts such a filter twice
        if filters * window > MOST_IN_FLIGHT:
            raise CorrectInput(
                f"Shard {number} would have {filters} filters with {window} messages in flight each; a "
                "session of the broker allows "
                f"{MOST_IN_FLIGHT}. Make more shards, or lower INSITU_WINDOW to {MOST_IN_FLIGHT // filters} "
                "before the first start."
            )


@dataclass(frozen=True, slots=True)
class Leases:
    held: frozenset[int]
    too_many: int
    """Held shards beyond the fair share, for which another ingestor is waiting."""


def keep_leases(conn: Connection, holder: str, name: str) -> Leases:
    """Renew leases, give a sign of life, and take free shards up to a fair share. Call it well within
    LEASE.
    """
    run(conn, _SQL.seen_ingestor, holder=holder, name=name)
    run(conn, _SQL.forget_ingestors, lease=LEASE, leaving="")
    held = _ids(conn, _SQL.renew_leases, holder=holder, lease=LEASE)
    alive = int(scalar(conn, _SQL.count_ingestors))
    fair = -(-int(scalar(conn, _SQL.count_shards)) // alive)
    if len(held) < fair:
        held |= _ids(conn, _SQL.take_leases, holder=holder, lease=LEASE, most=fair - len(held))
    return Leases(held, max(0, len(held) - fair))


def _ids(conn: Connection, statement: str, **parameters: object) -> frozenset[int]:
    return frozenset(number for (number,) in conn.execute(statement.encode(), parameters))


def leave(conn: Connection, holder: str, shard_ids: Iterable[int]) -> None:
    """Give leases back, so that others may take them at once."""
    for shard_id in shard_ids:
        release(conn, holder, shard_id)
    run(conn, _SQL.forget_ingestors, lease=LEASE, leaving=holder)


def release(conn: Connection, holder: str, shard_id: int) -> None:
    run(conn, _SQL.release_lease, holder=holder, shard_id=shard_id)


def holds(conn: Connection, holder: str, shard_id: int) -> bool:
    """True if the ingestor has the lease; nobody can take it until this transaction ends."""
    return scalar(conn, _SQL.holds, holder=holder, shard_id=shard_id) is not None


def hold_for_batch(conn: Connection, holder: str, shard_id: int, *, messages: int) -> int | None:
    """Like `holds`, for `messages` that this transaction commits.

    Returns the session's total of committed messages, including these; None if another ingestor has the
    lease.
    """
    found = scalar(conn, _SQL.hold_for_batch, holder=holder, shard_id=shard_id, messages=messages)
    return None if found is None else int(found)


def subscribed(conn: Connection, shard_id: int, filters: Sequence[str]) -> None:
    run(conn, _SQL.subscribed, shard_id=shard_id, filters=list(filters))


def forget_sessions(conn: Connection) -> None:
    """Record that the broker has lost all sessions: ingestors subscribe again, and no device is let in until
    then.
    """
    run(conn, _SQL.forget_sessions)


def probe_trials(found: Layout) -> dict[int, str]:
    """Shard → a trial that it hears, for the probe. A shard without a trial is left out."""
    if found.count == 1:
        return {0: CHECK}
    filters = {shard.shard_id: shard.filters for shard in found.shards}
    return {
        home.shard_id: home.trial
        for home in reversed(found.homes)
        if _is_heard(home.trial, set(filters.get(home.shard_id, [])))
    }


def drop_spare_shards(conn: Connection) -> int:
    """Delete shards beyond the count that no longer hear anything; returns how many."""
    return run(conn, _SQL.drop_shards)


def alive(
    conn: Connection,
    shard_id: int,
    *,
    heard: bool,
    committed: bool,
    pending: int,
    dropped: int,
    disconnects: int,
    window: int,
    problem: str | None,
) -> None:
    """Record the state of a session, reported by its holder; `dropped` and `disconnects` since the last
    report.
    """
    run(
        conn,
        _SQL.alive,
        shard_id=shard_id,
        heard=heard,
        committed=committed,
        pending=pending,
        dropped=dropped,
        disconnects=disconnects,
        window=window,
        problem=problem,
    )


def health(conn: Connection) -> Health:
    found = row(conn, Health, _SQL.health)
    assert found is not None  # an aggregate without GROUP BY has one row
    return found
