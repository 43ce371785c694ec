"""Several sessions and several ingestors: whichever ingestor dies and whichever trial moves, every
acknowledged message is one row.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from datetime import timedelta

import pytest

from ingest.mqtt import BrokerAddress, Receiver
from insitu.clock import SYSTEM
from insitu.embedded.child import Child
from insitu.errors import CorrectInput, NotFound, RetryLater
from insitu.model import DatastreamRole
from insitu.wire import inbound_filters, network_filters, trial_filter
from store import access, shards
from store.catalogue.datastreams import add_datastream
from store.catalogue.deployments import deploy
from store.catalogue.devices import add_device
from store.catalogue.trials import add_trial
from store.database import Connection, connect
from store.ledger import recount
from tests.examples import some_of
from tests.stack import NOW, Stack, wait_until

pytestmark = pytest.mark.long

WINDOW = 2000


def second_trial(conn: Connection) -> None:
    """Trial `u` with device `c`, beside the small trial."""
    add_trial(conn, code="u", title={"en": "Other"}, host="host", company="company", now=NOW)
    device_id = add_device(conn, trial="u", code="c", now=NOW)
    deploy(conn, device_id=device_id, site="station", position="c", start=NOW - timedelta(days=9))
    add_datastream(
        conn, device_id=device_id, name="pm25", property="pm25", unit="1", role=DatastreamRole.CANDIDATE
    )
    conn.commit()


def resize(stack: Stack, count: int) -> None:
    shards.resize(stack.conn, count, window=WINDOW)
    stack.conn.commit()


def settled(stack: Stack) -> bool:
    """Every session hears exactly the filters it should hear."""
    found = shards.layout(stack.conn)
    stack.conn.rollback()
    return len(found.shards) == found.count and all(
        set(s.filters) == set(found.wanted(s.shard_id)) for s in found.shards
    )


class Publisher:
    """A device that publishes until `stop`, and counts its acknowledged messages."""

    def __init__(self, stack: Stack, name: str) -> None:
        self.name = name
        self.acknowledged = 0
        self._device = stack.device(name)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._publish)
        self._thread.start()

    def _publish(self) -> None:
        client, number = self._device.client, 0
        while not self._stop.is_set():
            burst = []
            for _ in range(2):
                number += 1
                time = (NOW - timedelta(days=1) + timedelta(seconds=number)).isoformat()
                payload = {"boot": "b", "seq": number, "time": time, "results": {"pm25": number}}
                burst.append(client.publish(f"insitu/v1/{self.name}/obs", json.dumps(payload), qos=1))
            for one in burst:
                one.wait_for_publish(60)
            self.acknowledged = number
            self._stop.wait(0.04)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(70)
        self._device.close()


def rows_of(stack: Stack, trial: str) -> list[float]:
    return [
        result
        for (result,) in stack.rows(
            "SELECT o.result FROM observation o JOIN datastream USING (datastream_id) JOIN device USING "
            "(device_id)"
            " JOIN trial t USING (trial_id) WHERE t.code = %s ORDER BY o.phenomenon_time",
            trial,
        )
    ]


def require_every_message(stack: Stack, *publishers: Publisher) -> None:
    """Requires one row each, no refusals, and the sums of the ledger."""
    for publisher in publishers:
        trial = publisher.name.partition("/")[0]
        due = publisher.acknowledged
        wait_until(lambda trial=trial, due=due: len(rows_of(stack, trial)) >= due, "every row", 60)
        assert rows_of(stack, trial) == [float(number) for number in range(1, publisher.acknowledged + 1)]
    assert stack.reasons() == []
    assert stack.rows("SELECT sum(stored) FROM ledger") == [(sum(p.acknowledged for p in publishers),)]


@pytest.fixture
def two_trials(stack: Stack) -> Stack:
    second_trial(stack.conn)
    stack.enrol("u", "c")
    return stack


def another_ingestor(stack: Stack) -> tuple[Child, Child]:
    """(the first, a second one beside it)."""
    first = stack.ingestor
    assert first is not None
    return first, stack.start()


def holders(stack: Stack) -> list[str | None]:
    found = shards.layout(stack.conn).shards
    stack.conn.rollback()
    return [shard.held_by for shard in found]


def test_trials_spread_over_shards_and_come_back_without_a_loss(two_trials: Stack) -> None:
    """One wide session becomes two and three with a trial each, one trial is moved by hand, then all become
    one wide session again.
    """
    publishers = [Publisher(two_trials, name) for name in ("t/a", "u/c")]
    try:
        for count in (2, 3):
            resize(two_trials, count)
            wait_until(lambda: settled(two_trials), f"{count} shards", 60)
        assert sorted(home.shard_id for home in shards.layout(two_trials.conn).homes) == [0, 1]
        shards.set_home(two_trials.conn, "t", 2, window=WINDOW)
        two_trials.conn.commit()
        wait_until(lambda: settled(two_trials), "the move", 60)
        before = [publisher.acknowledged for publisher in publishers]
        wait_until(
            lambda: all(p.acknowledged > b for p, b in zip(publishers, before, strict=True)), "more messages"
        )
        resize(two_trials, 1)
        wait_until(lambda: settled(two_trials), "one shard", 60)
    finally:
        for publisher in publishers:
            publisher.stop()
    require_every_message(two_trials, *publishers)


@pytest.mark.parametrize("moment", some_of(["granted", "marked", "drained", "let_go"], every=2))
def test_an_ingestor_that_dies_at_any_moment_of_a_move_loses_nothing(two_trials: Stack, moment: str) -> None:
    two_trials.stop()
    child = two_trials.start(INSITU_FAILPOINT=f"{moment}:1")
    publishers = [Publisher(two_trials, name) for name in ("t/a", "u/c")]
    try:
        resize(two_trials, 2)
        wait_until(lambda: child.poll() is not None, f"the end at {moment}", 60)
        time.sleep(1)
        two_trials.start()
        wait_until(lambda: settled(two_trials), "two shards", 60)
    finally:
        for publisher in publishers:
            publisher.stop()
    require_every_message(two_trials, *publishers)


def test_two_ingestors_share_the_shards_and_one_takes_over_from_the_other(two_trials: Stack) -> None:
    resize(two_trials, 2)
    wait_until(lambda: settled(two_trials), "two shards", 60)
    first, second = another_ingestor(two_trials)
    wait_until(lambda: len({held for held in holders(two_trials) if held}) == 2, "a shard each", 30)
    publishers = [Publisher(two_trials, name) for name in ("t/a", "u/c")]
    try:
        wait_until(lambda: all(publisher.acknowledged > 100 for publisher in publishers), "messages")
        first.kill()
        wait_until(
            lambda: len({*holders(two_trials)}) == 1 and None not in holders(two_trials), "the take-over", 30
        )
        before = [len(rows_of(two_trials, trial)) for trial in ("t", "u")]
        wait_until(
            lambda: all(
                len(rows_of(two_trials, trial)) > n + 40 for trial, n in zip(("t", "u"), before, strict=True)
            ),
            "both go on",
        )
    finally:
        for publisher in publishers:
            publisher.stop()
    require_every_message(two_trials, *publishers)
    second.stop()
    assert holders(two_trials) == [None, None]


def test_a_trial_that_nobody_hears_yet_has_no_credentials_at_the_broker(stack: Stack) -> None:
    resize(stack, 2)
    wait_until(lambda: settled(stack), "two shards", 60)
    stack.stop()
    second_trial(stack.conn)
    stack.enrol("u", "c")
    active = {credential.trial for credential in access.active_credentials(stack.conn, NOW)}
    assert active == {"t"}
    stack.start()
    wait_until(lambda: settled(stack), "the new trial's subscription", 30)
    active = {credential.trial for credential in access.active_credentials(stack.conn, NOW)}
    assert active == {"t", "u"}


def is_refused(stack: Stack) -> bool:
    """Tries a change during a change, after which a trial would be heard three times."""
    try:
        shards.set_home(stack.conn, "u", 0, window=WINDOW)
    except RetryLater:
        return True
    finally:
        stack.conn.rollback()
    return False


def test_a_message_without_time_and_seq_is_at_most_two_rows_while_its_trial_moves(two_trials: Stack) -> None:
    """Equal messages all the while: the old and the new filter each hear them, and no third one does."""
    device = two_trials.device("u/c")
    sent = 0
    for count in (2, 3, 1):
        resize(two_trials, count)
        refused = False
        while not settled(two_trials):
            device.send_all([{"results": {"pm25": 7.5}}] * 5)
            sent += 5
            refused |= is_refused(two_trials)
            time.sleep(0.04)  # as often as a publisher; without it, thousands of messages a move
        assert refused or count == 3  # if filters are only added, nothing is left to give up
    before = sent
    device.send_all([{"results": {"pm25": 7.5}}] * 10)
    sent += 10
    two_trials.wait_for(sent)
    two_trials.stop()
    found = len(rows_of(two_trials, "u"))
    assert before + 10 <= found <= 2 * before + 10
    device.close()


# -- leases, without a broker


@pytest.fixture
def three(conn: Connection) -> Connection:
    shards.resize(conn, 3, window=WINDOW)
    conn.commit()
    return conn


def keep(database_url: str, holder: str) -> tuple[Connection, shards.Leases]:
    conn = connect(database_url, application="tests")
    leases = shards.keep_leases(conn, holder, holder)
    conn.commit()
    return conn, leases


def test_leases_are_shared_evenly_and_only_what_is_free_is_taken(
    three: Connection, database_url: str
) -> None:
    first, leases = keep(database_url, "one")
    assert (leases.held, leases.too_many) == ({0, 1, 2}, 0)
    second, leases = keep(database_url, "two")
    assert (leases.held, leases.too_many) == (frozenset(), 0)
    leases = shards.keep_leases(first, "one", "one")
    assert (leases.held, leases.too_many) == ({0, 1, 2}, 1)
    shards.release(first, "one", 0)
    first.commit()
    assert shards.keep_leases(second, "two", "two").held == {0}
    first.close()
    second.close()


@pytest.mark.parametrize(
    ("heartbeats", "commits", "lives"),
    [
        ((1, 1, 1), (99, 99, 99), True),
        (
            (1, 99, 1),
            (99, 1, 99),
            True,
        ),  # the broker has just come back: messages are committed, no heartbeat yet
        ((1, 99, 1), (1, 99, 1), False),
        ((99, 99, 99), (1, 1, 1), True),
    ],
)
def test_a_shard_lives_by_its_heartbeat_or_by_what_it_commits(
    three: Connection, heartbeats: tuple[int, ...], commits: tuple[int, ...], lives: bool
) -> None:
    for shard_id, (heartbeat, commit) in enumerate(zip(heartbeats, commits, strict=True)):
        three.execute(
            "UPDATE shard SET heartbeat_at = clock_timestamp() - %s * interval '1 s',"
            " committed_at = clock_timestamp() - %s * interval '1 s' WHERE shard_id = %s",
            (heartbeat, commit, shard_id),
        )
    health = shards.health(three)
    assert health.alive == lives, health.trouble


def test_more_shards_do_not_wait_for_an_ingestor_that_writes_its_signs_of_life(
    three: Connection, database_url: str
) -> None:
    """It may itself wait for the number of shards: neither would go on."""
    with connect(database_url, application="tests") as ingestor:
        for _ in range(40):  # so that the new version of its row needs an index entry of its own
            ingestor.execute("UPDATE shard SET pending = pending + 1")
        three.execute("SET lock_timeout = '2s'")
        shards.ensure_shards(three)
        three.rollback()


def test_the_lease_of_a_connection_that_ended_is_free_at_once(three: Connection, database_url: str) -> None:
    first, _ = keep(database_url, "one")
    first.close()
    three.execute("DELETE FROM ingestor")
    three.commit()
    with connect(database_url, application="tests") as second:
        wait_until(lambda: shards.keep_leases(second, "two", "two").held == {0, 1, 2}, "the take-over", 5)


def test_a_lease_runs_out_although_its_connection_seems_to_stand(
    three: Connection, database_url: str
) -> None:
    first, _ = keep(database_url, "one")
    three.execute("UPDATE shard SET lease_until = clock_timestamp() - interval '1 s'")
    three.execute("DELETE FROM ingestor")
    three.commit()
    second, leases = keep(database_url, "two")
    assert leases.held == {0, 1, 2}
    assert not shards.holds(first, "one", 0)
    assert shards.holds(second, "two", 0)
    first.close()
    second.close()


def test_a_shard_does_not_change_hands_while_its_batch_is_under_way(
    three: Connection, database_url: str
) -> None:
    first, _ = keep(database_url, "one")
    assert shards.holds(first, "one", 1)
    three.execute("UPDATE shard SET lease_until = clock_timestamp() - interval '1 s' WHERE shard_id <> 1")
    three.execute("DELETE FROM ingestor")
    three.commit()
    second, leases = keep(database_url, "two")
    assert leases.held == {0, 2}
    first.close()
    second.close()


def test_what_a_shard_is_to_hear() -> None:
    homes = [shards.Home("t", 0), shards.Home("u", 1)]
    assert shards.Layout(1, homes, []).wanted(0) == inbound_filters()
    assert shards.Layout(1, homes, []).wanted(1) == []
    assert shards.Layout(2, homes, []).wanted(0) == [trial_filter("t"), *network_filters()]
    assert shards.Layout(2, homes, []).wanted(1) == [trial_filter("u")]


def test_a_filter_is_spare_only_when_everybody_hears_their_own() -> None:
    def shard(number: int, filters: list[str]) -> shards.Shard:
        return shards.Shard(number, "id", filters, NOW, None, None, 0, None, None)

    homes = [shards.Home("t", 0), shards.Home("u", 1)]
    wide = shard(0, [*inbound_filters(), trial_filter("t")])
    assert shards.Layout(2, homes, [wide, shard(1, [])]).spare(wide) == []
    spare = shards.Layout(2, homes, [wide, shard(1, [trial_filter("u")])]).spare(wide)
    assert set(spare) == set(inbound_filters()) - set(network_filters())


def test_wrong_numbers_and_names_are_refused(three: Connection, catalogue: object) -> None:
    with pytest.raises(CorrectInput, match="Between 1 and 64"):
        shards.resize(three, 65, window=WINDOW)
    with pytest.raises(CorrectInput, match="There are 3 shards"):
        shards.set_home(three, "t", 3, window=WINDOW)
    with pytest.raises(NotFound):
        shards.set_home(three, "nobody", 1, window=WINDOW)
    with pytest.raises(CorrectInput, match="INSITU_WINDOW"):
        shards.resize(three, 2, window=20_000)


# -- one that floods


def test_a_trial_with_a_session_of_its_own_does_not_wait_behind_one_that_floods(two_trials: Stack) -> None:
    resize(two_trials, 2)
    wait_until(lambda: settled(two_trials), "two shards", 60)
    two_trials.stop()
    flood, quiet = two_trials.device("t/a"), two_trials.device("u/c")
    start = NOW - timedelta(days=1)
    flood.send_all(
        {"time": (start + timedelta(seconds=i)).isoformat(), "results": {"pm25": i}} for i in range(8000)
    )
    quiet.send({"time": NOW.isoformat(), "results": {"pm25": 1}})
    two_trials.start(INSITU_BATCH_MESSAGES="20")
    wait_until(lambda: rows_of(two_trials, "u") == [1.0], "the quiet one's row")
    assert len(rows_of(two_trials, "t")) < 8000
    wait_until(lambda: len(rows_of(two_trials, "t")) == 8000, "the flood", 60)
    flood.close()
    quiet.close()


def test_at_qos_0_a_topic_that_floods_loses_its_own_messages_only() -> None:
    """The whole queue is 4 × window: beyond half of it no topic may hold more than a sixteenth."""
    address = BrokerAddress("127.0.0.1", 1, "nobody", "")
    receiver = Receiver(address, client_id="fair", filters=[], window=64, clock=SYSTEM, granted=())
    arrive = receiver._on_publish
    for _ in range(1000):
        arrive("insitu/v1/t/flood/obs", b"{}", 0, 0, False, False)
    assert receiver.pending == 128
    for number in range(8):
        for _ in range(16):
            arrive(f"insitu/v1/t/quiet{number}/obs", b"{}", 0, 0, False, False)
    assert receiver.pending == 256
    assert receiver.take_dropped() == 1000 - 128
    taken = receiver.take(1000, gather_s=0, wait_s=0)
    assert len(taken) == 256
    arrive("insitu/v1/t/flood/obs", b"{}", 0, 0, False, False)
    assert receiver.pending == 1


def test_a_session_that_the_broker_fills_up_goes_on_and_says_so(stack: Stack) -> None:
    """The broker's bound is 65,535 messages in flight over all filters: 16 filters of 4,000 fit, and the
    heartbeat is one of them.
    """
    resize(stack, 2)
    wait_until(lambda: settled(stack), "two shards", 60)
    for number in range(16):
        add_trial(stack.conn, code=f"x{number}", title={"en": "X"}, host="host", company="company", now=NOW)
    stack.conn.execute("UPDATE trial SET shard_id = 1 WHERE code LIKE 'x%%'")
    stack.conn.commit()
    wait_until(lambda: "make more shards" in (shards.health(stack.conn).problem or ""), "the complaint", 30)
    device = stack.device("t/a")
    device.send({"time": NOW.isoformat(), "results": {"pm25": 1}})
    wait_until(lambda: rows_of(stack, "t") == [1.0], "the row of a trial that is heard")
    device.close()


@pytest.mark.parametrize("amid", some_of(["a batch", "nothing"], every=2))
def test_an_ingestor_that_is_paused_beyond_its_lease_is_replaced_and_changes_nothing_when_it_wakes(
    stack: Stack, database_url: str, amid: str
) -> None:
    """Also during its transaction, in which it holds the shard: the database ends that after the length of a
    lease.
    """
    device = stack.device("t/a")
    start = NOW - timedelta(days=1)
    sent = [
        {"boot": "b", "seq": n, "time": (start + timedelta(seconds=n)).isoformat(), "results": {"pm25": n}}
        for n in range(300)
    ]
    device.send_all(sent[:100])
    stack.wait_for(100)
    paused = stack.ingestor
    assert paused is not None
    assert paused.pid is not None
    with connect(database_url, application="tests") as conn:
        if amid == "a batch":
            conn.execute("LOCK TABLE ledger IN EXCLUSIVE MODE")
            device.send_all(sent[100:200])
            wait_until(
                lambda: stack.rows("SELECT count(*) FROM pg_locks WHERE NOT granted") == [(1,)],
                "the batch to wait",
            )
        os.kill(paused.pid, signal.SIGSTOP)
        conn.rollback()
    try:
        if amid == "nothing":
            device.send_all(sent[100:200])
        second = stack.start()
        wait_until(lambda: len(rows_of(stack, "t")) == 200, "the take-over", 60)
        (holder,) = holders(stack)
        assert str(second.pid) in str(holder)
        device.send_all(sent[200:250])
    finally:
        os.kill(paused.pid, signal.SIGCONT)
    device.send_all(sent[250:])
    wait_until(lambda: len(rows_of(stack, "t")) == 300, "every row", 40)
    time.sleep(3)  # the one that woke up notices that it has no shard
    assert rows_of(stack, "t") == [float(n) for n in range(300)]
    assert stack.reasons() == []
    assert holders(stack) == [holder]
    assert recount(stack.conn) == []
    paused.stop()
    device.close()
