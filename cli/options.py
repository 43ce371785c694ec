"""Options that several verbs share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    pass


ClockOption = Annotated[
    str, typer.Option("--clock", hidden=True, help="A trial clock, handed down by demo and tests.")
]
