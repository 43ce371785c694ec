"""The command line, which is the composition root: it builds, starts and stops; nobody imports it.

Each verb lives in one module of this folder and imports its room when it is called, so that `insitu --help` is quick.
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback

import typer
from typer._click.exceptions import ClickException

from insitu.cli import (
    bench,
    demo,
    devices,
    evaluation,
    imports,
    networks,
    operations,
    parts,
    power,
    registration,
    sessions,
    simulate,
    up,
)
from insitu.cli.output import fail
from insitu.cli.rooms import refuse_foreign_rooms
from insitu.errors import InsituError

app = typer.Typer(
    name="insitu",
    help="Field data of trials: from an MQTT message to a validation report.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for verbs in (
    demo,
    up,
    parts,
    registration,
    devices,
    networks,
    imports,
    simulate,
    evaluation,
    power,
    operations,
    sessions,
    bench,
):
    verbs.register(app)


def main() -> None:
    """Run a verb; every error is one clear line on stderr and a non-zero exit code."""
    # Children of a supervisor must not keep a terminal's half-written line when their reader is gone.
    try:
        refuse_foreign_rooms()
        ended = app(standalone_mode=False)
        if ended == 130:  # typer makes a return value of Ctrl-C, and of every other Exit
            fail("Interrupted.", code=ended)
        sys.exit(ended if isinstance(ended, int) else 0)
    except InsituError as error:
        fail(str(error), code=error.exit_code)
    except typer.Exit as error:
        sys.exit(error.exit_code)
    except ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        fail("Interrupted.", code=130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - the last line of defence: a traceback on a screen helps no user
        fail(f"This is a defect of Insitu ({type(error).__name__}: {error}). Details: {_keep_traceback()}", code=70)


def _keep_traceback() -> str:
    if os.environ.get("INSITU_LOG_LEVEL") == "debug":
        traceback.print_exc()
    try:
        # a name nobody can foresee: root must not write through another's link
        descriptor, path = tempfile.mkstemp(prefix="insitu-defect-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(traceback.format_exc())
    except OSError as error:
        return f"could not be written ({error.strerror}); set INSITU_LOG_LEVEL=debug to see them"
    return path
