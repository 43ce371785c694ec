"""The sentences that stand beside a verdict, in both languages. The document of an evaluation holds them as
they are, so that every surface says the same.

They name days in words of their own: a library of formats may write a date differently in another version,
and an evaluation must have the same bytes everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from trials.evaluation import Afterwards
from trials.plan.parts import Period
from trials.plan.values import Text
from trials.statement import Evidence

NEVER_LOCKED: Final = "never_locked"
WINDOW_ENDED, WINDOW_ENDED_LATER = "window_ended_seen", "window_ended_later"
_ENGLISH_MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_FRENCH_MONTHS: Final = (
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
)
_STAGES: Final = {
    "begun": (
        "after the reporting period had begun on {begun_at}",
        "après le début de la période d’évaluation, le {begun_at}",
    ),
    "ended": (
        "after the reporting period had ended on {ended_at}",
        "après la fin de la période d’évaluation, le {ended_at}",
    ),
    "seen": (
        "after results had been seen on {seen_at}",
        "alors que des résultats avaient été vus le {seen_at}",
    ),
}
_HOW: Final = {
    "easier": (
        "its criteria are easier to meet than those of version {before}",
        "ses critères sont plus faciles à atteindre que ceux de la version {before}",
    ),
    "changed": (
        "it differs from version {before} in ways that may make its criteria easier to meet",
        "elle diffère de la version {before} d’une façon qui peut rendre ses critères plus faciles à "
        "atteindre",
    ),
    "others": (
        "the primary endpoints are no easier to meet than in version {before}, but others may be",
        "les critères principaux ne sont pas plus faciles à atteindre que dans la version {before}, mais "
        "d’autres peuvent l’être",
    ),
    "stricter": (
        "its criteria are harder to meet than those of version {before}",
        "ses critères sont plus difficiles à atteindre que ceux de la version {before}",
    ),
    "same": (
        "its criteria are those of version {before}",
        "ses critères sont ceux de la version {before}",
    ),
}
_OF_VERSIONS: Final = {
    NEVER_LOCKED: (
        "The protocol was never locked: nothing shows that its criteria are older than the results.",
        "Le protocole n’a jamais été verrouillé : rien ne montre que ses critères précèdent les résultats.",
    ),
    "locked_begun": (
        f"The protocol was locked on {{locked_at}}, {_STAGES['begun'][0]}: part of the results existed "
        "before the criteria.",
        f"Le protocole a été verrouillé le {{locked_at}}, {_STAGES['begun'][1]} : une partie des résultats "
        "existait avant les critères.",
    ),
    "locked_ended": (
        f"The protocol was locked on {{locked_at}}, {_STAGES['ended'][0]}: all results existed before the "
        "criteria.",
        f"Le protocole a été verrouillé le {{locked_at}}, {_STAGES['ended'][1]} : tous les résultats "
        "existaient avant les critères.",
    ),
} | {
    f"{how}_{stage}": (
        f"Version {{version}} of the protocol was locked on {{locked_at}}, {when[0]}; {what[0]}.",
        f"La version {{version}} du protocole a été verrouillée le {{locked_at}}, {when[1]} ; {what[1]}.",
    )
    for stage, when in _STAGES.items()
    for how, what in _HOW.items()
}
_OF_WINDOWS: Final = {
    code: (
        "The window of {target} that began on {start_at} was ended on {ended_at}, "
        f"{_STAGES['seen'][0]}: {english}.",
        "La fenêtre de {target} qui a commencé le {start_at} a été close le {ended_at}, "
        f"{_STAGES['seen'][1]} : {french}.",
    )
    for code, english, french in (
        (
            WINDOW_ENDED,
            "which missing intervals it excuses was decided with them in sight",
            "les intervalles manquants qu’elle excuse ont été choisis en les connaissant",
        ),
        (
            WINDOW_ENDED_LATER,
            "the reporting period was over, and nothing counts otherwise because of it",
            "la période d’évaluation était finie, et rien ne compte autrement pour autant",
        ),
    )
}
SENTENCES: Final = _OF_VERSIONS | _OF_WINDOWS
"""Code → (English, French)."""


def locked_late(locked_at: datetime, reporting: Period, zone: str) -> Afterwards:
    """The first version came when the reporting period had begun, or ended."""
    if locked_at >= reporting.end:
        return written("locked_ended", {}, zone, locked_at=locked_at, ended_at=reporting.end)
    return written("locked_begun", {}, zone, locked_at=locked_at, begun_at=reporting.start)


def amended(
    stage: str, how: str, *, version: int, before: int, locked_at: datetime, at: datetime, zone: str
) -> Afterwards:
    """`at`: the moment of `stage`. `how`: an ease, or `others`."""
    numbers: Evidence = {"version": version, "before": before}
    return written(f"{how}_{stage}", numbers, zone, locked_at=locked_at, **{f"{stage}_at": at})


def window_ended(
    code: str, target: str, *, start: datetime, ended: datetime, seen: datetime, zone: str
) -> Afterwards:
    """`code`: one of the two for windows."""
    return written(code, {"target": target}, zone, start_at=start, ended_at=ended, seen_at=seen)


def written(code: str, evidence: Evidence, zone: str, **moments: datetime) -> Afterwards:
    """The sentence of a code with its numbers and local dates."""
    english, french = SENTENCES[code]
    stated = evidence | {name: when.isoformat(timespec="minutes") for name, when in moments.items()}
    local = {name: when.astimezone(ZoneInfo(zone)) for name, when in moments.items()}
    with_time = _same_day(local.values())
    text = Text(
        en=english.format(**evidence | {n: english_day(when, with_time) for n, when in local.items()}),
        fr=french.format(**evidence | {n: french_day(when, with_time) for n, when in local.items()}),
    )
    return Afterwards(code=code, evidence=stated, text=text)


def _same_day(moments: Iterable[datetime]) -> bool:
    """Whether only the time of day tells them apart."""
    days = [when.date() for when in moments]
    return len(set(days)) < len(days)


def english_day(when: datetime, with_time: bool = False) -> str:
    """As 9 May 2026, or 9 May 2026 at 10:05."""
    day = f"{when.day} {_ENGLISH_MONTHS[when.month - 1]} {when.year}"
    return f"{day} at {when:%H:%M}" if with_time else day


def french_day(when: datetime, with_time: bool = False) -> str:
    """As 9 mai 2026, or 9 mai 2026 à 10 h 05; the first of a month is le 1er."""
    day = f"{'1er' if when.day == 1 else when.day} {_FRENCH_MONTHS[when.month - 1]} {when.year}"
    return f"{day} à {when.hour} h {when:%M}" if with_time else day
