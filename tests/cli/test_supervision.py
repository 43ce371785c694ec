"""The loop that keeps an installation alive: every part is always looked after, and an error of one part
never affects another.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from cli.supervision import LONGEST_PAUSE_S, Part, Phase
from insitu.errors import FreeSpace, RestoreBackup


class World:
    """A server as its part sees it: starts and stops in steps, ends when it is hurt, refuses to start while
    `broken`.
    """

    def __init__(self, name: str, *needs: Part, steps: int = 3) -> None:
        self.alive = False
        self.broken: Exception | None = None
        self.hangs = False
        self.steps = steps
        self.killed = 0
        self.part = Part(name, start=self.start, poll=self.poll, stop=self.stop, kill=self.kill, needs=needs)

    def start(self) -> Iterator[None]:
        for _ in range(self.steps):
            yield
        while self.hangs:
            yield
        if self.broken:
            raise self.broken
        self.alive = True

    def stop(self) -> Iterator[None]:
        yield
        self.alive = False

    def poll(self) -> int | None:
        return None if self.alive else 1

    def kill(self) -> None:
        self.killed += 1
        self.alive = False


def step(parts: list[Part], now: float, seconds: float, pace: float = 0.1) -> float:
    end = now + seconds
    while now < end:
        for part in parts:
            part.step(now)
        now += pace
    return now


def test_a_part_starts_when_what_it_needs_runs() -> None:
    database = World("database")
    broker = World("broker", database.part)
    step([broker.part, database.part], 0.0, 0.1)
    assert broker.part.phase is Phase.WAITING
    step([broker.part, database.part], 0.1, 1.0)
    assert database.part.runs
    assert broker.part.runs


def test_what_ran_long_enough_is_started_again_at_once_and_what_keeps_failing_later_and_later() -> None:
    world = World("broker")
    now = step([world.part], 0.0, 5.0)
    world.alive = False
    now = step([world.part], now, 0.3)
    assert world.part.runs
    world.alive, world.broken = False, FreeSpace()
    before = world.part.starts
    now = step([world.part], now, 120.0)
    assert 10 <= world.part.starts - before <= 25
    world.broken = None
    step([world.part], now, LONGEST_PAUSE_S + 1)
    assert world.part.runs


@pytest.mark.parametrize("error", [FreeSpace(), RuntimeError("a defect"), OSError(28, "no space left")])
def test_an_error_of_one_start_stays_with_its_part(error: Exception) -> None:
    bad, good = World("bad"), World("good")
    bad.broken = error
    step([bad.part, good.part], 0.0, 3.0)
    assert good.part.runs
    assert bad.part.error is error
    assert bad.killed > 0, "nothing half-started is left"


@pytest.mark.parametrize("error", [FreeSpace("full"), RestoreBackup("damaged")])
def test_an_error_that_ends_a_first_start_is_left_to_the_caller_and_others_are_said(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    """Later nothing ends, and it is logged as well."""
    world = World("postgres")
    world.broken = error
    now = step([world.part], 0.0, 1.0)
    assert world.part.error is error
    assert (str(error) in capsys.readouterr().err) is isinstance(error, FreeSpace)
    world.broken = None
    now = step([world.part], now, 20.0)
    world.broken, world.alive = RestoreBackup("broken"), False
    step([world.part], now, 1.0)
    assert "broken It is tried again." in capsys.readouterr().err


def test_a_start_that_hangs_keeps_nobody_waiting_and_can_be_stopped() -> None:
    hung, other = World("hung"), World("other")
    hung.hangs = True
    now = step([hung.part, other.part], 0.0, 5.0)
    other.alive = False
    step([hung.part, other.part], now, 1.0)
    assert other.part.runs
    assert len(list(hung.part.stopping())) < 5


def test_replacing_stops_first_and_starts_again() -> None:
    world = World("ingest")
    now = step([world.part], 0.0, 1.0)
    world.part.replace("It stores nothing.")
    assert world.part.phase is Phase.STOPPING
    step([world.part], now, 1.0)
    assert world.part.runs
    assert world.part.starts == 2


@pytest.mark.parametrize("seed", range(60))
def test_whatever_happens_everything_runs_again_soon_after_it_has_ended(seed: int) -> None:
    chance = random.Random(seed)
    database = World("database", steps=chance.randrange(6))
    schema = World("schema", database.part, steps=chance.randrange(3))
    broker = World("broker", schema.part, steps=chance.randrange(6))
    ingest = World("ingest", broker.part, steps=chance.randrange(3))
    worlds = [database, schema, broker, ingest]
    parts, now = [world.part for world in worlds], 0.0
    for _ in range(chance.randrange(40)):
        world = chance.choice(worlds)
        match chance.randrange(5):
            case 0:
                world.alive = False
            case 1:
                world.broken = chance.choice([FreeSpace(), RuntimeError("x"), None])
            case 2:
                world.hangs = not world.hangs
            case 3:
                world.part.replace("by chance")
            case 4:
                world.part.kill()
        now = step(parts, now, chance.random() * 3)
    for world in worlds:
        world.broken, world.hangs = None, False
    step(parts, now, 2 * LONGEST_PAUSE_S)
    assert all(part.runs for part in parts), f"seed {seed}: {[(part.name, part.phase) for part in parts]}"
    assert all(world.alive for world in worlds)
