"""A form that was refused: the sentence, the status, and, where somebody else changed the same thing
meanwhile, both versions side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from api.lanes import DrawnLater
from insitu.errors import ChangedMeanwhile, CorrectInput
from store.database import Connection

FORM_FIELDS: Final = {
    "name": "Name",
    "name_en": "Name (English)",
    "name_fr": "Name (French)",
    "title_en": "Title (English)",
    "title_fr": "Title (French)",
    "description_en": "Description (English)",
    "description_fr": "Description (French)",
    "kind": "Kind",
    "latitude": "Latitude (degrees)",
    "longitude": "Longitude (degrees)",
    "evaluator": "Evaluator",
    "need": "Need",
    "time_zone": "Time zone",
    "ends_at": "End",
    "start": "Start",
    "end": "End",
    "reason": "Reason",
    "rank": "Order, lower floors first",
}
"""Field of a form → its word."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """`words`: for the reader. `status`: 412 where somebody else changed the same thing meanwhile."""

    words: str
    status: int = 400

    @property
    def is_stale(self) -> bool:
        return self.status == 412


@dataclass(frozen=True, slots=True)
class Both:
    """A field with two texts: `stored` by somebody else, and `typed` in the form."""

    label: str
    stored: str
    typed: str


def problem_of(conn: Connection, act: Callable[[], object]) -> Wrong | None:
    """Does the act, all of it or nothing. Returns what is wrong with a field, None if nothing is; raises
    errors that another entry would not mend.
    """
    try:
        with conn.transaction():
            act()
    except CorrectInput as error:
        return wrong_of(error)
    return None


def wrong_of(error: CorrectInput | DrawnLater) -> Wrong:
    if isinstance(error, DrawnLater):
        return Wrong(str(error), 503)
    return Wrong(str(error), 412 if isinstance(error, ChangedMeanwhile) else 400)


def compare_fields(wrong: Wrong | None, stored: Mapping[str, str], typed: Mapping[str, Any]) -> list[Both]:
    """The fields that differ; none unless the form was stale."""
    if wrong is None or not wrong.is_stale:
        return []
    return [
        Both(FORM_FIELDS[name], text, str(typed[name]))
        for name, text in stored.items()
        if name in typed and str(typed[name]).strip() != text
    ]
