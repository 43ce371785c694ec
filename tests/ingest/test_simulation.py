"""The worker's logic in simulated worlds: two thousand seeds, and the proof that a worker that breaks a rule
is caught.

To play one world again, with its log: `python -m proving.worlds.run --seed N`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from ingest.deliveries import recognise
from ingest.ports import LeaseLost
from ingest.worker import Worker, _Fault
from insitu.errors import RowRefused
from insitu.model import Message, RejectReason
from proving.worlds import books as simulated
from proving.worlds.books import SimulatedBooks, Violation
from proving.worlds.run import Run, failing_seeds
from store.deliveries import Delivery

MOST_SEEDS = 400
"""A broken worker must be caught within this number of seeds."""


@pytest.fixture
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def test_no_world_of_five_hundred_loses_or_needlessly_doubles_a_message() -> None:
    assert failing_seeds(range(500)) == []


@pytest.mark.nightly
@pytest.mark.timeout(7200)
def test_no_world_of_two_hundred_thousand_does() -> None:
    assert failing_seeds(range(200_000)) == []


def violation(**broken: Any) -> str:
    """The violation in the first seed that catches the worker."""
    for seed in range(MOST_SEEDS):
        try:
            Run(seed, **broken).play()
        except Violation as found:
            return str(found)
    return "not found out"


class AcknowledgesFirst(Worker):
    def _keep(self, messages: Sequence[Message]) -> list[Message]:
        self._session.ack(messages)
        return super()._keep(messages)


class AcknowledgesWithoutTheLease(Worker):
    def _keep(self, messages: Sequence[Message]) -> list[Message]:
        try:
            return super()._keep(messages)
        except LeaseLost:
            return list(messages)


class DoesNotBisect(Worker):
    def _keep(self, messages: Sequence[Message]) -> list[Message]:
        try:
            self._commit(messages)
        except _Fault as fault:
            self._commit(messages, (RejectReason.DATABASE_REFUSED, str(fault)))
        return list(messages)


class AcknowledgesWhatItCannotRefuse(Worker):
    def _refuse(self, message: Message, error: Exception) -> list[Message]:
        super()._refuse(message, error)
        return [message]


class GivesUpAfterAnError(Worker):
    def _pause(self, seconds: float) -> None:
        raise _Fault(RowRefused())


class ForgetsTooEarly(SimulatedBooks):
    def keep_house(self, problem: str | None = None) -> None:
        super().keep_house(problem)
        self._ledger.deliveries.clear()


@pytest.mark.parametrize(
    ("broken", "found"),
    [
        ({"worker_class": AcknowledgesFirst}, "is nowhere"),
        ({"worker_class": AcknowledgesWithoutTheLease}, "is nowhere"),
        ({"worker_class": DoesNotBisect}, "was refused for its neighbours"),
        ({"worker_class": AcknowledgesWhatItCannotRefuse}, "is nowhere"),
        ({"worker_class": GivesUpAfterAnError}, "was refused for its neighbours"),
        ({"books_class": ForgetsTooEarly}, "second row without need"),
    ],
)
@pytest.mark.usefixtures("quiet")
def test_a_worker_that_breaks_a_rule_is_found_out(broken: dict[str, Any], found: str) -> None:
    assert found in violation(**broken)


def without(**scope: Any) -> Any:
    """The rule of repeats, with a part of the scope ignored."""

    def blind(messages: Sequence[tuple[Message, bytes]], known: Mapping[Delivery, int]) -> Any:
        if "life" in scope:
            known = {key._replace(life=""): received for key, received in known.items()}
        repeats, fresh = recognise([(message._replace(**scope), sha) for message, sha in messages], known)
        return repeats, fresh

    return blind


@pytest.mark.parametrize(
    ("scope", "found"),
    [
        ({"life": ""}, "is nowhere"),
        ({"repeat": False}, "second row without need"),
    ],
)
@pytest.mark.usefixtures("quiet")
def test_a_rule_that_ignores_a_part_of_the_scope_is_found_out(
    monkeypatch: pytest.MonkeyPatch, scope: dict[str, Any], found: str
) -> None:
    monkeypatch.setattr(simulated, "recognise", without(**scope))
    assert found in violation()


@pytest.mark.usefixtures("quiet")
def test_ids_that_are_trusted_for_more_than_their_turn_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "repeatable", lambda window, ids: 10_000)
    assert "is nowhere" in violation()


def test_a_seed_makes_the_same_world_again() -> None:
    def ending(seed: int) -> tuple[float, dict[int, int]]:
        run = Run(seed)
        run.play()
        return run.now, dict(run._ledger.rows)

    assert ending(3) == ending(3)
    assert ending(3) != ending(4)
