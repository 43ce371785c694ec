"""Results that were replaced when the protocol was locked, or when results had been seen. Rules 6. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from insitu.model import PeriodName
from trials.judge.versions import parsed
from trials.series.inputs import TrialInputs
from trials.statement import Evidence, Kind, Sentence, Statement

AFTER_LOCK: Final = Sentence(
    "corrected_after_lock",
    "warning",
    "{corrected} results of {datastream} were replaced on {corrected_at} ({file}: “{reason}”), after the "
    "protocol had been locked. They changed by {moved} on average.",
    Kind.DEVIATION,
)
AFTER_RESULT: Final = Sentence(
    "corrected_after_result",
    "warning",
    "{corrected} results of {datastream} were replaced on {corrected_at} ({file}: “{reason}”), after results "
    "had been seen on {seen_at}. They changed by {moved} on average.",
    Kind.DEVIATION,
)
SENTENCES: Final = (AFTER_LOCK, AFTER_RESULT)


def corrected_afterwards(inputs: TrialInputs) -> Iterator[Statement]:
    """One for each datastream and file, of results that were measured in a period of the plan."""
    if not inputs.rules.tell_corrected:
        return
    first = inputs.versions[0] if inputs.versions else None
    locked_at = first.locked_at if first else inputs.locked_at
    plan = parsed(first) if first else inputs.protocol
    reporting = plan.period(PeriodName.REPORTING)
    seen = [one.at for one in inputs.earlier if not one.blinded and reporting and one.at >= reporting.start]
    seen += [one.at for one in inputs.unblinded if reporting and one.at >= reporting.start]
    for one in inputs.corrections:
        if all(one.last < period.start or one.first >= period.end for period in inputs.protocol.periods):
            continue
        told: Evidence = {
            "corrected": one.results,
            "datastream": one.datastream,
            "corrected_at": one.corrected_at.isoformat(timespec="minutes"),
            "file": one.file,
            "reason": one.reason,
            "moved": one.moved,
        }
        if seen and min(seen) <= one.corrected_at:
            yield AFTER_RESULT.state(**told, seen_at=min(seen).isoformat(timespec="minutes"))
        elif locked_at is not None and locked_at <= one.corrected_at:
            yield AFTER_LOCK.state(**told)
