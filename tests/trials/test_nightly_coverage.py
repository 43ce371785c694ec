"""The proof behind docs/validation.md: 2,000 replications of every world in every cell. Run by `make
nightly`; takes a quarter of an hour on two processors.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest

from proving.coverage import looks, missing
from proving.coverage.intervals import measure, pool_of
from proving.coverage.tables import shortfalls
from simulators.worlds.cell import World
from simulators.worlds.register import WORLDS, cells, looked

REPLICATIONS = 2000
pytestmark = [pytest.mark.nightly, pytest.mark.timeout(7200)]


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor | None]:
    with pool_of(2) as made:
        yield made


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_every_cell_holds_its_bounds(world: World, pool: ProcessPoolExecutor | None) -> None:
    assert shortfalls(measure(world, cells(world), replications=REPLICATIONS, pool=pool)) == []


@pytest.mark.parametrize(
    "world", [world for world, _ in looked(list(WORLDS.values()))], ids=lambda world: world.name
)
def test_ten_looks_together_exclude_the_truth_in_at_most_5_per_cent(
    world: World, pool: ProcessPoolExecutor | None
) -> None:
    ((_, lasting),) = looked([world])
    assert (
        looks.shortfalls(looks.measure(world, lasting, replications=REPLICATIONS, pool=pool), REPLICATIONS)
        == []
    )


def test_no_silence_makes_a_wrong_verdict(pool: ProcessPoolExecutor | None) -> None:
    found = missing.measure(missing.cells(), replications=REPLICATIONS, pool=pool)
    assert missing.shortfalls(found) == []
