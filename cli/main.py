"""The entry point of the command line.

`verbs` lists each verb with its module, which is imported when the verb is called.
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from pathlib import Path

from cli.group import app
from cli.output import fail
from cli.rooms import refuse_foreign_rooms
from insitu.errors import InsituError, ReportDefect
from insitu.settings import default_data_dir

_DEFECT = "insitu-defect-"
_MOST_DEFECTS = 20


def main() -> None:
    """Run a verb; every error becomes one clear line on stderr and a non-zero exit code."""
    # Children of a supervisor must not keep a half-written terminal line after their reader is gone.
    try:
        refuse_foreign_rooms()
        app(prog_name="insitu")
    except ReportDefect as error:
        fail(f"{error} Details: {_keep_traceback()}", code=error.exit_code)
    except InsituError as error:
        fail(str(error), code=error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    # The last line of defence: a traceback on a screen helps no user.
    except Exception as error:  # noqa: BLE001
        fail(
            f"This is a defect of Insitu ({type(error).__name__}: {error}). Details: {_keep_traceback()}",
            code=70,
        )


def _keep_traceback() -> str:
    """Write the traceback to a new file in the data directory's logs, else in the temporary folder; nobody
    else can have created it. Returns its place.
    """
    if os.environ.get("INSITU_LOG_LEVEL") == "debug":
        traceback.print_exc()
    logs = Path(os.environ.get("INSITU_DATA_DIR") or default_data_dir()) / "logs"
    for folder in (logs, Path(tempfile.gettempdir())):
        try:
            descriptor, name = tempfile.mkstemp(prefix=_DEFECT, suffix=".txt", dir=folder)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(traceback.format_exc())
            if folder == logs:
                _forget_old(logs)
        except OSError as error:
            problem = error.strerror
        else:
            return name
    return f"could not be written ({problem}); set INSITU_LOG_LEVEL=debug to see them"


def _forget_old(logs: Path) -> None:
    """A part that restarts again and again must not fill the disk with its tracebacks."""
    files = sorted(logs.glob(f"{_DEFECT}*.txt"), key=lambda path: path.lstat().st_mtime)
    for path in files[:-_MOST_DEFECTS]:
        path.unlink(missing_ok=True)
