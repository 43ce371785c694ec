"""How many examples a property has: some every day, all in `make nightly`."""

from __future__ import annotations

from hypothesis import settings

NIGHTLY = "nightly"
"""Hypothesis profile of `make nightly`."""


def examples(*, quick: int, nightly: int) -> int:
    """Number of examples by the profile that is loaded: tests are collected after it."""
    return nightly if settings.get_current_profile_name() == NIGHTLY else quick
