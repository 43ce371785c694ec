"""Options that several verbs share."""

from __future__ import annotations

from typing import Annotated

import typer

ClockOption = Annotated[
    str, typer.Option("--clock", hidden=True, help="A trial clock, handed down by demo and tests.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON for a program, instead of text.")]
