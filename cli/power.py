"""`power`: the outlook of a protocol for its planned days, while it is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import JsonOption
from cli.reports import show
from cli.target import open_target
from insitu.errors import CorrectInput
from trials.designs.reading import read_for_designs
from trials.package.reading import text_of
from trials.report.sentence import sentence_of
from trials.workflow.drafts import outlook_of, outlook_of_package

if TYPE_CHECKING:
    from trials.judge.expectations import CriterionOutlook, Expectation, Outlook


def power(
    protocol: Annotated[
        Path, typer.Argument(help="A protocol, JSON, locked or not; or the directory of a package.")
    ],
    days: Annotated[
        str, typer.Option(help="Lengths of the reporting period to calculate, in days.")
    ] = "14,30,60,90",
    power: Annotated[float, typer.Option(help="Wanted chance that the verdict is decided.")] = 0.8,
    package: Annotated[
        Path | None, typer.Option(help="Take the observations from this package, not from a database.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Estimate from the days before the reporting period how wide intervals will be and which effects can be
    detected.
    """
    lengths = _lengths(days)
    if not 0.5 <= power < 1:
        raise CorrectInput(f"--power {power:g} must lie between 0.5 and 1, as 0.8.")
    outlook = _outlook(protocol, package, lengths, power)
    show(outlook, told(outlook), as_json=as_json)


def _outlook(path: Path, package: Path | None, lengths: Sequence[int], power: float) -> Outlook:
    if (path / "datapackage.json").is_file():
        return outlook_of_package(path, lengths=lengths, power=power)
    if path.is_dir():
        raise CorrectInput(f"{path} is neither a protocol nor a package: it has no datapackage.json.")
    if not path.is_file():
        raise CorrectInput(f"There is no file {path}.")
    parsed = read_for_designs(text_of(path), source=str(path))
    if package is not None:
        return outlook_of_package(package, parsed, lengths=lengths, power=power)

    target, conn = open_target("insitu power")
    with conn:
        return outlook_of(
            conn,
            parsed,
            now=target.clock.now(),
            simulated=target.clock.is_simulated,
            lengths=lengths,
            power=power,
        )


def _lengths(text: str) -> list[int]:
    try:
        found = sorted({int(part) for part in text.split(",")})
    except ValueError:
        found = []
    if not found or found[0] < 1 or found[-1] > 1830:
        raise CorrectInput(f"--days {text!r} is not a list of days from 1 to 1830: write it as 14,30,60,90.")
    return found


def told(outlook: Outlook) -> Iterator[str]:
    """The outlook as lines: a table for each criterion, then its problems."""
    yield (
        f"{outlook.trial} version {outlook.version}: from {outlook.start:%Y-%m-%d %H:%M} to "
        f"{outlook.end:%Y-%m-%d %H:%M} UTC; "
        f"reporting period {outlook.planned_days} days; power {outlook.power:g}"
    )
    for endpoint in outlook.endpoints:
        yield (
            f"  {endpoint.name} ({endpoint.rank}, {endpoint.design}): {endpoint.days} days count, "
            f"intervals at {100 * endpoint.level:.4g} %"
        )
        yield from (f"    - {sentence_of(note)}" for note in endpoint.notes)
        for criterion in endpoint.criteria:
            yield from _criterion(criterion, outlook.planned_days)


def _criterion(criterion: CriterionOutlook, planned: int) -> Iterator[str]:
    target = criterion.target
    wanted = (
        f"[{'' if target.low is None else f'{target.low:g}'}, "
        f"{'' if target.high is None else f'{target.high:g}'}]"
    )
    yield f"    {criterion.statistic} in {wanted} {criterion.unit}"
    if criterion.planned is not None:
        assumed = "" if criterion.assumed is None else f" at {criterion.assumed:.3g}"
        decided = f"decided{assumed}"
        yield (
            f"      {'days':>6} {'count':>6} {'half-width':>11} {'detectable':>11}  "
            f"{'met for a true value':<22} {decided}"
        )
        rows = {row.days: row for row in (*criterion.lengths, criterion.planned)}
        for days in sorted(rows):
            yield f"      {_row(rows[days])}{'  planned' if days == planned else ''}"
        if criterion.assumed is not None:
            needed = (
                "more than five years, or never"
                if criterion.days_needed is None
                else f"{criterion.days_needed} days"
            )
            yield f"      needed to decide{assumed}: {needed}"
    yield from (f"      - {sentence_of(note)}" for note in criterion.notes)


def _row(row: Expectation) -> str:
    ends = (
        "" if row.met_low is None else f"{row.met_low:.4g}",
        "" if row.met_high is None else f"{row.met_high:.4g}",
    )
    met = f"[{ends[0]}, {ends[1]}]" if row.reachable else "none"
    decided = "" if row.decided is None else f"{100 * row.decided:.0f} %"
    return (
        f"{row.days:>6} {row.counted:>6} {_number(row.half_width):>11} "
        f"{_number(row.smallest_effect):>11}  {met:<22} {decided}"
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
