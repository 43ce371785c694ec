"""Facts of a package that cannot be true together, no matter who signed them.

Nobody can see from outside whether a fact is true. But a package states many, and Insitu's database keeps
them from contradicting each other; a hand that changes one of them often forgets another.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from insitu.model import WindowKind
from insitu.times import to_datetime, to_rfc3339, to_us
from trials.package.reading import Package
from trials.package.tables import FORMAT_1
from trials.series.inputs import Placement, StreamInput, TrialInputs

MOST_LINES: Final = 20
_SLACK: Final = timedelta(minutes=5)
"""Two machines of an installation may differ by this much in their clocks."""
_PARTIES: Final = frozenset(["company", "evaluator", "host"])
_WINDOW_KINDS: Final = frozenset(map(str, WindowKind))
_TARGET_KINDS: Final = frozenset(["trial", "site", "device"])


def contradictions(package: Package) -> list[str]:
    """Sentences, each about one pair of facts; at most `MOST_LINES` and how many more there are."""
    inputs = package.inputs
    found = [
        *_after_the_evaluation(inputs),
        *_backwards(inputs),
        *_of_windows(inputs),
        *_of_versions(inputs, package.form),
        *_of_unblindings(inputs),
        *_of_devices(inputs),
        *_of_properties(inputs),
    ]
    for stream in inputs.streams:
        found += _of_stream(package, stream)
    if len(found) > MOST_LINES:
        found = [*found[:MOST_LINES], f"… and {len(found) - MOST_LINES} more"]
    return found


def _after_the_evaluation(inputs: TrialInputs) -> Iterator[str]:
    for what, at in _acts(inputs):
        if at > inputs.now + _SLACK:
            yield (
                f"catalogue.json: {what} at {to_rfc3339(at)}, after the evaluation, which was made at "
                f"{to_rfc3339(inputs.now)}"
            )
    for before, after in itertools.pairwise(inputs.earlier):
        if before.at > after.at:
            yield f"catalogue.json: the earlier evaluation of {to_rfc3339(after.at)} is not in order of time"


def _acts(inputs: TrialInputs) -> Iterator[tuple[str, datetime]]:
    """(what was done, when) of each act that the evaluation knew."""
    if inputs.locked_at is not None:
        yield "protocol.json was locked", inputs.locked_at
    for version in inputs.versions:
        yield f"version {version.version} was locked", version.locked_at
    for window in inputs.windows:
        yield (
            f"the window of {window.target} from {to_rfc3339(window.start)} was declared",
            window.declared_at,
        )
        if window.ended_at is not None:
            yield f"the window of {window.target} from {to_rfc3339(window.start)} was ended", window.ended_at
    for one in inputs.unblinded:
        yield f"{one.endpoint} was unblinded", one.at
    for earlier in inputs.earlier:
        yield "an earlier evaluation was made", earlier.at
    yield from _acts_on_results(inputs)
    for gap in inputs.gaps:
        yield f"a gap of {gap.device} ended", gap.end


def _acts_on_results(inputs: TrialInputs) -> Iterator[tuple[str, datetime]]:
    for withdrawal in inputs.withdrawals:
        yield f"import {withdrawal.import_id} was made", withdrawal.imported_at
        yield f"import {withdrawal.import_id} was withdrawn", withdrawal.withdrawn_at
    for erasure in inputs.erasures:
        yield f"erasure {erasure.erasure_id} was made", erasure.erased_at
    for correction in inputs.corrections:
        yield f"{correction.datastream} was corrected by {correction.file}", correction.corrected_at


def _backwards(inputs: TrialInputs) -> Iterator[str]:
    for what, start, end in _spans(inputs):
        if start is not None and end is not None and end < start:
            yield f"catalogue.json: {what} ends at {to_rfc3339(end)}, before it begins at {to_rfc3339(start)}"


def _spans(inputs: TrialInputs) -> Iterator[tuple[str, datetime | None, datetime | None]]:
    for window in inputs.windows:
        yield f"a window of {window.target}", window.start, window.end
    for gap in inputs.gaps:
        yield f"a gap of {gap.device}", gap.start, gap.end
    for sensor in inputs.sensors:
        yield f"a sensor of {sensor.device}", sensor.start, sensor.end
    for withdrawal in inputs.withdrawals:
        yield f"import {withdrawal.import_id}", withdrawal.first, withdrawal.last
        yield f"the use of import {withdrawal.import_id}", withdrawal.imported_at, withdrawal.withdrawn_at
    for erasure in inputs.erasures:
        yield f"the span of erasure {erasure.erasure_id}", erasure.start, erasure.end
    for correction in inputs.corrections:
        yield f"a correction of {correction.datastream}", correction.first, correction.last
    for stream in inputs.streams:
        for place in stream.placements:
            yield f"a deployment of {stream.key()}", place.start, place.end


def _of_windows(inputs: TrialInputs) -> Iterator[str]:
    for window in inputs.windows:
        if window.kind not in _WINDOW_KINDS or window.target_kind not in _TARGET_KINDS:
            yield f"catalogue.json: there are no windows of the kind {window.kind} of a {window.target_kind}"
        if window.ended_at is not None and window.ended_at != window.end:
            until = "no end" if window.end is None else to_rfc3339(window.end)
            yield (
                f"catalogue.json: a window of {window.target} was ended at {to_rfc3339(window.ended_at)}, "
                f"and states {until}"
            )


def _of_versions(inputs: TrialInputs, form: int) -> Iterator[str]:
    if form != FORMAT_1 and inputs.locked_at is not None and not inputs.versions:
        yield "catalogue.json: protocol.json was locked, and no version of it is listed"
    for one in inputs.versions:
        document: dict[str, Any] = json.loads(one.document)
        said = document.get("version", 1)
        if said != one.version:
            yield f"catalogue.json: version {one.version} says that it is version {said}"
        if document.get("trial") != inputs.protocol.trial:
            yield f"catalogue.json: version {one.version} is of another trial, {document.get('trial')}"


def _of_unblindings(inputs: TrialInputs) -> Iterator[str]:
    known = {endpoint.name for endpoint in inputs.protocol.endpoints}
    for version in inputs.versions:
        known |= {one.get("name") for one in json.loads(version.document)["endpoints"]}
    seen: set[str] = set()
    for one in inputs.unblinded:
        if one.endpoint not in known:
            yield f"catalogue.json: {one.endpoint} was unblinded, and no version has such an endpoint"
        if one.endpoint in seen:
            yield f"catalogue.json: {one.endpoint} was unblinded twice"
        seen.add(one.endpoint)


def _of_devices(inputs: TrialInputs) -> Iterator[str]:
    """Devices at two places at once, or at a site that is not there; and facts about others."""
    places: dict[str, set[Placement]] = {}
    for stream in inputs.streams:
        places.setdefault(stream.device, set()).update(stream.placements)
    for device, found in sorted(places.items()):
        for place in found:
            if place.site not in inputs.sites:
                yield f"catalogue.json: {device} stands at {place.site}, which is not among the sites"
        for one, after in itertools.pairwise(sorted(found, key=lambda place: place.start)):
            if one.end is None or one.end > after.start:
                yield f"catalogue.json: {device} stands at two places from {to_rfc3339(after.start)} on"
    for what, device in [("gap", g.device) for g in inputs.gaps] + [
        ("sensor", s.device) for s in inputs.sensors
    ]:
        if device not in places:
            yield f"catalogue.json: a {what} is of {device}, which has no datastream"


def _of_properties(inputs: TrialInputs) -> Iterator[str]:
    """An installation stores each property in one unit and averages it in one way; each trial has three
    parties.
    """
    known: dict[str, tuple[str, str]] = {}
    for stream in inputs.streams:
        found = (stream.unit, stream.averaging_scale)
        first = known.setdefault(stream.property, found)
        if first != found:
            yield (
                f"catalogue.json: {stream.key()} has {stream.property} in {found[0]} ({found[1]}), others in "
                f"{first[0]} ({first[1]})"
            )
    if set(inputs.organisations) != _PARTIES:
        yield f"catalogue.json: the organisations are not {', '.join(sorted(_PARTIES))}"


def _of_stream(package: Package, stream: StreamInput) -> Iterator[str]:
    key, rows = stream.key(), len(stream.time_us)
    if stream.late + stream.from_file > rows:
        yield (
            f"catalogue.json: of {key} {stream.late} results came late and {stream.from_file} from a file, "
            f"and observations.csv has {rows}"
        )
    if package.form == FORMAT_1:
        return
    receipts = package.receipts.get(key, {})
    last = to_us(package.inputs.now + _SLACK)
    for time in stream.time_us[stream.time_us > last].tolist():
        if time not in receipts:
            yield f"observations.csv: {key} at {to_rfc3339(to_datetime(time))} came after the evaluation"
    for time, receipt in receipts.items():
        if receipt > last:
            yield f"receipts.csv: {key} at {to_rfc3339(to_datetime(time))} came after the evaluation"
