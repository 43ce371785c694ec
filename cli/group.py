"""The command group: a verb's module is imported when the verb is called, so `insitu --help` is fast."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any

import typer
import typer.core
import typer.main

from cli.output import fail, say
from cli.verbs import VERBS, Verb
from insitu.loading import loading


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A completion that a shell offers for an unfinished word."""

    value: str
    help: str
    type: str = "plain"


class Group(typer.core.TyperGroup):
    """The verbs of `cli.verbs`."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        verb = VERBS.get(cmd_name)
        return command_of(cmd_name, verb) if verb is not None else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """From the table, without importing a verb."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.help) for name, verb in VERBS.items()])

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Also from the table, because a shell asks at each press of the tab key."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [Suggestion(name, verb.help) for name, verb in VERBS.items() if name.startswith(incomplete)]

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            fail("Interrupted.", code=130)


def command_of(name: str, verb: Verb) -> Any:
    """The command, or the group of commands, of a verb."""
    with loading():
        module = import_module(verb.module)
    app = _typer(help=verb.help, no_args_is_help=len(verb.functions) > 1 and verb.alone is None)
    if verb.alone is not None:
        app.callback(invoke_without_command=True)(getattr(module, verb.alone))
    for function in verb.functions:
        only = len(verb.functions) == 1 and verb.alone is None
        app.command(name if only else function.strip("_").replace("_", "-"))(getattr(module, function))
    command = typer.main.get_command(app)
    command.name = name
    return command


def _typer(**options: Any) -> typer.Typer:
    return typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, **options)


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"insitu {version('insitu')}")
        raise typer.Exit


app = typer.Typer(
    name="insitu",
    cls=Group,
    help="Field data of trials: from an MQTT message to a validation report.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def insitu(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Field data of trials: from an MQTT message to a validation report."""
