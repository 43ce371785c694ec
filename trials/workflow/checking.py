"""Runs the planned quality checks over stored observations. The caller owns the transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from insitu.times import to_datetime
from store import quality as store_quality
from store import trials as store_trials
from store.catalogue.datastreams import TrialDatastream, list_datastreams
from store.catalogue.trials import list_trials
from store.database import Connection
from store.observations import Series, series
from trials import quality
from trials.plan.protocol import Protocol
from trials.plan.reading import digest, read_protocol


def check_quality(conn: Connection, trial: str, *, now: datetime, everything: bool = False) -> int:
    """Runs the planned checks over observations that were not checked yet; and over all observations of a
    datastream whose plan was amended, or of every one with `everything`.

    Returns how many observations were judged.
    """
    stored = store_trials.locked_protocol(conn, trial)
    if stored is None:
        return 0
    store_quality.take_turn(conn, trial)
    protocol = read_protocol(stored.document)
    streams = {s.datastream_id: s for s in list_datastreams(conn, trial)}
    waiting = {u.datastream_id: u.unchecked_from for u in store_quality.unchecked(conn, trial)}
    runs = store_quality.quality_runs(conn, list(streams))
    far_past, far_future = datetime(1971, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
    judged = 0
    for number, stream in streams.items():
        planned = quality.plan(planned_checks(protocol, stream))
        anew = everything or _planned_otherwise(runs.get(number), planned)
        if not anew and number not in waiting:
            continue
        # A new row may change the flags of rows up to `margin` before it, and those depend on rows up to
        # `margin` before them: the second stretch is read as context, and its own flags, judged without what
        # came before, are not saved.
        margin = timedelta(microseconds=quality.margin_us(planned))
        save_from = far_past if anew else waiting[number] - margin
        found = series(conn, [number], far_past if anew else save_from - margin, far_future)[number]
        judged += _check(conn, number, planned, found, save_from, now)
    return judged


def planned_checks(
    protocol: Protocol, stream: TrialDatastream
) -> list[tuple[str, dict[str, float | int | str | bool]]]:
    """The checks planned for the arm of the device, or of the device that it replaced."""
    return list(
        protocol.planned_checks(stream.property, stream.device, [p.site for p in stream.deployments]).items()
    )


def _planned_otherwise(run: store_quality.QualityRun | None, planned: Sequence[quality.Planned]) -> bool:
    """Whether an amendment changed the checks after they last ran."""
    return run is not None and run.parameters != quality.parameters_text(planned)


def _check(
    conn: Connection,
    number: int,
    planned: Sequence[quality.Planned],
    found: Series,
    save_from: datetime,
    now: datetime,
) -> int:
    """Judges the observations and saves the flags of those at or after `save_from`; returns their number."""
    result = quality.run(planned, found.time_us, found.result, found.received_us)
    saved = found.time_us >= int(save_from.timestamp() * 1e6)
    by_check = {}
    for name, flags in result.by_check.items():
        failed = (flags != 1) & saved
        by_check[name] = (found.time_us[failed], flags[failed])
    newest = int(found.received_us.max()) if len(found.received_us) else 0
    store_quality.save_flags(
        conn,
        datastream_id=number,
        times_us=found.time_us[saved],
        flags=result.flags[saved],
        by_check=by_check,
        checks=result.planned,
        ran=result.ran,
        parameters=quality.parameters_text(planned),
        sha256=digest({"parameters": quality.parameters_text(planned)}),
        now=now,
        received_before=to_datetime(newest),
    )
    return int(saved.sum())


def locked_trials(conn: Connection) -> list[str]:
    """Trials with a locked protocol; their observations are checked."""
    return [t.code for t in list_trials(conn) if store_trials.locked_protocol(conn, t.code) is not None]
