"""The charts' script, which takes seconds to make, once for all sessions."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from api.vega import Bundle


@pytest.fixture(scope="session")
def charts(request: pytest.FixtureRequest) -> Path:
    """The script, kept in pytest's cache. A first start makes its own in tests/end_to_end/test_up.py and in
    the demo.
    """
    cache = request.config.cache
    assert cache is not None
    bundle = Bundle(cache.mkdir("charts"))
    bundle.start()
    return bundle.wait(120)


def lay_charts(charts: Path, data_dir: Path) -> None:
    """Puts the script where a server with this data directory looks for it."""
    cache = data_dir / "cache"
    cache.mkdir(parents=True)
    shutil.copy(charts, cache)
