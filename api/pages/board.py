"""Devices for pages: the findings of `trials.condition` in the reader's words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from api.conditions import conditions_of
from api.context import Context
from api.pages.words import CAUSES, STATES, WEAK_RADIO, WINDOWS
from api.rendering import Page
from insitu.model import DeviceCause, DeviceState
from store.access import Viewer
from store.database import Connection
from store.read.condition import DeviceContact
from store.read.fleet import FleetRow, list_devices
from trials.condition.causes import Cause
from trials.condition.gaps import DeviceGap
from trials.condition.groups import GroupShare
from trials.condition.state import CLOCK_IN_ORDER_S, Condition
from trials.workflow.condition import Judged

_FULL, _FAIR = 0.9, 0.75
_MOST_GAPS: Final = 40
WORST_FIRST: Final = (
    DeviceState.SILENT,
    DeviceState.DEGRADED,
    DeviceState.LATE,
    DeviceState.NEVER_SEEN,
    DeviceState.IN_WINDOW,
    DeviceState.ONLINE,
    DeviceState.RETIRED,
)
_RANK: Final = {state: rank for rank, state in enumerate(WORST_FIRST)}


@dataclass(frozen=True, slots=True)
class Bar:
    """Completeness of one local day; `share` is None if nothing was planned."""

    day: date
    share: float | None

    @property
    def level(self) -> str:
        """Style of the bar: full, fair, poor."""
        share = self.share or 0.0
        return "full" if share >= _FULL else ("fair" if share >= _FAIR else "poor")


@dataclass(frozen=True, slots=True)
class Shown:
    """A device ready for a template. `cause` is a sentence; `codes` are the causes behind it."""

    row: FleetRow
    contact: DeviceContact
    condition: Condition
    word: str
    cause: str
    codes: tuple[str, ...]
    clock: str
    bars: list[Bar]

    @property
    def state(self) -> DeviceState:
        return self.condition.state

    @property
    def share(self) -> float | None:
        return self.condition.share


@dataclass(frozen=True, slots=True)
class ShownGap:
    start: datetime
    end: datetime
    cause: str
    what: str
    backfilled: bool
    open: bool


@dataclass(frozen=True, slots=True)
class ShownGroup:
    """A site, an arm, a trial or all of them together, with its bars."""

    name: str
    devices: int
    share: float | None
    bars: list[Bar]


def show_group(group: GroupShare, name: str) -> ShownGroup:
    return ShownGroup(name, group.devices, group.share, [Bar(day.day, day.share) for day in group.days])


@dataclass(frozen=True, slots=True)
class Seen:
    """A device as it was judged, before words are put on it."""

    row: FleetRow
    judged: Judged

    @property
    def state(self) -> DeviceState:
        return self.judged.condition.state


def list_seen(
    conn: Connection,
    context: Context,
    viewer: Viewer,
    page: Page,
    *,
    trial: str | None = None,
    site: str | None = None,
    device_ids: Sequence[int] | None = None,
    with_days: bool = True,
) -> list[Seen]:
    """The reader's devices, worst first, at the page's time. `with_days`: also their completeness."""
    rows = list_devices(conn, viewer, now=page.now, trial=trial, site=site, device_ids=device_ids)
    judged = conditions_of(conn, context, viewer, rows, page.now, with_days=with_days)
    seen = [Seen(row, judged[row.device_id]) for row in rows]
    return sorted(seen, key=lambda one: (_RANK[one.judged.condition.state], one.row.trial, one.row.device))


def list_shown(
    conn: Connection,
    context: Context,
    viewer: Viewer,
    page: Page,
    *,
    trial: str | None = None,
    site: str | None = None,
    device_ids: Sequence[int] | None = None,
    with_days: bool = True,
) -> list[Shown]:
    """The same with words."""
    seen = list_seen(
        conn, context, viewer, page, trial=trial, site=site, device_ids=device_ids, with_days=with_days
    )
    return [show(page, one.row, one.judged) for one in seen]


def show(page: Page, row: FleetRow, judged: Judged) -> Shown:
    """One device, in the reader's language and the time zone of its trial."""
    condition = judged.condition
    return Shown(
        row=row,
        contact=judged.contact,
        condition=condition,
        word=STATES[condition.state],
        cause=explain(page.in_zone(row.time_zone), condition),
        codes=tuple(cause.key for cause in condition.causes),
        clock=_clock(page, condition.clock_offset),
        bars=[Bar(day.day, day.share) for day in condition.days],
    )


def explain(page: Page, condition: Condition) -> str:
    """A sentence that explains the state; empty for a healthy device."""
    window = condition.window
    if condition.state is DeviceState.IN_WINDOW and window is not None:
        word = page.t(WINDOWS[window.kind])  # type: ignore[index]  # a StrEnum's member is its text
        until = page.t(" until {when}", when=page.moment(window.end)) if window.end else ""
        return f"{word}{until}{page.colon}{window.reason}"
    if condition.state is DeviceState.RETIRED:
        return page.t("since {when}", when=page.moment(condition.retired_at))
    causes = [_sentence(page, cause) for cause in condition.causes]
    if condition.state is DeviceState.NEVER_SEEN:
        return ", ".join((explain_unseen(page, condition), *causes))
    return ", ".join(causes)


def explain_unseen(page: Page, condition: Condition) -> str:
    """Of a device that has sent nothing: whether it has results from files."""
    if condition.latest_at is None:
        return page.t("no message yet")
    return page.t("no message yet, imported results up to {when}", when=page.moment(condition.latest_at))


def _sentence(page: Page, cause: Cause) -> str:
    match cause.code, cause.evidence:
        case DeviceCause.POOR_RADIO, evidence:
            ((name, level),) = evidence.items()
            return page.t(WEAK_RADIO[name], number=page.number(float(level), 0))
        case DeviceCause.LOW_BATTERY, {"battery_percent": float(battery)}:
            return page.t(CAUSES[cause.code], number=page.number(battery, 0))
        case ((DeviceCause.SILENT | DeviceCause.LATE), {"silence_s": float(silence_s)}):
            return page.t(CAUSES[cause.code], span=page.span(timedelta(seconds=silence_s)))
        case DeviceCause.CLOCK_OFF, {"offset_s": float(offset_s)}:
            return page.t(CAUSES[cause.code], how=_ahead_or_behind(page, offset_s))
        case DeviceCause.DENIED, {"messages": float(messages)}:
            return page.t(CAUSES[cause.code], number=page.number(messages, 0))
        case DeviceCause.SILENT_DATASTREAM, {"name": str(datastream)}:
            return page.t(CAUSES[cause.code], name=datastream)
    return page.t(CAUSES[cause.code])


def _clock(page: Page, offset: float | None) -> str:
    """Text about the offset of the device's clock (s, positive: ahead). A delayed message affects the offset
    only if none came in time.
    """
    if offset is None:
        return "–"
    return page.t("right") if abs(offset) <= CLOCK_IN_ORDER_S else _ahead_or_behind(page, offset)


def _ahead_or_behind(page: Page, offset: float) -> str:
    span = page.span(timedelta(seconds=abs(offset)))
    return page.t("{span} ahead", span=span) if offset > 0 else page.t("{span} behind", span=span)


def show_gaps(page: Page, gaps: Sequence[DeviceGap]) -> list[ShownGap]:
    """The newest gaps, in the given order."""
    return [
        ShownGap(
            start=found.gap.start,
            end=found.gap.end,
            cause=found.gap.cause.value,
            what=page.t("the device") if found.datastream is None else found.datastream,
            backfilled=found.gap.backfilled,
            open=found.lasts,
        )
        for found in gaps[:_MOST_GAPS]
    ]


def count_states(shown: Iterable[Shown | Seen]) -> Mapping[DeviceState, int]:
    states = [one.state for one in shown]
    return {state: states.count(state) for state in WORST_FIRST}
