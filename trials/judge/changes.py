"""Compares an evaluation with the previous one: what differs, and why. Pure: reads two documents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from insitu.model import Verdict
from trials.evaluation import (
    Change,
    CriterionResult,
    DatastreamSummary,
    Evaluation,
    WindowSummary,
)
from trials.sentences import cause
from trials.statement import Evidence, Statement


def changes(before: Evaluation, sha256: str, after: Evaluation) -> list[Change]:
    """Criteria whose estimate or verdict differs from before."""
    found = []
    earlier = {(e.name, *key): c for e in before.endpoints for key, c in _numbered(e.criteria)}
    qualified = {e.name: e.after_the_fact for e in before.endpoints}
    for endpoint in after.endpoints:
        for key, criterion in _numbered(endpoint.criteria):
            was = earlier.get((endpoint.name, *key))
            old = was.estimate.value if was and was.estimate else None
            new = float(f"{criterion.estimate.value:.9g}") if criterion.estimate else None
            verdict_before: Verdict | None = was.verdict if was else None
            if old != new or verdict_before != criterion.verdict:
                found.append(
                    Change(
                        previous_sha256=sha256,
                        endpoint=endpoint.name,
                        statistic=criterion.statistic,
                        before=old,
                        after=new,
                        verdict_before=verdict_before,
                        verdict_after=criterion.verdict,
                        after_the_fact_before=qualified.get(endpoint.name),
                        after_the_fact_after=endpoint.after_the_fact,
                    )
                )
    return found


def _numbered(found: Sequence[CriterionResult]) -> Iterator[tuple[tuple[str, int], CriterionResult]]:
    """Each criterion with its statistic and its number among the criteria of that statistic: there may be
    two.
    """
    seen: Counter[str] = Counter()
    for criterion in found:
        yield (criterion.statistic, seen[criterion.statistic]), criterion
        seen[criterion.statistic] += 1


# -- why


def causes(before: Evaluation, after: Evaluation) -> list[Statement]:
    """Differences between the inputs of the two: protocol, time, observations, windows, unblinding, versions
    of the rules and the code.
    """
    return [
        *_of_plan(before, after),
        *_of_datastreams(before, after),
        *_of_imports(before, after),
        *_of_windows(before, after),
        *_of_code(before, after),
    ]


def _minute(when: datetime) -> str:
    return when.isoformat(timespec="minutes")


def _of_plan(before: Evaluation, after: Evaluation) -> Iterator[Statement]:
    if before.protocol_sha256 != after.protocol_sha256:
        yield cause("protocol_version", before=before.protocol["version"], after=after.protocol["version"])
    if before.interim:
        yield cause("more_days", since_at=_minute(before.evaluated_at))
    known = {one.endpoint for one in before.unblinded or []}
    for one in after.unblinded or []:
        if one.endpoint not in known:
            yield cause("unblinded_since", endpoint=one.endpoint, unblinded_at=_minute(one.at))


def _of_datastreams(before: Evaluation, after: Evaluation) -> Iterator[Statement]:
    old, new = ({one.datastream: one for one in evaluation.datastreams} for evaluation in (before, after))
    ended = not before.interim and before.protocol_sha256 == after.protocol_sha256
    for key in sorted(old.keys() | new.keys()):
        if key not in old or key not in new:
            yield cause("datastream_added" if key in new else "datastream_removed", datastream=key)
            continue
        yield from _of_results(old[key], new[key])
        if before.rules == after.rules and old[key].stamp != new[key].stamp:
            yield cause("other_stamp", datastream=key, before=str(old[key].stamp), after=str(new[key].stamp))
        if ended and before.rules == after.rules and old[key].planned != new[key].planned:
            yield cause(
                "deployments_changed", datastream=key, before=old[key].planned, after=new[key].planned
            )


def _of_results(old: DatastreamSummary, new: DatastreamSummary) -> Iterator[Statement]:
    """More or fewer results, corrected results, other flags."""
    more = new.received - old.received
    if more > 0:
        late = max(0, new.late - old.late)
        yield cause("results_added", datastream=new.datastream, added=more, late=late)
    elif more < 0:
        yield cause("results_removed", datastream=new.datastream, removed=-more)
    elif new.sha256 != old.sha256:
        moved = [
            f"{name} {new.by_flag.get(name, 0) - old.by_flag.get(name, 0):+d}"
            for name in sorted(old.by_flag.keys() | new.by_flag.keys())
            if new.by_flag.get(name, 0) != old.by_flag.get(name, 0)
        ]
        if moved:
            yield cause("flags_changed", datastream=new.datastream, flags=moved)
        else:
            yield cause("results_corrected", datastream=new.datastream)


def _of_imports(before: Evaluation, after: Evaluation) -> Iterator[Statement]:
    known = {one.import_id for one in before.withdrawals or []}
    for one in after.withdrawals or []:
        if one.import_id not in known:
            yield cause(
                "import_withdrawn",
                number=one.import_id,
                file=one.file,
                withdrawn_at=_minute(one.withdrawn_at),
                withdrawn=one.results,
                datastream=one.datastream,
                reason=one.reason,
            )


def _of_windows(before: Evaluation, after: Evaluation) -> Iterator[Statement]:
    old, new = ({_key(one): one for one in evaluation.windows} for evaluation in (before, after))
    for key, window in new.items():
        about: Evidence = {"kind": window.kind, "target": window.target, "start_at": _minute(window.start)}
        about["end_at"] = _minute(window.end) if window.end else None
        if key not in old:
            yield cause("window_declared", **about, declared_at=_minute(window.declared_at))
        elif old[key].end != window.end:
            end = old[key].end
            yield cause("window_amended", **about, before_at=_minute(end) if end else None)
    for key, window in old.items():
        if key not in new:
            yield cause(
                "window_removed", kind=window.kind, target=window.target, start_at=_minute(window.start)
            )


def _key(window: WindowSummary) -> tuple[str, str, datetime]:
    return window.kind, window.target, window.start


def _of_code(before: Evaluation, after: Evaluation) -> Iterator[Statement]:
    if before.rules != after.rules:
        yield cause("other_rules", before=before.rules, after=after.rules)
    for name in sorted(before.code.keys() | after.code.keys()):
        then, now = before.code.get(name), after.code.get(name)
        if then != now:
            yield cause("other_code", name=name, before=then, after=now)
