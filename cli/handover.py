"""Gives changed credentials to the running broker, in steps, and records in the database which state it
uses.
"""

from __future__ import annotations

from cli.clerk import Clerk, Facts
from cli.output import warn
from cli.supervision import Steps
from insitu.embedded.broker import Broker
from insitu.errors import FreeSpace, InsituError, RetryLater

PAUSE_S = 1.0


class Handover:
    """Belongs to one installation. Each start of the broker begins with the credentials of that moment."""

    def __init__(self, broker: Broker, clerk: Clerk) -> None:
        self._broker, self._clerk = broker, clerk
        self._generation = -1
        self._under_way: tuple[Facts, Steps] | None = None
        self._not_before = 0.0
        self._problem = ""

    def started_with(self, facts: Facts) -> None:
        """Record that the broker has started with these credentials."""
        self._generation, self._under_way = facts.generation, None
        self._clerk.applied(facts.wanted, None)

    def step(self, now: float) -> None:
        """Do one step of the present change, or begin the next one. `now`: time.monotonic()."""
        facts = self._clerk.facts
        if self._under_way is None:
            if facts.generation == self._generation or now < self._not_before:
                return
            self._under_way = facts, self._broker.applying(facts.users)
        facts, steps = self._under_way
        problem = None
        try:
            next(steps)
            return
        except StopIteration:
            pass
        except (RetryLater, FreeSpace) as error:
            self._under_way, self._not_before = None, now + PAUSE_S
            if self._problem != str(error):
                self._problem = str(error)
                warn(f"broker: {error} The credentials are handed over when it is well again.")
            return
        except InsituError as error:
            problem = str(error)
            warn(f"broker: {problem}")
        self._generation, self._under_way, self._problem = facts.generation, None, ""
        self._clerk.applied(facts.wanted, problem)
