"""The rooms have common names, and other distributions also have a `store` or `trials`. Refuses foreign ones
by name.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import insitu
from insitu.errors import CorrectInput

ROOMS = ("store", "ingest", "trials", "api", "jobs", "simulators", "proving", "cli")


def refuse_foreign_rooms() -> None:
    """Raises CorrectInput if a room would be loaded from another place than `insitu`."""
    if (
        insitu.__file__ is None
    ):  # a folder of that name without code, earlier on the path than the installation
        raise CorrectInput(
            f"Python takes {next(iter(insitu.__path__))} for the package 'insitu', since it looks for "
            "packages in the working directory. "
            "Run the command `insitu` instead of `python -m cli`, or go to another folder."
        )
    home = Path(insitu.__file__).resolve().parent.parent
    for room in ROOMS:
        spec = importlib.util.find_spec(room)
        origin = Path(spec.origin).resolve() if spec and spec.origin else None
        if origin is None or origin.parent.parent != home:
            raise CorrectInput(
                f"The package {room!r} would be loaded from {origin or 'nowhere'}, not from {home}: "
                "another distribution has the same name. Install insitu in an environment of its own."
            )
