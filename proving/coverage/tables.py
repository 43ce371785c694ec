"""Formats the measurements of `proving.coverage.intervals` as the tables of docs/validation.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count

from proving.coverage.bounds import CONSERVATIVE, ENOUGH, by_statistic, means, trended
from proving.coverage.intervals import Counts, Measured
from trials.designs import DESIGNS

MOST_COLUMNS = 5
EARLY_LOOK = 12
"""Number of a page of docs/designs about no design of its own."""
NUMBERS = dict(zip(DESIGNS, (number for number in count(1) if number != EARLY_LOOK), strict=False))
"""Design → number of its page."""


def section(found: Sequence[Measured]) -> str:
    """Heading, table and remarks of one world."""
    first = found[0]
    remarks = "\n".join(f"- {told}." for told in conservative(found))
    return f"## Design {NUMBERS[first.design]}: {first.design}, world `{first.world}`\n{table(found)}\n" + (
        f"\n{remarks}\n" if remarks else ""
    )


def table(found: Sequence[Measured]) -> str:
    """The cells of one world: a row each, a column for each statistic, and the means. More than five
    statistics make two tables.
    """
    treated = [one for one in found if one.cell.treated]
    names = list(dict.fromkeys(name for one in treated for name in one.counts))
    return "\n\n".join(
        _table(treated, names[first : first + MOST_COLUMNS]) for first in range(0, len(names), MOST_COLUMNS)
    )


def _table(treated: Sequence[Measured], names: Sequence[str]) -> str:
    rows = [
        "| φ | days | trend | answered | " + " | ".join(f"`{name}`" for name in names) + " |",
        "|---" * (4 + len(names)) + "|",
    ]
    for one in treated:
        of = [
            _counts(one.counts[name]) if name in one.counts and one.answered >= ENOUGH else "–"
            for name in names
        ]
        rows.append(
            f"| {one.cell.phi:g} | {one.cell.days} | {_trend(one)} | {one.answered:,} | "
            + " | ".join(of)
            + " |"
        )
    average = dict(means(treated))
    return "\n".join(
        [
            *rows,
            "| mean | | | | "
            + " | ".join(f"{average[name]:.3f}" if name in average else "–" for name in names)
            + " |",
        ]
    )


def aggregations(worlds: Mapping[str, Sequence[Measured]]) -> str:
    """The effect of design 4 by kind of day value: a row for each φ, a column for each kind. The world of
    means is the one without a kind in its name.
    """
    of = {name.removeprefix("before_after").lstrip("_") or "mean": found for name, found in worlds.items()}
    rows = [f"| φ | {' | '.join(f'`{name}`' for name in of)} |", "|---" * (1 + len(of)) + "|"]
    usual = {
        name: {
            one.cell.phi: one
            for one in found
            if one.cell.treated and (one.cell.days, one.cell.trend) == (30, 0)
        }
        for name, found in of.items()
    }
    for phi in dict.fromkeys(phi for cells in usual.values() for phi in cells):
        told = [_counts(cells[phi].counts["effect"]) if phi in cells else "–" for cells in usual.values()]
        rows.append(f"| {phi:g} | {' | '.join(told)} |")
    return "\n".join(rows)


def spaced(found: Sequence[Measured]) -> str:
    """The cells of a world whose values are a day apart or more: for each statistic a row for each number of
    values, a column for each φ.
    """
    names = list(dict.fromkeys(name for one in found for name in one.counts))
    return "\n\n".join(_spaced(found, name) for name in names)


def _spaced(found: Sequence[Measured], name: str) -> str:
    phis = list(dict.fromkeys(one.cell.phi for one in found))
    rows = [
        f"| `{name}`, values | {' | '.join(f'φ {phi:g}' for phi in phis)} |",
        "|---" * (1 + len(phis)) + "|",
    ]
    for days in dict.fromkeys(one.cell.days for one in found):
        cells = {one.cell.phi: one for one in found if one.cell.days == days and name in one.counts}
        told = [_of_spaced(cells[phi], name) if phi in cells else "–" for phi in phis]
        rows.append(f"| {days} | {' | '.join(told)} |")
    average = dict(means(found)).get(name)
    return "\n".join(rows) + (f"\n\nMean coverage: {average:.3f}." if average is not None else "")


def _of_spaced(one: Measured, name: str) -> str:
    width = one.width(name)
    told = f"{one.holding(name):.3f} ({one.counts[name].coverage:.3f}) · {one.wrong(name):.3f} · "
    told += f"{one.answered / one.asked:.2f}"
    return told + (f" · {width:.2f}" if width is not None else " · –" if one.ideal else "")


def nothing_done(found: Sequence[Measured]) -> str:
    """The A/A cells of every world that has them."""
    rows = [
        "| design | world | φ | days | answered | statistic | holds 0 (or 1) | wrong side, at most | `met` "
        "by its target |",
        "|---" * 9 + "|",
    ]
    for one in found:
        for name, counts in one.counts.items() if not one.cell.treated else ():
            asked = (
                f"{NUMBERS[one.design]} | {one.world} | {one.cell.phi:g} | {one.cell.days} | {one.answered:,}"
            )
            met = f"{one.met:.3f}" if name in one.targets else "–"
            rows.append(f"| {asked} | `{name}` | {counts.coverage:.3f} | {counts.false:.3f} | {met} |")
    return "\n".join(rows)


def conservative(found: Sequence[Measured]) -> list[str]:
    """A line for each statistic with cells that cover more than .985, with the width ratio of the widest."""
    lines = []
    for name, cells in by_statistic(found).items():
        wide = [(one, one.counts[name]) for one in cells if one.counts[name].coverage > CONSERVATIVE]
        if wide:
            most = max(counts.width for _, counts in wide)
            where = "; ".join(f"φ {one.cell.phi:g}, {one.cell.days} days{trended(one)}" for one, _ in wide)
            lines.append(f"`{name}`: conservative, up to {most:.2f} times as wide as it had to be ({where})")
    return lines


def _counts(counts: Counts) -> str:
    planned = f"{counts.planned:.2g}" if counts.planned < 99.5 else f"{float(f'{counts.planned:.2g}'):,.0f}"
    return f"{counts.coverage:.3f} · {counts.false:.3f} · {counts.power:.2f} at {planned}"


def _trend(one: Measured) -> str:
    return f"{one.cell.trend:g} SD" if one.cell.trend else "–"
