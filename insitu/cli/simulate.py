"""`simulate`: a fleet from a scenario file against a running installation, and its truth manifest."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    del app
