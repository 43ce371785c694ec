"""Columns beside the results, used for nothing, that may say whose results these are, whether they are valid,
or how they were averaged: several values in one of them stop the import.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final

from ingest.decode.judgement import BAD, plain_word
from ingest.files.rows import Row
from insitu.errors import CorrectInput

_IDENTITY_WORDS: Final = (
    "station stationcode stationscode site poste standort messstelle location sensor device deveui devaddr "
    "node serial logger entity mac appareil capteur gerät pod instrument unit_id prm pdl numer_sta num_poste "
    "series parameter paramètre variable metric property pollutant airpollutant polluant component "
    "komponente schadstoff messgröße grandeur measurement field channel tag topic sn lieu ort messort "
    "messpunkt "
    "place room raum salle pièce floor étage stockwerk probe sonde replicate meter compteur zähler"
)
_IDENTITIES: Final = frozenset(_IDENTITY_WORDS.split())
"""Words in the name of a column that says where, by what or what was measured."""
_HEIGHTS: Final = frozenset(["height", "depth", "hauteur", "profondeur", "höhe", "tiefe"])
_METRES: Final = frozenset(("m", "cm", "mm"))
_AVERAGES: Final = frozenset({"statistic", "statistics", "statistique", "aggregation", "averaging", "period"})
_BESIDE_AVERAGES: Final = frozenset({"time", "type", "interval"})
_MORE_WORDS: Final = "id code name nom num numer sta no number nummer index address eui numéro key"
_BESIDE_IDENTITIES: Final = frozenset(_MORE_WORDS.split())
_VALIDITY_WORDS: Final = (
    "status statut flag flags flagged qc quality qualité qualite validity validité validite valid valide "
    "validation verification gültig gültigkeit qcflag qaqc dataquality qualityflag qualitycode mode modus "
    "betriebsart"
)
_VALIDITIES: Final = frozenset(_VALIDITY_WORDS.split())
"""Words in the name of a column that says which results are valid."""
_OTHER_WORDS: Final = "air water aqi iaq index signal link battery wifi gps fix network door motion host"
_NO_VALIDITIES: Final = frozenset(_OTHER_WORDS.split())
"""Words that make it something else: `air quality`, `battery status`."""
_SEASONS: Final = frozenset({"dst", "is dst", "isdst", "summer time", "daylight saving", "heure d été"})
_WORD: Final = re.compile(r"[^\W_]+")
_FRACTIONAL: Final = re.compile(r"[+-]?\d+[.,]\d+")
_NUMBERED: Final = re.compile(r"[ ._]?\(?\d\)?$")
_MOST_VALUES: Final = 12
"""A column with more values is a measurement or a text, no mark of validity."""
_NONE: Final = ""
_LIMITS: Final = frozenset(("<", ">", "≤", "≥"))
"""Beside a result that is a limit of detection, and no measurement."""


@dataclass(slots=True)
class _Column:
    index: int
    name: str
    kind: str
    texts: Counter[str] = field(default_factory=Counter)
    bad: str = ""
    """A word that calls results bad."""

    def add(self, cell: object) -> None:
        text = "" if cell is None else str(cell).strip()
        if text in _LIMITS or (text[:1].isalpha() and not self.bad and _calls_bad(text)):
            self.bad = text
            self.texts[text] += 1
            return
        is_new = text not in self.texts and len(self.texts) > _MOST_VALUES
        if not is_new and not _FRACTIONAL.fullmatch(text):
            self.texts[text] += 1

    @property
    def is_mixed(self) -> bool:
        if self.kind == "identity":
            return len([text for text in self.texts if text != _NONE]) > 1
        if self.kind == "other":
            return bool(self.bad) and len(self.texts) > 1
        has_words = self.kind == "validity" and any(text[:1].isalpha() for text in self.texts)
        return len(self.texts) > 1 and (has_words or len(self.texts) <= _MOST_VALUES)


class Beside:
    """`used`: indexes of the columns that the import reads. `answered`: names that the user says something
    about. `has_devices`: each row names its device, so several stations are no question.
    """

    def __init__(
        self, header: list[str], used: Collection[int], answered: Collection[str], *, has_devices: bool
    ) -> None:
        named = {name.casefold() for name in answered}
        self._columns = [
            _Column(index, name, kind)
            for index, name in enumerate(header)
            if (kind := _kind(name)) and name.casefold() not in named and index not in used
            if kind != "identity" or not has_devices
        ]
        self.indexes = {column.index for column in self._columns}

    def add(self, row: Row) -> None:
        for column in self._columns:
            cell = row.cells[column.index]
            if column.kind != "other" or not column.texts or _is_word(cell):
                column.add(cell)

    def require_one_value(self, path: Path) -> None:
        """Raises CorrectInput for the first column with several values."""
        for column in self._columns:
            if column.is_mixed:
                raise CorrectInput(f"{path}: {_question(column)}")


class OtherTimes:
    """Columns named like that of the time, as in two tables side by side: results beside another time are not
    of the first one.
    """

    def __init__(
        self, header: Sequence[str], times: Sequence[int], used: Collection[int], answered: Collection[str]
    ) -> None:
        said = {name.casefold() for name in answered}
        names = [_NUMBERED.sub("", name.casefold()) for name in header]
        self._names = [_numbered(header, index) for index in range(len(header))]
        self._pairs = [
            (first, index)
            for index, name in enumerate(self._names)
            for first in times
            if index not in used and name.casefold() not in said and names[index] == names[first]
        ]

    def require_same(self, path: Path, row: Row) -> None:
        for first, other in self._pairs:
            one, two, name = row.cells[first], row.cells[other], self._names[other]
            if two not in (None, "") and str(one).strip() != str(two).strip():
                raise CorrectInput(
                    f"{path}, row {row.number}: the time is {_shown(one)} in {self._names[first]!r} and "
                    f"{_shown(two)} in {name!r}, so the table may be two, side by side. Import each by "
                    "itself: --time-column with its time, and --map 'COLUMN=' for the results and the time "
                    f"of the other; or say only --map '{name}=' if every result is of the first time."
                )


def _numbered(header: Sequence[str], index: int) -> str:
    """As the user names it: NAME#2 is the second of that name."""
    name = header[index].casefold()
    same = [at for at, one in enumerate(header) if one.casefold() == name]
    return f"{header[index]}#{same.index(index) + 1}" if len(same) > 1 else header[index]


def _shown(cell: object) -> str:
    return repr(str(cell).strip()[:40])


def _kind(name: str) -> str:
    """`identity`, `height`, `validity`, `season`, or `other`, where only a word such as `invalid` says
    anything; '' for columns such as `battery status`.
    """
    words = {*_WORD.findall(name.casefold())}
    if " ".join(_WORD.findall(name.casefold())) in _SEASONS:
        return "season"
    if words & _VALIDITIES and not words & _NO_VALIDITIES:
        return "validity"
    if words & _HEIGHTS and words <= _HEIGHTS | _METRES:
        return "height"
    if words & _AVERAGES and words <= _AVERAGES | _BESIDE_AVERAGES:
        return "identity"
    is_identity = _IDENTITIES & {*words, name.casefold()} and words <= _IDENTITIES | _BESIDE_IDENTITIES
    return "identity" if is_identity else "other" if not words & _NO_VALIDITIES else ""


def _is_word(cell: object) -> bool:
    """True for a cell that may call a result bad; most cells are numbers, and one number stands for all."""
    return isinstance(cell, str) and (cell[:1].isalpha() or cell in _LIMITS)


def names_place(name: str) -> bool:
    """True for a column that says where, by what or what was measured."""
    return _kind(name) == "identity"


@lru_cache(maxsize=4096)
def _calls_bad(text: str) -> bool:
    return plain_word(text) in BAD


def _question(column: _Column) -> str:
    name, texts = column.name, column.texts
    first = [column.bad] if column.bad else []
    shown = ", ".join([*first, *sorted(text for text in texts if text and text != column.bad)][:4]) + (
        " and none" if texts[_NONE] else ""
    )
    said = f"the column {name!r} has several values: {shown}."
    if column.kind == "season":
        return (
            f"{said} It says when summer time was in force. Say --map '{name}=' if --zone is a zone that "
            f"follows summer time, such as Europe/Paris. For a fixed offset import each part: --where "
            f"'{name}=VALUE' with its --zone."
        )
    if column.kind in ("validity", "other"):
        most = next(text for text, _ in texts.most_common() if not column.bad or text != column.bad)
        return (
            f"{said} They may say which results are valid. Say --where '{name}={most}' for the rows with one "
            f"of them (and run it again for another), or --map '{name}=' if every result counts."
        )
    one = min(text for text in texts if text)
    return (
        f"{said} Say --where '{name}={one}' for one of them, --device-column '{name}' if it names devices, "
        f"or --map '{name}=' if it does not matter."
    )
