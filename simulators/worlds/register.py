"""Every world by name, and the cells that are measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from insitu.errors import CorrectInput
from simulators.worlds.cell import DAYS, LIMIT, LOOKED, PHIS, SHORT, TRENDS, USUAL, Cell, World
from simulators.worlds.draws import (
    draw_adjusted,
    draw_before_after,
    draw_collocation,
    draw_control_sites,
    draw_counts,
    draw_crossover,
    draw_equivalence,
    draw_interrupted,
    draw_limit,
    draw_replicates,
    draw_synthetic,
)
from simulators.worlds.truths import (
    before_after_truth,
    collocation_truth,
    counts_truth,
    effect_truth,
    equivalence_truth,
    interrupted_truth,
    limit_truth,
    replicates_truth,
    share_truth,
    sum_truth,
)

LOWER: Mapping[str, tuple[float | None, float | None]] = {"effect": (None, -2.0)}
WORLDS: dict[str, World] = {
    world.name: world
    for world in (
        World(
            "collocation",
            "reference_collocation",
            draw_collocation,
            collocation_truth,
            {"slope": (0.65, 1.35)},
            parameters={"limit_value": LIMIT},
            changes=False,
        ),
        World(
            "replicates", "replicates", draw_replicates, replicates_truth, {"cv": (None, 30.0)}, changes=False
        ),
        World("before_after", "before_after", draw_before_after, before_after_truth, LOWER),
        World(
            "adjusted",
            "adjusted_before_after",
            draw_adjusted,
            effect_truth,
            LOWER,
            "kW",
            {"covariates": ["outdoor"]},
        ),
        World(
            "interrupted",
            "interrupted_series",
            draw_interrupted,
            interrupted_truth,
            {"level_change": (None, -2.0)},
        ),
        World(
            "counts",
            "interrupted_series",
            draw_counts,
            counts_truth,
            {"rate_ratio": (None, 0.9)},
            parameters={"family": "poisson"},
        ),
        World("control_sites", "control_sites", draw_control_sites, effect_truth, LOWER),
        World("synthetic", "synthetic_control", draw_synthetic, effect_truth, LOWER),
        World(
            "equivalence",
            "equivalence",
            draw_equivalence,
            equivalence_truth,
            {"difference": (-1.0, 1.0)},
            changes=False,
        ),
        World(
            "limit",
            "limit_compliance",
            draw_limit,
            limit_truth,
            {"mean": (None, 25.0)},
            parameters={"u_meas": 0.0},
            changes=False,
        ),
        World("crossover", "crossover", draw_crossover, effect_truth, LOWER),
        *(
            World(
                f"before_after_{name}",
                "before_after",
                draw_before_after,
                truth,
                LOWER,
                changes=False,
                aggregation={"name": name, **more},
                aside=True,
            )
            for name, more, truth in (
                ("exceedance_share", {"threshold": 20}, share_truth),
                ("percentile", {"q": 95}, effect_truth),
                ("max", {}, effect_truth),
                ("sum", {}, sum_truth),
            )
        ),
    )
}


def cells(
    world: World, *, phi: Sequence[float] = PHIS, days: Sequence[int] = DAYS, trend: Sequence[float] = TRENDS
) -> list[Cell]:
    """Every φ with every number of days; then, at 30 days (or the first of `days`), every φ with each trend,
    and as an A/A trial if the world has an intervention.
    """
    usual = USUAL.days if USUAL.days in days else days[0]
    if world.aside:
        return [Cell(one, usual) for one in phi]
    level = [Cell(one, number) for one in phi for number in days]
    trending = [Cell(one, usual, drift) for drift in trend for one in phi]
    return level + trending + [Cell(one, usual, treated=False) for one in phi if world.changes]


def looked(
    worlds: Sequence[World], *, phi: Sequence[float] = PHIS, days: Sequence[int] = DAYS
) -> list[tuple[World, list[Cell]]]:
    """The worlds on which early looks are measured, with the cells of more than 14 days: nobody looks
    before.
    """
    lasting = [Cell(one, number) for number in days if number > SHORT for one in phi]
    return [(world, lasting) for world in worlds if world.name in LOOKED and lasting]


def chosen(
    designs: Sequence[str] | None = None,
    *,
    phi: Sequence[float] = PHIS,
    days: Sequence[int] = DAYS,
    trend: Sequence[float] = TRENDS,
) -> list[tuple[World, list[Cell]]]:
    """The worlds of some designs (default: of all) with their cells. CorrectInput names what is unknown or
    impossible.
    """
    known = {world.design for world in WORLDS.values()}
    for design in designs or ():
        if design not in known:
            raise CorrectInput(
                f"There is no world for the design {design!r}; there is one for {', '.join(sorted(known))}."
            )
    if not all(0 <= one < 1 for one in phi):
        raise CorrectInput("φ must be at least 0 and less than 1.")
    if any(number < SHORT for number in days):
        raise CorrectInput(f"A period needs at least {SHORT} days.")
    return [
        (world, cells(world, phi=phi, days=days, trend=trend))
        for world in WORLDS.values()
        if not designs or world.design in designs
    ]
