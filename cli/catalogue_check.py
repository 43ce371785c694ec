"""The line of `insitu check` about the catalogue: stored words that nothing can be done with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from insitu.errors import CorrectInput
from insitu.language import LANGUAGES
from insitu.units import require_unit
from insitu.zones import find_zone
from store.catalogue.properties import list_properties
from store.catalogue.trials import list_trials

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.database import Connection


def find_wrong_rows(conn: Connection) -> list[str]:
    """A sentence for each row whose time zone, unit or title is none; pages show such a row with its
    problem.
    """
    return [*_trials(conn), *_properties(conn)]


def _trials(conn: Connection) -> Iterator[str]:
    for trial in list_trials(conn):
        if find_zone(trial.time_zone) is None:
            yield f"trial {trial.code}: {trial.time_zone!r} is not a time zone, its times are shown in UTC"
        if not _is_text(trial.title):
            yield f"trial {trial.code}: its title has no text"


def _properties(conn: Connection) -> Iterator[str]:
    for known in list_properties(conn):
        try:
            require_unit(known.unit)
        except CorrectInput as error:
            yield f"property {known.code}: {error}"
        if not _is_text(known.name):
            yield f"property {known.code}: its name has no text"


def _is_text(texts: object) -> bool:
    return isinstance(texts, dict) and any(isinstance(texts.get(one), str) for one in LANGUAGES)
