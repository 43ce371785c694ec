"""How many examples a property has: some every day, all in `make nightly`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from hypothesis import settings

Case = TypeVar("Case")

NIGHTLY = "nightly"
"""Hypothesis profile of `make nightly`."""


def examples(*, quick: int, nightly: int) -> int:
    """Number of examples by the profile that is loaded: tests are collected after it."""
    return nightly if settings.get_current_profile_name() == NIGHTLY else quick


def some_of(cases: Sequence[Case], *, every: int) -> list[Case]:
    """The first, and from it one in `every`; all in `make nightly`. For cases that ask the same of one
    mechanism and cost seconds each.
    """
    return list(cases[:: examples(quick=every, nightly=1)])
