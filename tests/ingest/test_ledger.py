"""Compares the ledger with a model that keeps its own books, one message at a time. Whatever is lost,
repeated, reordered, redelivered, restarted, repaired and replayed, both sums, the rows, the rejects, the
receipts and the missing ranges equal those of the model.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ingest import sequences
from ingest.booking import book
from ingest.outcome import Outcome
from ingest.reading import prepare
from ingest.replay import replay
from insitu.clock import SYSTEM
from insitu.model import DatastreamRole, Message
from insitu.times import to_us
from store import ledger
from store.catalogue.datastreams import add_datastream
from store.catalogue.devices import find_device
from store.catalogue.snapshot import load_snapshot
from store.database import Connection
from store.sequences import Ranges
from tests.fix_catalogue import SmallTrial
from tests.ingest.test_batch import T0

HOUR_US = 3_600_000_000
MINUTE_US = 60_000_000
MESSAGES = ("received", "accepted", "partly", "rejected", "repeated")
RESULTS = ("contained", "stored", "duplicate", "conflicting", "refused", "ignored")
TABLES = (
    "observation, reject, reject_kept, ledger, ledger_reason, delivered_batch, delivery, boot_sequence, "
    "message_digest, device_contact, device_remark, datastream_latest"
)


@dataclass(frozen=True)
class Sent:
    """A message as its device made it, and the packet id that the broker gave it."""

    device: str
    payload: bytes
    mid: int

    def received(self, at_us: int, *, repeat: bool) -> Message:
        topic = f"insitu/v1/t/{self.device}/obs"
        return Message(topic, self.payload, at_us, self.mid, 1, 1, False, len(self.payload), repeat, "life")


@dataclass
class Refused:
    """A reject of the model."""

    device: str
    payload: bytes
    received_us: int
    reason: str
    same: tuple[Any, ...]
    """Equal for rejects of the same message."""


@dataclass
class Books:
    """The expected ledger, by the rules of docs/reliability.md, without batches, SQL or ranges."""

    known: set[str] = field(default_factory=lambda: {"pm25", "fan"})
    rows: dict[tuple[str, str, int], float] = field(default_factory=dict)
    seen: dict[tuple[str, str], set[int]] = field(default_factory=dict)
    contents: dict[tuple[str, str, int], bytes] = field(default_factory=dict)
    """(device, boot, seq) → the message without a time that had this number first."""
    deliveries: set[tuple[str, int, bytes]] = field(default_factory=set)
    rejects: list[Refused] = field(default_factory=list)
    replayed: list[Refused] = field(default_factory=list)
    live: dict[tuple[str, int], Counter[str]] = field(default_factory=dict)
    """(device, hour) → counts."""
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(device, reason) → results refused, live."""
    again: Counter[str] = field(default_factory=Counter)
    """Counts of all replays."""

    def take(self, sent: Sent, at_us: int, *, repeat: bool) -> None:
        counts = self.live.setdefault((sent.device, at_us - at_us % HOUR_US), Counter())
        counts["received"] += 1
        document = json.loads(sent.payload) if sent.payload.startswith(b"{") else None
        contained = len(document["results"]) if document else 0
        counts["contained"] += contained
        is_taken, is_same = self._number(sent, document, repeat=repeat)
        if self._was_delivered(sent, document) | (is_taken and is_same):
            counts["repeated"] += 1
            counts["duplicate"] += contained
            return
        outcomes = self._settle(sent.device, document, at_us, is_taken=is_taken)
        unique = () if document and ("seq" in document or "time" in document) else (at_us, sent.mid)
        same = (sent.device, sent.payload, *unique)
        fresh = {}
        for reason, results in outcomes.refused.items():
            if not any(one.same == same and one.reason == reason for one in [*self.rejects, *self.replayed]):
                fresh[reason] = results
                self.rejects.append(Refused(sent.device, sent.payload, at_us, reason, same))
                self.reasons[sent.device, reason] += results
        self._enter(counts, contained, outcomes, fresh)

    def _was_delivered(self, sent: Sent, document: Any) -> bool:
        """A message without time and seq, or an unreadable one, is identified by its delivery only."""
        if document and ("seq" in document or "time" in document):
            return False
        key = (sent.device, sent.mid, sent.payload)
        before = key in self.deliveries
        self.deliveries.add(key)
        return before

    def _number(self, sent: Sent, document: Any, *, repeat: bool) -> tuple[bool, bool]:
        """Of a message without a time: whether its boot and seq were another message's before, and whether
        that was the same message. The content of a message with a time is not kept: then only the broker can
        say that this one is a repeat.
        """
        if not document or "seq" not in document:
            return False, False
        numbers = self.seen.setdefault((sent.device, document["boot"]), set())
        before = document["seq"] in numbers
        numbers.add(document["seq"])
        if "time" in document:
            return False, False
        number = (sent.device, document["boot"], document["seq"])
        if not before:
            self.contents[number] = sent.payload
        known = self.contents.get(number)
        return before, known == sent.payload or (known is None and repeat)

    def _settle(self, device: str, document: Any, at_us: int, *, is_taken: bool = False) -> Outcomes:
        """`is_taken`: the number was another message's, so nothing of this one is stored."""
        if document is None:
            return Outcomes(refused={"unparsable": 0})
        found, unplaced = Outcomes(), 0
        for name, value in document["results"].items():
            time_us = round(document["time"] * 1_000_000) if "time" in document else at_us
            if name not in self.known:
                found.refuse("unknown_property")
            elif (name == "fan") != isinstance(value, bool):
                found.refuse("wrong_type")
            elif is_taken:
                unplaced += 1
            elif time_us < T0 - 90 * 86_400_000_000:
                found.refuse("clock_out_of_range")
            elif (before := self.rows.get((device, name, time_us))) is None:
                self.rows[device, name, time_us] = float(value)
                found.stored += 1
            elif before == float(value):
                found.duplicate += 1
            else:
                found.refuse("conflicting_result")
        # The order of the rejects is the order in which they are replayed: unknown properties come first.
        found.refused = dict(sorted(found.refused.items(), key=lambda one: one[0] != "unknown_property"))
        if is_taken:
            found.refused["conflicting_message"] = unplaced
        return found

    def _enter(self, counts: Counter[str], contained: int, outcomes: Outcomes, fresh: dict[str, int]) -> None:
        if not outcomes.stored and not fresh and (outcomes.duplicate or outcomes.refused):
            counts["repeated"] += 1
            counts["duplicate"] += contained
            return
        counts[
            "accepted"
            if not outcomes.refused
            else "partly"
            if outcomes.stored + outcomes.duplicate
            else "rejected"
        ] += 1
        conflicting = fresh.get("conflicting_result", 0)
        refused = sum(fresh.values()) - conflicting
        counts["stored"] += outcomes.stored
        counts["conflicting"] += conflicting
        counts["refused"] += refused
        counts["duplicate"] += contained - outcomes.stored - conflicting - refused

    def replay(self) -> tuple[int, int, int]:
        """(tried, stored, still refused)."""
        tried, stored, settled = list(self.rejects), 0, []
        for one in tried:
            document = json.loads(one.payload) if one.payload.startswith(b"{") else None
            outcomes = self._settle(one.device, document, one.received_us)
            others = {other.reason for other in tried if other.same == one.same} - {one.reason}
            if document is None or not outcomes.placed:
                continue
            stored += outcomes.stored
            is_settled = set(outcomes.refused) <= others
            settled += [one] if is_settled else []
            if outcomes.stored or is_settled:
                contained = len(document["results"])
                self.again["received"] += 1
                self.again["contained"] += contained
                self._enter(self.again, contained, outcomes, outcomes.refused)
        self.rejects = [one for one in self.rejects if one not in settled]
        self.replayed += settled
        return len(tried), stored, len(tried) - len(settled)


@dataclass
class Outcomes:
    """Outcomes of the results of one message."""

    stored: int = 0
    duplicate: int = 0
    refused: dict[str, int] = field(default_factory=dict)

    def refuse(self, reason: str) -> None:
        self.refused[reason] = self.refused.get(reason, 0) + 1

    @property
    def placed(self) -> int:
        """Results that could be a row."""
        return self.stored + self.duplicate + self.refused.get("conflicting_result", 0)


DEVICE = st.sampled_from("ab")
RESULTS_SENT = st.fixed_dictionaries(
    {},
    optional={
        "pm25": st.sampled_from([1.0, 2.0]),
        "co2": st.sampled_from([400.0, 401.0]),
        "fan": st.sampled_from([True, 3]),
    },
).filter(bool)
TIME = st.sampled_from(["minute", "minute", "minute", "none", "1970"])
COUNT = st.integers(1, 6)


class Path(RuleBasedStateMachine):
    """Devices, a broker with a queue, and the ingestor's transaction; the test sets `conn`."""

    conn: Connection

    @initialize()
    def begin(self) -> None:
        self.conn.execute(f"TRUNCATE {TABLES}".encode())
        self.conn.execute("DELETE FROM datastream WHERE name = 'co2'")
        self.conn.commit()
        self.books = Books()
        self.boots = {"a": 0, "b": 0}
        self.seq = {"a": 0, "b": 0}
        self.made: list[tuple[str, bytes]] = []
        self.queue: list[Sent] = []
        self.now_us, self.mid = T0 + 50 * MINUTE_US, 0
        self.delivered: set[int] = set()

    # -- devices

    def _publish(self, device: str, payload: bytes) -> None:
        self.mid += 1
        self.queue.append(Sent(device, payload, self.mid))

    def _make(self, device: str, time: str, minute: int, results: dict[str, Any], counted: bool) -> bytes:
        document: dict[str, Any] = {"results": results}
        if time != "none":
            document["time"] = 10.0 if time == "1970" else (T0 - minute * MINUTE_US) / 1e6
        if counted:
            self.seq[device] += 1
            document |= {"boot": f"boot{self.boots[device]}", "seq": self.seq[device]}
        return json.dumps(document).encode()

    @rule(device=DEVICE, time=TIME, minute=st.integers(0, 3), results=RESULTS_SENT, counted=st.booleans())
    def send(self, device: str, time: str, minute: int, results: dict[str, Any], counted: bool) -> None:
        payload = self._make(device, time, minute, results, counted)
        self.made.append((device, payload))
        self._publish(device, payload)

    @rule(device=DEVICE, junk=st.sampled_from([b"\xff", b"junk"]))
    def send_what_nobody_can_read(self, device: str, junk: bytes) -> None:
        self._publish(device, junk)

    @rule(device=DEVICE, count=COUNT)
    def lose_before_the_broker(self, device: str, count: int) -> None:
        self.seq[device] += count

    @precondition(lambda self: self.made)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        self._publish(*data.draw(st.sampled_from(self.made)))

    @rule(device=DEVICE)
    def restart_the_device(self, device: str) -> None:
        self.boots[device] += 1
        self.seq[device] = 0

    @rule(device=DEVICE)
    def start_the_counter_again_under_an_old_boot(self, device: str) -> None:
        self.seq[device] = 0

    @precondition(lambda self: len(self.queue) > 1)
    @rule(data=st.data())
    def reorder(self, data: st.DataObject) -> None:
        self.queue = data.draw(st.permutations(self.queue))

    @rule()
    def an_hour_passes(self) -> None:
        self.now_us += HOUR_US

    # -- the ingestor

    def _batch(self, count: int) -> tuple[list[Message], Outcome]:
        messages = []
        for sent in self.queue[:count]:
            self.now_us += 1
            messages.append(sent.received(self.now_us, repeat=sent.mid in self.delivered))
            self.delivered.add(sent.mid)
        outcome = book(
            self.conn, prepare(messages, load_snapshot(self.conn)), client_id="session", now_us=self.now_us
        )
        return messages, outcome

    def _commit(self, count: int) -> None:
        messages, outcome = self._batch(count)
        self.conn.commit()
        heard = set()
        for sent, message in zip(self.queue, messages, strict=False):
            self.books.take(sent, message.received_us, repeat=message.repeat)
            document = json.loads(sent.payload) if sent.payload.startswith(b"{") else {}
            heard |= {(sent.device, document["boot"])} if "seq" in document else set()
        assert {(device, boot) for _, device, boot in outcome.receipts} == heard
        for device, boot in heard:
            self._require_receipt(self.books.seen[device, boot], outcome.receipts["t", device, boot])

    def _require_receipt(self, seen: set[int], ranges: Ranges) -> None:
        """A receipt names the last number before the first hole, and every hole, so every lost message with a
        seq shows once a later one has come.
        """
        upto = next(n for n in range(min(seen), max(seen) + 2) if n not in seen) - 1
        receipt, missing = sequences.accounted(ranges)
        assert receipt == upto
        assert [n for low, high in missing for n in range(low, high + 1)] == [
            n for n in range(upto, max(seen)) if n not in seen
        ]

    @precondition(lambda self: self.queue)
    @rule(count=COUNT)
    def ingest(self, count: int) -> None:
        self._commit(count)
        self.queue = self.queue[count:]

    @precondition(lambda self: self.queue)
    @rule(count=COUNT)
    def die_after_the_commit(self, count: int) -> None:
        self._commit(count)

    @precondition(lambda self: self.queue)
    @rule(count=COUNT)
    def die_before_the_commit(self, count: int) -> None:
        self._batch(count)
        self.conn.rollback()

    @precondition(lambda self: "co2" not in self.books.known)
    @rule()
    def mend(self) -> None:
        for device in "ab":
            add_datastream(
                self.conn,
                device_id=find_device(self.conn, "t", device).device_id,
                name="co2",
                property="pm25",
                unit="1",
                role=DatastreamRole.CANDIDATE,
            )
        self.conn.commit()
        self.books.known.add("co2")

    @rule()
    def replay(self) -> None:
        done = replay(self.conn, clock=SYSTEM)
        assert (done.tried, done.stored, done.still_refused) == self.books.replay()

    @precondition(lambda self: self.books.rows)
    @rule(data=st.data())
    def correct_a_row(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.books.rows)))
        self.books.rows[key] = 7.0
        device, name, time_us = key
        self.conn.execute(
            "UPDATE observation o SET result = 7 FROM datastream s JOIN device d USING (device_id) WHERE "
            "o.datastream_id = s.datastream_id"
            " AND d.code = %s AND s.name = %s AND o.phenomenon_time = to_timestamp(%s::float8)",
            (device, name, time_us / 1e6),
        )
        self.conn.commit()

    # -- what must hold

    @invariant()
    def the_books_agree(self) -> None:
        books, query = self.books, self._query
        found = query(
            "SELECT d.code, s.name, o.phenomenon_time, o.result FROM observation o JOIN datastream s USING "
            "(datastream_id) JOIN device d USING (device_id)"
        )
        assert {(device, name, to_us(at)): result for device, name, at, result in found} == books.rows
        sums = ", ".join(f"sum({name})::int" for name in (*MESSAGES, *RESULTS))
        lines = query(f"SELECT device, hour, {sums} FROM ledger WHERE reject_id = 0 GROUP BY 1, 2")
        assert {(device, to_us(hour)): numbers for device, hour, *numbers in lines} == {
            key: [counts[name] for name in (*MESSAGES, *RESULTS)] for key, counts in books.live.items()
        }
        for _, _, *numbers in lines:
            assert numbers[0] == sum(numbers[1:5])
            assert numbers[5] == sum(numbers[6:])
        reasons = query(
            "SELECT device, reason, sum(results)::int FROM ledger_reason WHERE reject_id = 0 GROUP BY 1, 2"
        )
        assert {(device, reason): results for device, reason, results in reasons} == dict(books.reasons)
        rejects = query(
            "SELECT device, reason, replayed_at IS NOT NULL, count(*)::int FROM reject GROUP BY 1, 2, 3"
        )
        assert {(device, reason, done): n for device, reason, done, n in rejects} == Counter(
            [(one.device, one.reason, False) for one in books.rejects]
            + [(one.device, one.reason, True) for one in books.replayed]
        )
        again = query(f"SELECT {sums} FROM ledger WHERE reject_id <> 0")[0]
        assert [number or 0 for number in again] == [books.again[name] for name in (*MESSAGES, *RESULTS)]
        assert ledger.recount(self.conn) == []
        self.conn.rollback()

    def _query(self, text: str) -> list[tuple[Any, ...]]:
        return self.conn.execute(text.encode()).fetchall()


def drive(conn: Connection, examples: int) -> None:
    machine: Callable[[], Path] = type("PathOfTheTest", (Path,), {"conn": conn})
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.timeout(300)
def test_the_ledger_agrees_with_a_model_through_loss_repeats_disorder_restarts_and_replays(
    conn: Connection, catalogue: SmallTrial
) -> None:
    drive(conn, 15)


@pytest.mark.nightly
@pytest.mark.timeout(7200)
def test_the_ledger_agrees_with_a_model_through_many_histories(
    conn: Connection, catalogue: SmallTrial
) -> None:
    drive(conn, 1000)
