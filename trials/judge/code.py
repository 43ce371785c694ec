"""The versions of the code that computed an evaluation."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import version


def code_versions() -> dict[str, str]:
    """Versions of what computes: Insitu, Python and the numerical packages; they stand in the evaluation."""
    names = ("insitu", "numpy", "scipy", "statsmodels")
    return {**{name: _version(name) for name in names}, "python": platform.python_version()}


@cache
def _version(name: str) -> str:
    """Of an installed distribution; looking it up takes as long as a small evaluation."""
    return version(name)
