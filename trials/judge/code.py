"""The versions of the code that computed an evaluation."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import version


def code_versions() -> dict[str, str]:
    """Versions of the code that computes: Insitu, Python and the numerical packages. The evaluation lists
    them.
    """
    names = ("insitu", "numpy", "scipy")
    return {**{name: _version(name) for name in names}, "python": platform.python_version()}


@cache
def _version(name: str) -> str:
    """Version of an installed distribution. Cached: looking it up takes as long as a small evaluation."""
    return version(name)
