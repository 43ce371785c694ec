"""The verb `insitu demo`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.demo.run import Demo


def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the reports.")] = False,
    days: Annotated[
        int, typer.Option(help="Days of history; half baseline, half reporting.", min=4, max=400)
    ] = 60,
    out: Annotated[Path | None, typer.Option(help="Where reports and packages go.")] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Port of the pages; default: that of INSITU_HTTP_LISTEN, or a free one."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the simulated devices.")] = 1,
    scenario: Annotated[
        list[str] | None, typer.Option(help="Scenarios by name or file; default: the three trials.")
    ] = None,
    ends: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], hidden=True, help="Last day of the history; default: today."),
    ] = None,
    acknowledged_log: Annotated[
        Path | None, typer.Option(hidden=True, help="Append every acknowledged message here.")
    ] = None,
) -> None:
    """Three trials with about 40 simulated devices: history, reports, packages, and a live fleet."""
    Demo(
        once=once,
        days=days,
        out=out,
        port=port,
        seed=seed,
        scenarios=scenario or ["platform-air", "ward-ventilation", "street-noise"],
        acknowledged_log=acknowledged_log,
        ends=ends,
    ).run()
