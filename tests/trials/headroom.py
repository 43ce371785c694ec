"""How much room is left below a limit: a whole design in one file, as docs/recipes/design.md describes.
`test_new_design` registers it for the duration of a test.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from insitu.model import PeriodName
from trials.designs.design import REPORTING, Design, Statistic, named
from trials.designs.other_choices import BLOCK_LENGTH, of_mean
from trials.designs.question import Answer, Known, Question, line
from trials.sentences import finding
from trials.statement import Kind, Sentence
from trials.statistics.intervals import MIN_DAYS, neighbour_spread, varies

NO_LIMIT = Sentence("no_limit", "blocking", "No limit is stated: there is no room to measure.")
NO_LIMIT_SO_FAR = Sentence("no_limit", "note", "Nothing can be foretold without a limit.", Kind.NOTE)
LITTLE_ROOM = Sentence("little_room", "warning", "On {days} days the level lies above the limit of {limit}.")


def answer(question: Question) -> Answer:
    """Mean of limit − day value over the reporting period."""
    limit = question.endpoint.parameters.get("limit")
    if not isinstance(limit, float | int):
        return Answer(findings=[NO_LIMIT.state()])
    arm = question.endpoint.arms["candidate"]
    days, values = question.days_of(question.arm("candidate", PeriodName.REPORTING))
    result = Answer(lines=[line("room", arm, days, limit - values)])
    kept = np.isfinite(values)
    days, room = days[kept], limit - values[kept]
    if len(room) < MIN_DAYS:
        result.findings.append(finding("too_few_days", days=len(room), period="reporting", needed=MIN_DAYS))
    elif not varies(room):
        result.findings.append(finding("constant_series", arm=arm))
    else:
        result.statistics.append(_room(days, room, question.endpoint.unit))
        of_mean(question, result, "room", room)
    if above := int((room < 0).sum()):
        result.findings.append(LITTLE_ROOM.state(days=above, limit=float(limit)))
    return result


def _room(days: NDArray[np.int64], room: NDArray[np.float64], endpoint_unit: str) -> Known:
    found = neighbour_spread(days, room)
    return Known(
        "room",
        found.mean,
        found.interval,
        DESIGN.unit_of("room", endpoint_unit),
        "day_mean",
        found.n,
        found.n_effective,
        early=found.always_valid,
        basis=found,
    )


DESIGN = Design(
    "headroom",
    title="Room below a limit",
    method="Headroom: mean of limit − day value, with the interval of a mean of day values.",
    arms=("candidate",),
    periods=REPORTING,
    statistics=named(Statistic("room", "room below the limit")),
    function=answer,
    sentences=(NO_LIMIT, NO_LIMIT_SO_FAR, LITTLE_ROOM),
    other_choices=BLOCK_LENGTH,
    lines={"room": "room of the day"},
)
